"""Laws of every operator without a model, on four kinds of task."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evolve.errors import Unwritten
from evolve.operators import OFFLINE, offered
from evolve.operators.child import MAX_NODES, TRIALS
from evolve.program import count_nodes, program_id
from evolve.screen import screen
from evolve.spec import Block

EVERY = pytest.mark.parametrize("name", list(OFFLINE))
DRAWS = 12
KIT = Path(__file__).parent / "conftest.py"
ROOT = Path(__file__).parent.parent.parent


def children(kit: Any, world: Any, name: str, draws: int = DRAWS) -> list[str]:
    """Write some children; those that cannot be written are left out."""
    found = []
    for rng_seed in range(draws):
        with contextlib.suppress(Unwritten):
            found.append(kit.write(OFFLINE[name], world, rng_seed))
    return found


def test_the_offline_operators_and_their_shares_are_as_documented() -> None:
    assert {name: operator.share for name, operator in OFFLINE.items()} == {
        "perturb": 16,
        "tune": 25,
        "recombine": 39,
        "insert": 20,
    }
    assert not any(operator.uses_model for operator in OFFLINE.values())


def test_insert_is_offered_only_where_there_is_a_vocabulary(kit: Any) -> None:
    assert set(offered(kit.worlds["selection"].task)) == set(OFFLINE)
    assert "insert" not in offered(kit.worlds["toy"].task)
    with pytest.raises(Unwritten, match=r"declares no \[\[block\]\]"):
        kit.write(OFFLINE["insert"], kit.worlds["toy"], 0)


def test_a_view_with_x_is_laid_onto_what_it_replaces(kit: Any, selection: Any) -> None:
    text = "def halved(x, pool):\n    for _ in pool:\n        half = x * 0.5\n    return half\n"
    block = Block(name="halved", gives="view", source=text)
    task = selection.task.model_copy(update={"block": (block,)})
    world = kit.World(task, selection.programs, selection.public)
    found = children(kit, world, "insert")
    assert any("halved(X, pool)" in source for source in found)
    assert all(source.count("halved(") == 2 for source in found)


@EVERY
def test_every_child_passes_the_screen_and_is_new(kit: Any, world: Any, name: str) -> None:
    parents = {program_id(source) for source in world.programs}
    for source in children(kit, world, name):
        screen(source, world.task)
        assert program_id(source) not in parents
        assert count_nodes(source) <= MAX_NODES


@EVERY
def test_every_child_runs_on_other_inputs_than_the_probe(
    kit: Any, selection: Any, name: str
) -> None:
    larger = kit.World(selection.task, (), {"pool": kit.pool(90, rng_seed=1), "k": 11})
    for source in children(kit, selection, name):
        chosen = [int(item) for item in larger.run(source)]
        assert len(chosen) == len(set(chosen)) <= 11
        assert all(0 <= item < 90 for item in chosen)


@EVERY
def test_most_children_behave_like_no_parent(kit: Any, selection: Any, name: str) -> None:
    larger = kit.World(selection.task, (), {"pool": kit.pool(400, rng_seed=1), "k": 40})
    known = {tuple(larger.run(source)) for source in selection.programs}
    found = children(kit, selection, name)
    differ = [source for source in found if tuple(larger.run(source)) not in known]
    assert len(differ) >= 0.5 * len(found) > 0


@EVERY
def test_the_same_generator_writes_the_same_child(kit: Any, world: Any, name: str) -> None:
    try:
        first = kit.write(OFFLINE[name], world, 5)
    except Unwritten:
        pytest.skip("nothing to write here")
    assert kit.write(OFFLINE[name], world, 5) == first


def test_children_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    """Sets of names come in another order in every process; no choice may follow that order."""
    script = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('kit', {str(KIT)!r})\n"
        "kit = sys.modules['kit'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(kit)\n"
        "from evolve.operators import OFFLINE\n"
        "for operator in OFFLINE.values():\n"
        "    for rng_seed in (1, 2, 5, 6):\n"
        "        try:\n"
        "            print(kit.write(operator, kit.WORLDS['selection'], rng_seed))\n"
        "        except Exception as error:\n"
        "            print(repr(error))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            text=True,
            timeout=600,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("def select") >= 12


@EVERY
def test_a_desk_that_can_run_nothing_still_gets_children(kit: Any, name: str) -> None:
    """Without types the edits are syntactic; without a vocabulary's types none is inserted."""
    world = kit.worlds["toy"]
    if name == "insert":
        pytest.skip("no vocabulary")
    source = kit.write(OFFLINE[name], world, 1, blind=True)
    screen(source, world.task)


@EVERY
def test_drafts_are_few(kit: Any, selection: Any, name: str) -> None:
    operator = OFFLINE[name]
    for rng_seed in range(DRAWS):
        parents = tuple(kit.parent_of(source) for source in selection.programs[:2])
        desk = kit.Desk(selection, parents, np.random.default_rng(rng_seed))
        asyncio.run(operator.write(desk))
        assert len(desk.drafts) <= operator.num_parents + TRIALS


def test_a_program_without_anything_to_change_says_so(kit: Any) -> None:
    world = kit.worlds["toy"]
    empty = kit.World(world.task, ("def solve(x):\n    return x\n",), world.public)
    with pytest.raises(Unwritten, match="no constant that can be tuned"):
        kit.write(OFFLINE["tune"], empty, 0)


def test_the_docstring_says_once_that_a_program_was_changed(kit: Any, selection: Any) -> None:
    source = selection.programs[0]
    for rng_seed in range(3):
        world = kit.World(selection.task, (source,), selection.public)
        source = kit.write(OFFLINE["tune"], world, rng_seed)
        assert ast.get_docstring(ast.parse(source)) == "Weighted centres, changed by search."


@pytest.mark.parametrize("which", ["selection", "toy", "rule"])
def test_thirty_generations_of_any_edits_stay_small_and_valid(kit: Any, which: str) -> None:
    world = kit.worlds[which]
    rng = np.random.default_rng(0)
    sources, operators = list(world.programs), list(offered(world.task).values())
    largest = max(count_nodes(source) for source in sources)
    for _ in range(30):
        operator = operators[int(rng.integers(len(operators)))]
        picked = [sources[int(rng.integers(len(sources)))] for _ in range(2)]
        parents = tuple(kit.parent_of(source) for source in picked[: operator.num_parents])
        try:
            child = asyncio.run(operator.write(kit.Desk(world, parents, rng))).source
        except Unwritten:
            continue
        screen(child, world.task)
        if which == "selection":
            world.run(child)
        sources = [*sources[-5:], child]
    assert max(count_nodes(source) for source in sources) <= max(MAX_NODES, largest)
