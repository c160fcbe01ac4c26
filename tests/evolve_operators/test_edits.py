"""Sites, slices, grafts and tidying: the pure halves one by one."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from evolve.edits.combine import join_scores, mask_in_front, score_sites
from evolve.edits.mutate import wrap
from evolve.edits.pieces import graft, piece_of, slice_at
from evolve.edits.sites import RECORD, Probe, Site, dim_path, instrumented, read_probe
from evolve.edits.tidy import tidy
from evolve.edits.tree import NoEdit, functions_of, numbered, render
from evolve.spec import Measure, TaskSpec


def probe_of(world: Any, source: str) -> Probe:
    text = instrumented(source, world.task)
    assert text is not None
    probe = read_probe(world.run(text, RECORD), source)
    assert probe is not None
    return probe


def site_of(source: str, probe: Probe, text: str) -> Site:
    """Find the first typed expression that is written like this."""
    nodes = numbered(ast.parse(source))
    return next(site for site in probe.sites if ast.unparse(nodes[site.number]) == text)


def test_sites_are_typed_by_what_the_probe_showed(selection: Any) -> None:
    source = selection.programs[0]
    probe = probe_of(selection, source)
    assert probe.dims == {"N": 40, "d": 7, "K": 2, "T": 3, "C": 4, "k": 9}
    assert probe.arrays["pool"]["probs"] == (2, 3, 40, 4)
    assert site_of(source, probe, "dep * (0.5 + dif)").type == ("f", ("N",))
    assert site_of(source, probe, "pool['X']").type == ("f", ("N", "d"))
    assert site_of(source, probe, "len(y)").type == ("i", ())
    assert site_of(source, probe, "dif").once


def test_what_stands_in_a_loop_takes_no_transplant(selection: Any) -> None:
    source = selection.programs[0]
    site = site_of(source, probe_of(selection, source), "d * w")
    assert site.type == ("f", ("N",))
    assert not site.once


def test_the_probe_shows_which_way_a_score_is_meant(selection: Any) -> None:
    centres, _, easiest, _ = selection.programs
    low = site_of(easiest, probe_of(selection, easiest), "error(pool, EARLY)").leaning
    high = site_of(centres, probe_of(selection, centres), "dep * (0.5 + dif)").leaning
    assert low is not None
    assert high is not None
    assert low < -0.5 < 0 < high


def test_a_program_that_lies_in_its_notes_is_only_not_typed(selection: Any) -> None:
    source = selection.programs[0]
    for record in (
        None,
        3,
        {},
        {"ran": True},
        {"ran": True, "dims": 3},
        {"ran": True, "dims": {}, "arrays": {}, "sites": {"x": 1}, "output": None},
    ):
        assert read_probe(record, source) is None


def test_an_entry_point_that_is_a_class_is_not_instrumented(kit: Any) -> None:
    world = kit.worlds["rule"]
    assert instrumented(world.programs[0], world.task) is None


def test_notes_do_not_change_what_a_program_gives(kit: Any, world: Any) -> None:
    for source in world.programs:
        text = instrumented(source, world.task)
        if text is not None:
            assert np.array_equal(world.run(text), world.run(source))


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("pool.y[0]", ("pool", ("y",), 0)),
        ("k", ("k", (), None)),
        ("a.b.c[2]", ("a", ("b", "c"), 2)),
    ],
)
def test_a_dimension_is_a_path_and_an_axis(path: str, parts: tuple[Any, ...]) -> None:
    assert dim_path(path) == parts


def test_every_score_of_every_program_can_be_cut_out_and_still_gives_its_value(
    selection: Any,
) -> None:
    cut = 0
    for source in selection.programs:
        tree = ast.parse(source)
        for site in score_sites(tree, probe_of(selection, source), selection.task):
            try:
                piece = slice_at(source, site, ("pool", "k", "rng"), "score")
            except NoEdit:
                continue
            module = ast.unparse(ast.Module(list(piece.statements), []))
            entry = f"{module}\n\ndef select(pool, k, rng):\n    return {piece.name}({', '.join(piece.parameters)})\n"
            assert np.isfinite(selection.run(entry)).all()
            assert selection.run(entry).shape == (40,)
            cut += 1
    assert cut >= 10


def test_a_slice_holds_what_its_value_depends_on_and_no_more() -> None:
    source = (
        "import numpy as np\n\n\ndef select(pool, k, rng):\n"
        "    unused = pool['X'].sum()\n    order = []\n    for i in range(3):\n"
        "        order.append(i)\n    y = np.zeros(4)\n    y[order] = 1\n    y = y + 1\n"
        "    z = y * 2\n    return z\n"
    )
    number = next(
        at
        for at, node in enumerate(numbered(ast.parse(source)))
        if isinstance(node, ast.BinOp) and ast.unparse(node) == "y * 2"
    )
    piece = slice_at(source, Site(number, "select", "f", ("N",), True), ("pool",), "score")
    text = ast.unparse(piece.statements[-1])
    assert piece.parameters == ()
    assert "unused" not in text
    assert "order.append(i)" in text
    assert "y[order] = 1" in text


def test_a_slice_through_a_branch_that_returns_is_refused() -> None:
    source = (
        "def select(pool, k, rng):\n    w = pool['y'] * 1.0\n    if k > 3:\n        w = w + 1\n"
        "        return w\n    return w * 2\n"
    )
    number = next(
        at for at, node in enumerate(numbered(ast.parse(source))) if ast.unparse(node) == "w * 2"
    )
    with pytest.raises(NoEdit, match="may return"):
        slice_at(source, Site(number, "select", "f", ("N",), True), ("pool", "k"), "score")


def test_a_graft_uses_what_is_there_and_renames_what_is_taken() -> None:
    tree = ast.parse(
        "import numpy as np\n\ndef score(pool):\n    return np.zeros(3)\n\ndef select(pool):\n    return score(pool)\n"
    )
    same = piece_of("import numpy as np\n\ndef other(pool):\n    return np.zeros(3)\n", "other")
    assert graft(tree, same) == "score"
    assert len(functions_of(tree)) == 2
    different = piece_of("import numpy as np\n\ndef score(pool):\n    return np.ones(3)\n", "score")
    assert graft(tree, different) == "score2"
    assert render(tree).count("import numpy") == 1


def test_a_graft_never_changes_what_an_imported_name_means() -> None:
    tree = ast.parse("import math as np\n\ndef select(pool):\n    return np.pi\n")
    piece = piece_of("import numpy as np\n\ndef f(pool):\n    return np.e\n", "f")
    with pytest.raises(NoEdit, match="taken"):
        graft(tree, piece)


def test_tidying_keeps_only_what_the_entry_leads_to() -> None:
    source = (
        "import math\nimport numpy as np\n\nUNUSED = 3\nUSED = 4\n\n\ndef lost(x):\n    return x\n\n\n"
        "def one(x):\n    y = x + USED\n    z = y * y\n    return y\n\n\n"
        "def two(x):\n    q = x + USED\n    return q\n\n\n"
        "def line(a, b):\n    return a * b\n\n\n"
        "def solve(x):\n    dead = np.zeros(3)\n    return one(x) + two(x) + line(x, 3)\n"
    )
    clean = render(tidy(ast.parse(source), "solve"))
    assert clean == (
        "USED = 4\n\n\ndef one(x):\n    y = x + USED\n    return y\n\n\n"
        "def solve(x):\n    return one(x) + one(x) + x * 3\n"
    )


def test_tidying_does_not_change_what_programs_give(kit: Any, world: Any) -> None:
    if world.task.name == "rule":
        return
    for source in world.programs:
        clean = render(tidy(ast.parse(source), world.task.entry))
        assert np.array_equal(world.run(clean), world.run(source))


def test_an_inlined_helper_never_captures_a_name() -> None:
    source = (
        "N = 2\n\n\ndef line(a):\n    return a * N\n\n\n"
        "def solve(x):\n    N = 5\n    return line(x) + N\n"
    )
    assert "line" in render(tidy(ast.parse(source), "solve"))


def test_wraps_stand_only_in_sums_and_products(selection: Any) -> None:
    source = selection.programs[0]
    probe = probe_of(selection, source)
    for rng_seed in range(20):
        tree = ast.parse(source)
        wrap(tree, probe, np.random.default_rng(rng_seed))
        assert ast.dump(tree) != ast.dump(ast.parse(source))


def test_a_piece_is_found_by_the_name_of_its_function() -> None:
    with pytest.raises(NoEdit, match="no function g"):
        piece_of("def f():\n    pass\n", "g")
    assert piece_of("def f(a, b):\n    pass\n", "f").parameters == ("a", "b")


def test_a_filter_in_front_narrows_every_argument_that_has_the_items() -> None:
    task = TaskSpec(
        name="texts",
        about="Choose texts.",
        entry="select",
        canonical="set",
        dims={"N": "feats.size[0]", "k": "k"},
        measures=(Measure(name="a", range=(0, 1), bins=2), Measure(name="b", range=(0, 1), bins=2)),
    )
    tree = ast.parse(
        "import numpy as np\n\n\n"
        "def select(docs, target, k, feats):\n"
        "    return np.argsort(docs[:, 0] + feats['size'] + len(target), kind='stable')[:k]\n"
    )
    mask = "def small(feats):\n    return feats['size'] < 5\n"
    arrays = {"docs": {"": (8, 3)}, "target": {"": (2, 3)}, "feats": {"size": (8,)}}
    mask_in_front(tree, piece_of(mask, "small"), Probe({"N": 8, "k": 3}, arrays), task)
    scope: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(tree), "<child>", "exec"), scope)
    docs = np.tile(np.array([7, 6, 5, 4, 3, 2, 1, 0])[:, None], (1, 3))
    size = np.array([1, 9, 1, 9, 1, 9, 1, 9])
    chosen = scope["select"](docs, np.zeros((2, 3)), 3, {"size": size})
    assert chosen.tolist() == [6, 4, 2]


GRIDS = """
import numpy as np

def weigh(part):
    size = np.abs(part["W"]) * 2.0
    return size

def score(parts):
    return [weigh(part) for part in parts]
"""
GRID_TASK = {
    "name": "grids",
    "about": "a",
    "entry": "score",
    "dims": {"O": "part.W[0]", "I": "part.W[1]"},
    "items": ["O", "I"],
    "measures": [{"name": name, "range": [0, 1], "bins": 2} for name in "ab"],
}


def test_scores_of_two_axes_are_found_leant_and_joined_as_factors() -> None:
    task = TaskSpec.model_validate(GRID_TASK)
    weights = np.arange(-6.0, 6.0).reshape(3, 4)
    text = instrumented(GRIDS, task)
    assert text is not None
    scope: dict[str, Any] = {}
    exec(text, scope)
    scope["score"]([{"W": weights}])
    probe = read_probe(scope[RECORD], GRIDS)
    sites = score_sites(ast.parse(GRIDS), probe, task)
    assert {site.shape for site in sites} == {("O", "I")}
    assert max(site.leaning or 0 for site in sites) > 0.4
    source = "def rows(part):\n    return part['W'] * 0 + [[1.0], [2.0], [4.0]]\n"
    for rng_seed in range(8):
        tree = ast.parse(GRIDS)
        site = site_of(GRIDS, probe, "np.abs(part['W']) * 2.0") if probe else sites[0]
        join_scores(tree, site, piece_of(source, "rows"), 1.0, np.random.default_rng(rng_seed))
        child: dict[str, Any] = {}
        exec(render(tree), child)
        (found,) = child["score"]([{"W": weights}])
        assert found.shape == (3, 4)
        assert np.isfinite(found).all()
        # Within a row nothing changes: the factor belongs to rows.
        assert np.array_equal(np.argsort(found[2]), np.argsort(np.abs(weights[2])))


def test_items_must_be_axes_among_the_dims() -> None:
    with pytest.raises(ValueError, match="no axis among dims"):
        TaskSpec.model_validate({**GRID_TASK, "items": ["O", "N"]})
