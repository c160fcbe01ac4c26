"""Hand-made runs for prompts to tell of: a small one, and one of a real task's size."""

from dataclasses import dataclass

import pytest

from archive.records import Evaluation, Kind, Status, Step
from evolve.briefing import Briefing, Reference, signature
from evolve.grid import Grid
from evolve.loader import load_task
from evolve.operators.base import ParentProgram
from evolve.randomness import step_rng
from evolve.spec import Budget, Measure, TaskSpec
from evolve.state import State
from evolve.statistics import Grouping
from evolve.telling import tell

# All programs count as equally long: none takes the place of one that it equals.
NODES = 20
MEASURES = (
    Measure(name="fill", range=(0.0, 1.0), bins=4, about="how full bins are"),
    Measure(name="order", range=(0.0, 1.0), bins=4),
)
SMALL_SPEC = TaskSpec(
    name="packing",
    about="Put items into bins.",
    entry="pack",
    rng=True,
    imports=("numpy", "math"),
    limits=Budget(cpu_s=2.0, memory_mb=512),
    measures=MEASURES,
)
SMALL_BRIEF = """# Put items into as few bins as possible

Write `pack(items, capacity, rng)`. It gives the bin of each item.

## The score
Minus the excess over the fewest bins possible, in per cent. Braces {like these}, a $dollar and
100 % stay as they are.
"""
SMALL_GROUPING = Grouping(
    subgroups={f"train-0-{i}": [f"pieces={2 + i % 2}"] for i in range(6)},
)
FIRST_FIT = '''import numpy as np


def pack(items, capacity, rng):
    """First fit, in the order given."""
    free, bins = [], np.empty(len(items), dtype=np.int64)
    for i, size in enumerate(items):
        fits = [b for b, room in enumerate(free) if room >= size]
        if not fits:
            free.append(capacity)
            fits = [len(free) - 1]
        bins[i] = fits[0]
        free[fits[0]] -= size
    return bins
'''
DECREASING = FIRST_FIT.replace("in the order given", "the largest first").replace(
    "enumerate(items)", "sorted(enumerate(items), key=lambda pair: -pair[1])"
)
BEST_FIT = DECREASING.replace("First fit", "Best fit").replace(
    "bins[i] = fits[0]", "fits.sort(key=lambda b: free[b])\n        bins[i] = fits[0]"
)


def small_briefing():
    lines = (
        Reference("trivial", -41.5, "random choice"),
        Reference("first_fit_decreasing", -6.25, "the best published program: Johnson 1973"),
    )
    given = signature(FIRST_FIT, "pack")
    return Briefing(SMALL_BRIEF, SMALL_SPEC, lines, SMALL_GROUPING, given)


class Story:
    """A run that is told step by step; every program has scores of its own."""

    def __init__(self, measures, names):
        self.state, self.names = State(Grid(measures)), list(names)
        self.measures = measures

    def tell(
        self, operator, source, scores=None, *, parents=(), idea=None, model=None,
        status=Status.OK, reason=None, place=(0.1, 0.1), outputs=None, feedback=None,
    ):  # fmt: skip
        n = self.state.told
        ok = status is Status.OK
        values = dict(zip(self.names, scores, strict=True)) if scores is not None else {}
        evaluation = Evaluation(
            "task", "world", "train", 0, f"p{n}", status,
            outputs_digest=(outputs or f"d{n}") if ok else None,
            reason=reason,
            fitness=sum(scores) / len(scores) if ok else None,
            n=len(values), se=None, scores=values,
            measures=dict(zip([m.name for m in self.measures], place, strict=True)) if ok else {},
            feedback=feedback or {},
            cpu_s=1.25,
        )  # fmt: skip
        step = Step(
            n, 0, Kind.SEARCH if parents else Kind.INITIAL, operator, model, tuple(parents),
            source, f"p{n}", outputs_digest=evaluation.outputs_digest, idea=idea,
        )  # fmt: skip
        verdict = tell(self.state, step, evaluation, NODES)
        self.state = verdict.state
        return n

    def parent(self, n, **more):
        told = self.state.step(n)
        evaluation, step = told.evaluation, told.step
        values = {
            "step": n, "source": step.source, "fitness": evaluation.fitness,
            "scores": evaluation.scores, "feedback": evaluation.feedback,
            "operator": step.operator, "idea": step.idea, "status": str(step.status),
            "reason": step.reason, "cpu_s": evaluation.cpu_s, "limit_share": 0.04,
        }  # fmt: skip
        return ParentProgram(**values | more)


def small_story():
    """Two initial programs, then ideas: good, vain, equal to another, failing, repaired."""
    story = Story(MEASURES, [f"train-0-{i}" for i in range(6)])
    story.tell("initial", FIRST_FIT, [-9.0, -12.0, -8.5, -11.0, -9.5, -13.0])
    story.tell(
        "initial", DECREASING, [-6.0, -7.0, -5.5, -6.5, -6.0, -7.5], place=(0.4, 0.6),
        feedback={"train-0-1": "31 bins where 29 would do", "train-0-2": "19 bins, 18 would do"},
    )  # fmt: skip
    told = {"parents": (1,), "model": "scripted/a"}
    story.tell(
        "diff", BEST_FIT, [-5.0, -7.5, -4.0, -6.0, -5.5, -7.0], place=(0.4, 0.6),
        idea="Put each item where least room is left.",
        feedback={"train-0-1": "30 bins where 29 would do"}, **told,
    )  # fmt: skip
    story.tell(
        "ideate", DECREASING + "\n# b", [-7.0, -5.0, -7.5, -5.5, -6.5, -6.0], place=(0.8, 0.6),
        idea="Pair large items with small ones\nbefore anything else.", **told,
    )  # fmt: skip
    story.tell(
        "rewrite", DECREASING + "\n# c", [-6.0] * 6, outputs="d2",
        idea="Sort, then put each item into the fullest bin.", **told,
    )  # fmt: skip
    story.tell(
        "rewrite", "def pack(items, capacity, rng):\n    return items[10**9]\n",
        status=Status.CRASHED, reason="train-0-0: IndexError: index out of bounds, line 2",
        idea="Look ahead by a table.", **told,
    )  # fmt: skip
    story.tell(
        "rewrite", "def pack(items, capacity, rng):\n    while True:\n        pass\n",
        status=Status.TIMEOUT, reason="train-0-0: stopped after 2 CPU seconds",
        idea="Search all packings.", **told,
    )  # fmt: skip
    story.tell(
        "repair", DECREASING + "\n# d", [-8.0, -9.0, -8.0, -9.0, -8.0, -9.5], place=(0.1, 0.9),
        idea="Look ahead by a table of bounded size.", parents=(5,), model="scripted/a",
    )  # fmt: skip
    story.tell("tune", DECREASING + "\n# e", [-6.0, -7.0, -5.5, -6.5, -6.0, -7.4], parents=(1,))
    return story


REAL_TASK = "data_selection"
PROGRAMS = ("trivial", "el2n_easiest", "k_center", "ccs_aum", "d3_like")
REGIMES = ("default", "hard", "imbalance", "clean", "default", "hard", "imbalance", "default")


def real_briefing():
    task = load_task(REAL_TASK)
    names = [f"train-0-{pool}-{budget}%" for pool in range(8) for budget in (5, 10, 20)]
    grouping = Grouping(
        subgroups={
            name: [f"regime={REGIMES[int(name.split('-')[2])]}", f"budget={name.split('-')[3]}"]
            for name in names
        },
        units={name: name.rpartition("-")[0] for name in names},
    )
    lines = (
        Reference("trivial", 0.7063, "random choice"),
        Reference("d3_like", 0.8871, "the best published program"),
        Reference("oracle", 0.9292, "a control, which may see or spend what a program may not"),
    )
    given = signature(task.programs()["trivial"], task.spec.entry)
    return Briefing(task.brief, task.spec, lines, grouping, given)


def real_story(steps=60):
    """A run on data selection as it might go: published programs, then ideas of drawn worth."""
    task, briefing = load_task(REAL_TASK), real_briefing()
    names = list(briefing.grouping.subgroups)
    story, rng = Story(task.spec.measures, names), step_rng(1, 0, "scene")
    hard = rng.normal(0.0, 0.02, len(names))
    account = (
        "chosen: 3% wrong labels, 9% out of distribution, 12% redundant copies, 11% of rare "
        "classes (pool 7%), 78% recall of distinct clean examples, mean difficulty percentile 0.41"
    )
    programs = task.programs()
    sources = [programs[name] for name in PROGRAMS]
    for i, source in enumerate(sources):
        scores = 0.7 + 0.04 * i + hard + rng.normal(0.0, 0.01, len(names))
        story.tell("initial", source, list(scores), place=(i * 0.12, 0.3))
    for i in range(steps):
        parent = int(rng.integers(story.state.told)) if i % 3 else story.state.best[0].step
        if not story.state.step(parent).evaluation.scores:
            parent = story.state.best[0].step
        base = story.state.step(parent).evaluation.scores
        scores = [base[name] + rng.normal(0.002, 0.006) for name in names]
        kind = ("rewrite", "ideate", "diff", "tune")[i % 4]
        told = {"parents": (parent,), "place": tuple(rng.uniform(0.0, 0.6, 2))}
        if kind != "tune":
            told |= {"idea": f"Idea {i}: weigh examples by what their neighbours say of the label."}
            told |= {"model": "scripted/a"}
        if i % 11 == 5:
            told |= {"status": Status.TIMEOUT, "reason": f"train-0-{i % 8}-5%: 5 CPU seconds used"}
        source = sources[i % len(sources)] + f"\n# variant {i}\n"
        feedback = dict.fromkeys(names, account)
        ok = "status" not in told
        story.tell(kind, source, scores if ok else None, feedback=feedback if ok else {}, **told)
    return story


@dataclass(frozen=True)
class Scene:
    """A briefing and the run that it belongs to."""

    briefing: Briefing
    story: Story

    @property
    def state(self):
        return self.story.state


@pytest.fixture(scope="session")
def small():
    return Scene(small_briefing(), small_story())


@pytest.fixture(scope="session")
def real():
    return Scene(real_briefing(), real_story())


@pytest.fixture(scope="session")
def long():
    """A run of three thousand told steps."""
    return Scene(real_briefing(), real_story(3_000))


@pytest.fixture(scope="session")
def new_story():
    """What begins a story of one's own: measures and names of instances in, a story out."""
    return lambda: Story(MEASURES, SMALL_GROUPING.subgroups)
