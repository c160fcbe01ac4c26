"""The plan of the house, enforced: a module imports only from its own floor and those below."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sandbox", "archive", "evolve")

FLOORS = [
    ["sandbox"],
    ["archive"],
    ["evolve.errors", "evolve.folder", "evolve.spec", "evolve.artefacts", "evolve.task", "evolve.mistakes", "evolve.cells", "evolve.grid", "evolve.config", "evolve.program", "evolve.scopes", "evolve.screen", "evolve.messages", "evolve.prices", "evolve.bounds"],
    ["evolve.hashing", "evolve.sampling", "evolve.decisions", "evolve.behaviour", "evolve.novelty", "evolve.randomness", "evolve.credit", "evolve.belief", "evolve.hurdle", "evolve.entries", "evolve.history", "evolve.state", "evolve.folding", "evolve.telling", "evolve.confirming", "evolve.under_way", "evolve.selection", "evolve.statistics", "evolve.diversity", "evolve.recording", "evolve.edits", "evolve.reading", "evolve.briefing", "evolve.estimates", "evolve.view", "evolve.prompting", "evolve.operators"],
    ["evolve.loader", "evolve.world", "evolve.gpus", "evolve.models", "evolve.embedding", "evolve.likeness", "evolve.calls", "evolve.attempts", "evolve.lending", "evolve.executor", "evolve.grader_slot", "evolve.slot_pool", "evolve.local", "evolve.shipping", "evolve.ray_line", "evolve.ray_actor", "evolve.ray_cluster", "evolve.ray_slot", "evolve.ray_executor", "evolve.grading", "evolve.faults", "evolve.task_box", "evolve.blocks", "evolve.probing", "evolve.quick", "evolve.grader"],
    ["evolve.run", "evolve.checkpoint", "evolve.totals", "evolve.desk", "evolve.neighbours", "evolve.flights", "evolve.crew", "evolve.collector", "evolve.slots", "evolve.memo", "evolve.grades", "evolve.hurdling", "evolve.rejection", "evolve.confirmation", "evolve.migration", "evolve.walk", "evolve.evaluator", "evolve.work", "evolve.loop", "evolve.replay"],
]  # fmt: skip
ROOF = len(FLOORS)
# The archive's record types are nouns that every floor may use; they load no database.
RECORDS = "archive.records"


def modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not {"_tasks", "attacks"} & set(path.parts):  # data
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts).removesuffix(".__init__"), path


def floor(module):
    for number, names in enumerate(FLOORS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return number
    return ROOF


def imports(path):
    """Give what a file imports of ours when it is loaded or run; not what only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for_types.update(map(id, ast.walk(node)))
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if is_module(full) else node.module), node.lineno


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_a_module_imports_only_from_floors_below():
    faults = []
    for module, path in modules():
        if module == "evolve":  # resolves names lazily: it stands outside the house
            continue
        for imported, line in imports(path):
            ours = imported.split(".")[0] in PACKAGES
            if ours and imported not in ("evolve", RECORDS) and floor(imported) > floor(module):
                faults.append(f"{path.relative_to(ROOT)}:{line} imports {imported} from above")
    assert faults == []


def test_the_sandbox_and_the_archive_know_nothing_of_evolution():
    for module, path in modules():
        for imported, line in imports(path):
            top = imported.split(".")[0]
            if module.startswith("sandbox"):
                assert top not in ("archive", "evolve"), f"{path}:{line}"
            if module.startswith("archive"):
                assert top not in ("sandbox", "evolve"), f"{path}:{line}"


def test_no_import_cycle():
    graph = {module: {name for name, _ in imports(path)} for module, path in modules()}
    done, trail = set(), []

    def visit(module):
        assert module not in trail, f"cycle: {' -> '.join([*trail, module])}"
        if module in done or module not in graph:
            return
        trail.append(module)
        for imported in graph[module]:
            if imported != module:
                visit(imported)
        done.add(trail.pop())

    for module in graph:
        visit(module)


SDKS = ("openai", "anthropic", "litellm", "httpx", "httpx2")


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import evolve", ("torch", "sqlalchemy", "typer", "rich", *SDKS)),
        ("import evolve.cli", ("torch", "sqlalchemy", *SDKS)),
        ("import evolve.models, evolve.models.names, evolve.build", SDKS),
        ("import sandbox", ("numpy", "torch")),
        ("import archive, archive.records", ("sqlalchemy",)),
    ],
)
def test_what_nobody_waits_for(statement, forbidden):
    loaded = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=600,
    ).stdout.split()
    assert not set(forbidden).intersection(loaded)


def test_a_task_imports_only_the_task_api():
    for path in sorted((ROOT / "tasks").rglob("*.py")) + sorted(
        (ROOT / "tests/tasks").rglob("*.py")
    ):
        for imported, line in imports(path):
            if imported.split(".")[0] in PACKAGES:
                assert imported == "evolve.task", f"{path}:{line} imports {imported}"
