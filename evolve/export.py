"""Writes discovered programs as an importable package that needs numpy only, not evolve.

The folder holds a module per program, a catalogue, where each came from, and a test which proves
on stored probes that each still decides as it did.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import evolve
from archive import queries
from archive.errors import ArchiveError
from archive.records import RunRecord, Step
from archive.store import Archive
from evolve.assess import all_of, assessing
from evolve.believed import believed_of
from evolve.errors import UsageError
from evolve.executor import Progress
from evolve.exported.trees import write_tree
from evolve.hurdle import is_stopped
from evolve.loader import Task
from evolve.verify import best_programs, unchanged_task
from sandbox.levels import LEVELS

DEFAULT_TOP = 10
MADE_BY = "evolve export"
PROVENANCE, PROBES = "provenance.json", "probes.json"
# Letters of a program's hash that name its module.
NAME_LETTERS = 8
# Files that are copied as they are: {name in the package: file of ours}.
HOME = Path(__file__).resolve().parent
COPIED = {
    "__init__.py": HOME / "exported" / "package.py",
    "_trees.py": HOME / "exported" / "trees.py",
    "_canonical.py": HOME / "hashing.py",
    "test_exported.py": HOME / "exported" / "replay.py",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A program to export: its hash and text, the run and the step that it is of."""

    program: str
    source: str
    run: RunRecord
    step: Step

    @property
    def module(self) -> str:
        return f"program_{self.program[:NAME_LETTERS]}"


def export(
    archive: Archive,
    what: str | None,
    to: Path,
    *,
    top: int = DEFAULT_TOP,
    workers: int | None = 1,
    report: Progress | None = None,
) -> list[str]:
    """Write a package to the folder `to`; give the names of its modules, best first.

    what: a run's name (its `top` best elites, see `best_programs`), the beginning of a program's hash, or None
    for the latest run.
    Raises: UsageError if `to` is no place for it or the task has changed; ArchiveError if there is
    no such run or program; WorldError.
    """
    to = to.expanduser().resolve()
    check_place(to)
    chosen = choose(archive, what, top)
    task = unchanged_task(chosen[0].run)
    probes = asyncio.run(_probes(task, chosen, workers, report))
    to.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        _write(beside, to.name, archive, task, chosen, probes)
        _put(beside, to)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [item.module for item in chosen]


def check_place(to: Path) -> None:
    """Refuse a folder that cannot be imported, or that holds anything but such a package.

    Raises: UsageError.
    """
    if not to.name.isidentifier():
        raise UsageError(f"--to {to}: {to.name!r} cannot be imported; choose a name like `found`")
    if to.is_dir() and any(to.iterdir()) and not _written_files(to):
        raise UsageError(f"--to {to}: is not empty, and no package of {MADE_BY}; choose another")
    if to.exists() and not to.is_dir():
        raise UsageError(f"--to {to}: is a file; choose another name")


def choose(archive: Archive, what: str | None, top: int) -> list[Chosen]:
    """Find the programs to export, best first: a run's elites, or one program."""
    names = {record.name for record in archive.runs()}
    if what is None or what in names:
        record = archive.run(what)
        return [
            Chosen(program, source, record, queries.step_of_program(archive, program, record.id)[1])
            for program, source in best_programs(archive, record, top).items()
        ]
    try:
        row = queries.program(archive, what)
    except ArchiveError as error:
        raise UsageError(f"{what}: no such run; and as a program: {error}") from error
    run, step = queries.step_of_program(archive, row.id)
    record = next(record for record in archive.runs() if record.id == run)
    return [Chosen(row.id, row.source, record, step)]


async def _probes(
    task: Task, chosen: Sequence[Chosen], workers: int | None, report: Progress | None
) -> list[dict[str, Any]]:
    """Run the programs on the probes behind the wall; give inputs with all outputs."""
    lowest = min((item.run.settings["min_level"] for item in chosen), key=LEVELS.index)
    async with assessing(task, workers=workers, min_level=lowest, report=report) as assessor:

        async def samples(source: str) -> list[dict[str, Any]]:
            async with assessor.executor.slot(0) as slot:
                return await slot.samples(source)

        found = await all_of(samples(item.source) for item in chosen)
    return [
        {
            "name": rows[0]["name"],
            "rng_seed": rows[0]["rng_seed"],
            "public": rows[0]["public"],
            "outputs": {
                item.module: {"value": row["output"], "items": row["items"]}
                for item, row in zip(chosen, rows, strict=True)
                if row["status"] == "ok"
            },
        }
        for rows in zip(*found, strict=True)
    ]


def _write(
    folder: Path,
    name: str,
    archive: Archive,
    task: Task,
    chosen: Sequence[Chosen],
    probes: list[dict[str, Any]],
) -> None:
    """Write all files of the package `name`."""
    adapters = task.exported()
    for copied, path in (adapters | COPIED).items():
        shutil.copyfile(path, folder / copied)
    harness = task.harness()
    if harness is not None:
        (folder / "_harness.py").write_text(harness, encoding="utf-8")
    write_tree(folder / PROBES, probes)
    programs = [_provenance(archive, item) for item in chosen]
    for item, values in zip(chosen, programs, strict=True):
        text = _header(task, item, values) + item.source
        (folder / f"{item.module}.py").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(
        _readme(name, task, programs, sorted(adapters)), encoding="utf-8"
    )
    provenance = {
        "made_by": MADE_BY,
        "versions": {"evolve": evolve.__version__, "numpy": np.__version__},
        "world": chosen[0].run.world,
        "date": datetime.now(UTC).date().isoformat(),
        "task": {
            "name": task.name,
            "digest": task.digest,
            "entry": task.spec.entry,
            "rng": task.spec.rng,
            # answers to items are no output of which the form speaks
            "canonical": "exact" if task.spec.stepwise else task.spec.canonical,
            "settings": dict(task.settings),
        },
        "programs": programs,
        "files": sorted([*(path.name for path in folder.iterdir()), PROVENANCE]),
    }
    (folder / PROVENANCE).write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")


def _provenance(archive: Archive, item: Chosen) -> dict[str, Any]:
    """Give all that is known of where a program came from and what it is worth."""
    # What stopped at the hurdle has a fitness on a part of the block only.
    row = None if is_stopped(item.step) else item.step.evaluation
    evaluation = None if row is None else queries.evaluation(archive, row)
    elite = believed_of(archive, item.run, item.step.n)
    return {
        "module": item.module,
        "program": item.program,
        "run": item.run.name,
        "rng_seed": item.run.rng_seed,
        "step": item.step.n,
        "operator": item.step.operator,
        "model": item.step.model,
        "parents": list(item.step.parents),
        "ancestry": ancestry(archive, item.run.id, item.step),
        "fitness": evaluation.fitness if evaluation else None,
        "standard_error": evaluation.se if evaluation else None,
        "n": evaluation.n if evaluation else 0,
        "believed": elite.mean if elite else None,
        "believed_error": elite.error if elite else None,
        "fresh": elite.fresh if elite else 0,
        "confirmed": elite.confirmed if elite else False,
        "measures": dict(evaluation.measures) if evaluation else {},
        "verify": _verified(archive, item),
    }


def ancestry(archive: Archive, run: int, step: Step) -> list[dict[str, Any]]:
    """Give a step's ancestors, nearest first, each once."""
    found: list[dict[str, Any]] = []
    seen, waiting = {step.n}, list(step.parents)
    while waiting:
        n = waiting.pop(0)
        if n in seen:
            continue
        seen.add(n)
        parent = queries.step(archive, run, n)
        if parent is None:
            continue
        waiting += parent.parents
        found.append(
            {
                "step": n,
                "program": parent.program,
                "operator": parent.operator,
                "model": parent.model,
                "parents": list(parent.parents),
            }
        )
    return found


def _verified(archive: Archive, item: Chosen) -> dict[str, Any] | None:
    """Give what the last look at the hidden test said of a program, None if it was never in one."""
    for look in reversed(queries.looks(archive, item.run.id)):
        for row in look.result.get("programs", ()):  # none if the look was cut off
            if row["program"] == item.program:
                published = look.result["published"]
                return {**row, "time": look.time, "published": published}
    return None


def _header(task: Task, item: Chosen, values: Mapping[str, Any]) -> str:
    """Give the comment above a module's source, which itself is untouched."""
    fitness = "unknown" if values["fitness"] is None else f"{values['fitness']:.6g}"
    lines = [
        f"Discovered by evolve {evolve.__version__} on the task {task.name} ({task.digest[:12]}).",
        f"Run {item.run.name}, step {item.step.n}, operator {item.step.operator}, "
        f"parents {list(item.step.parents)}.",
        f"Fitness {fitness} on {values['n']} training instances, {_believed(values)}.",
        f"Program {item.program}.",
        f"All that is known of it stands in {PROVENANCE}.",
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n"


def _believed(values: Mapping[str, Any]) -> str:
    """Say what is believed of a program, and on how many fresh instances that rests."""
    if not values["confirmed"]:
        return "not confirmed on fresh ones"
    return f"believed {values['believed']:.6g} after {values['fresh']} fresh ones"


def _readme(
    name: str, task: Task, programs: Sequence[Mapping[str, Any]], adapters: Sequence[str]
) -> str:
    rows = [
        f"| `{p['module']}` | {_short(p['fitness'])} | {_short(p['believed'])} | {p['fresh']} "
        f"| {_short((p['verify'] or {}).get('score'))} "
        f"| {p['run']} | {p['step']} | {p['operator']} |"
        for p in programs
    ]
    best = programs[0]["module"]
    return "\n".join(
        [
            f"# Programs for {task.name}",
            "",
            task.spec.about,
            "",
            "| module | train | believed | fresh | hidden test | run | step | operator |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Train: the fitness as measured by the search, which chose the best of many. Believed: that, "
            "corrected by what so many fresh instances showed, of it and of the programs it comes from: a "
            "parent that fresh instances showed to be better lifts its children. A hidden test of `-` was not looked "
            "at. Only numpy is needed:",
            "",
            "```python",
            f"from {name} import catalogue",
            "",
            f'function = catalogue()["{best}"].function      # {task.spec.entry}(...)',
            "```",
            "",
            *_adapter_lines(adapters),
            f"`python test_exported.py` proves on stored probes that every program still decides as "
            f"it did; `{PROVENANCE}` says where each came from.",
            "",
        ]
    )


def _adapter_lines(adapters: Sequence[str]) -> list[str]:
    """Say which modules make a function what users' own tools take."""
    if not adapters:
        return []
    named = ", ".join(f"`{name}`" for name in adapters)
    return [f"For your own tools, each with an example at its top: {named}.", ""]


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _written_files(folder: Path) -> list[str]:
    """Give the files that an earlier export wrote to a folder, [] if none did."""
    try:
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(provenance, dict) or provenance.get("made_by") != MADE_BY:
        return []
    return list(provenance["files"])


def _put(folder: Path, to: Path) -> None:
    """Move a finished package to its place; of what is there only an earlier export goes."""
    to.mkdir(parents=True, exist_ok=True)
    for name in _written_files(to):
        (to / Path(name).name).unlink(missing_ok=True)
    for path in folder.iterdir():
        path.replace(to / path.name)
