"""Probing tells what a program follows from, at the price of two children per probe."""

import asyncio
import shutil
from pathlib import Path

import pytest

from evolve.blocks import MAX_OTHER_BLOCKS
from evolve.executor import Probed
from evolve.grader import Grader
from evolve.loader import load_task
from evolve.local import LocalExecutor
from evolve.world import world
from sandbox import Sandbox

TASKS = Path(__file__).resolve().parent.parent / "tasks"
SHIPPED = TASKS.parent.parent / "tasks"
PROBES = 2  # of the toy task, and of online_packing

WORDS = '{"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}'
SET_ORDER = f"""
def weigh(features, k, rng):
    return [len(word) + (word < "s") for word in {WORDS}]
"""
SORTED_SET = SET_ORDER.replace(WORDS, f"sorted({WORDS})")
GIVEN_RNG = "def weigh(features, k, rng): return rng.normal(size=len(features))"
NUMPYS_OWN = """
import numpy as np
def weigh(features, k, rng): return np.random.default_rng().normal(size=len(features))
"""
RNG_UNUSED = "def weigh(features, k, rng): return features[:, 0]"
RNG_WITHOUT_EFFECT = (
    "def weigh(features, k, rng): return features[:, rng.permutation(5)].sum() > k + 1e9"
)
CLOCK = "import time\ndef weigh(features, k, rng): return time.time_ns()"
ADDRESS = "def weigh(features, k, rng): return id(features)"
CRASHES = "def weigh(features, k, rng): return features[0, 999]"
CRASHES_BY_ORDER = f"""
def weigh(features, k, rng):
    return 1 / (next(iter({WORDS})) != FIRST)
"""
SPINS_WITH_OTHER_HASHES = """
def weigh(features, k, rng):
    while hash("text") != USUAL: pass
"""


def opened(folder):
    task = load_task(folder)
    return Grader.open(
        folder=str(task.folder),
        settings=dict(task.settings),
        digest=task.digest,
        world=world(),
        level="auto",
        min_level="weak",
        tried=False,
        test_is_open=False,
        report=lambda done, total, what: None,
    )


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    """Open the toy task, with limits that a program soon breaks."""
    folder = tmp_path_factory.mktemp("probed") / "toy"
    shutil.copytree(TASKS / "toy", folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace("cpu_s = 2.0", "cpu_s = 0.5"))
    grader = opened(folder)
    yield grader
    grader.close()


@pytest.fixture
def children(monkeypatch):
    """Give a list that takes the box of every child that is started."""
    started, run = [], Sandbox.run

    def counted(box, *arguments, **options):
        started.append(box)
        return run(box, *arguments, **options)

    monkeypatch.setattr(Sandbox, "run", counted)
    return started


def probed(grader, source):
    return Probed(**grader.probe(source))


def usual(grader, expression):
    """Give what an expression is in the run's own sandbox."""
    source = f"found = {expression}\ndef weigh(features, k, rng): return 0"
    return repr(grader.draft(source, "found")["value"])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SET_ORDER, "none"),
        (SORTED_SET, "deterministic"),
        (GIVEN_RNG, "injected"),
        (NUMPYS_OWN, "injected"),
        (RNG_UNUSED, "deterministic"),
        (RNG_WITHOUT_EFFECT, "deterministic"),
        (CLOCK, "none"),
        (ADDRESS, "none"),
        (CRASHES, "deterministic"),
    ],
)
def test_it_is_told_what_outputs_follow_from(grader, source, expected):
    found = probed(grader, source)
    assert found.determinism == expected
    assert (found.behaviour is None) == (found.record == b"") == (expected == "none")
    assert found.wall_s > 0


def test_a_program_that_crashes_only_with_some_hash_seed_is_not_deterministic(grader):
    first = usual(grader, f"next(iter({WORDS}))")
    assert probed(grader, CRASHES_BY_ORDER.replace("FIRST", first)).determinism == "none"


def test_a_probe_that_ends_by_the_clock_the_second_time_leaves_no_behaviour(grader):
    source = SPINS_WITH_OTHER_HASHES.replace("USUAL", usual(grader, "hash('text')"))
    found = probed(grader, source)
    assert (found.behaviour, found.record, found.determinism) == (None, b"", None)


def test_luck_is_hashed_as_it_falls_in_a_run(grader):
    """Two programs with the same luck behave alike, and it is the luck of every run."""
    twin = GIVEN_RNG.replace("normal(size=len(features))", "normal(0, 1, len(features))")
    assert probed(grader, GIVEN_RNG).behaviour == probed(grader, twin).behaviour
    other = GIVEN_RNG.replace("normal(", "uniform(")
    assert probed(grader, GIVEN_RNG).behaviour != probed(grader, other).behaviour


@pytest.mark.parametrize(
    ("source", "again"),
    [(RNG_UNUSED, PROBES), (CRASHES, PROBES), (GIVEN_RNG, 1 + PROBES), (CLOCK, 2)],
)
def test_each_program_costs_no_more_children_than_it_must(grader, children, source, again):
    probed(grader, source)
    children.clear()
    probed(grader, source)
    assert children.count(grader.box) == PROBES
    assert len(children) == PROBES + again


def test_stepwise_programs_are_told_apart_too():
    grader = opened(TASKS / "online_packing")
    by_order = f"""
def place(capacity, size, rooms, rng):
    first = next(iter({WORDS}))
    return len(rooms) if first < "s" or not rooms or rooms[-1] < size else len(rooms) - 1
"""
    programs = load_task(TASKS / "online_packing").programs()
    try:
        assert probed(grader, programs["best_fit"]).determinism == "deterministic"
        assert probed(grader, programs["trivial"]).determinism == "injected"
        assert probed(grader, by_order).determinism == "none"
    finally:
        grader.close()


@pytest.mark.parametrize("name", ["toy", "smallest", "online_packing"])
def test_every_program_of_the_tests_has_a_behaviour(name):
    assert "none" not in kinds(TASKS / name).values()


@pytest.mark.slow
def test_every_published_selector_has_a_behaviour():
    found = kinds(SHIPPED / "data_selection")
    assert set(found.values()) == {"deterministic", "injected"}
    assert found["trivial"] == "injected"
    assert found["herding"] == "deterministic"


def kinds(folder):
    grader = opened(folder)
    try:
        programs = load_task(folder).programs()
        return {name: probed(grader, source).determinism for name, source in programs.items()}
    finally:
        grader.close()


# --- blocks that come and go ---


def test_blocks_beyond_a_few_are_forgotten_and_come_back_the_same(grader):
    first = grader.run(RNG_UNUSED, "valid", 0)
    grader.grade(first["token"])
    for block in range(1, 3 * MAX_OTHER_BLOCKS):
        grader.grade(grader.run(RNG_UNUSED, "valid", block)["token"])
        assert len(other_blocks(grader)) <= MAX_OTHER_BLOCKS
        assert held(grader) == {
            each.name for block in grader._blocks._held.values() for each in block.instances
        }
    assert ("valid", 0) not in grader._blocks._held
    again = grader.run(RNG_UNUSED, "valid", 0)
    assert again["outputs_digest"] == first["outputs_digest"]
    grader.grade(again["token"])


def test_the_block_that_was_not_used_for_longest_goes_first(grader):
    for block in range(20, 20 + MAX_OTHER_BLOCKS):
        grader.describe("valid", block)
    grader.describe("valid", 20)
    grader.describe("valid", 30)
    assert ("valid", 20) in grader._blocks._held
    assert ("valid", 21) not in grader._blocks._held


def test_probes_and_train_stay_and_so_do_blocks_whose_outputs_wait(grader):
    grader.describe("train", 0)
    grader.probe(RNG_UNUSED)
    waiting = grader.run(RNG_UNUSED, "valid", 40)["token"]
    for block in range(41, 41 + 2 * MAX_OTHER_BLOCKS):
        grader.describe("valid", block)
    assert {("probe", 0), ("train", 0), ("valid", 40)} <= set(grader._blocks._held)
    assert grader.grade(waiting)["quality"]["status"] == "ok"
    for block in range(50, 50 + MAX_OTHER_BLOCKS):
        grader.describe("valid", block)
    assert ("valid", 40) not in grader._blocks._held


def other_blocks(grader):
    return set(grader._blocks._held) - {("probe", 0), ("train", 0)}


def held(grader):
    """Give the names of the inputs that the run's own warm process holds."""
    return {name for inputs in grader.box._inputs for name in inputs}


# --- what is timed ---


def test_a_grade_tells_how_long_it_took_and_is_else_the_same():
    task = load_task(TASKS / "toy", ["grade_ms=20.0"])

    async def graded():
        executor = LocalExecutor(task, world(), 1)
        async with executor, executor.slot(0) as slot:
            tokens = [(await slot.run(RNG_UNUSED, "train", 0)).token for _ in range(2)]
            return await slot.grade(tokens[0]), await slot.timed_grade(tokens[1])

    plain, (timed, seconds) = asyncio.run(graded())
    assert plain == timed
    assert seconds >= plain["n"] * 0.020  # what each grade sleeps
