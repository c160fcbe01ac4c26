"""A desk in this process, and programs and tasks of our own to work on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from evolve.operators.base import Operator, ParentProgram
from evolve.spec import Block, Measure, TaskSpec

MEASURES = (Measure(name="a", range=(0, 1), bins=4), Measure(name="b", range=(0, 1), bins=4))

WEIGHTED_CENTERS = '''
"""Weighted centres.

A second paragraph.
"""
import numpy as np


def select(pool, k, rng):
    """Spread out, but only over what can be trusted."""
    X, y, probs, tp = pool["X"], pool["y"], pool["probs"], pool["tgt_probs"]
    n = np.arange(len(y))
    p = probs.mean((0, 1))
    dep = np.sqrt(tp[n, y]) * p[n, y]
    srt = np.sort(p, -1)
    dif = 1 - (srt[:, -1] - srt[:, -2])
    w = dep * (0.5 + dif)
    sel = [int(w.argmax())]
    d = ((X - X[sel[0]]) ** 2).sum(1)
    d[sel[0]] = -1.0
    while len(sel) < k:
        j = int((d * w).argmax())
        sel.append(j)
        d = np.minimum(d, ((X - X[j]) ** 2).sum(1))
        d[sel] = -1.0
    return np.array(sel)
'''

STRATA = '''
"""Strata of difficulty, the hardest left out."""
import numpy as np


def margin(pool):
    lp = np.log(pool["probs"] + 1e-9)
    y = pool["y"]
    n = np.arange(len(y))
    own = lp[:, :, n, y]
    other = lp.copy()
    other[:, :, n, y] = -99
    return (own - other.max(-1)).mean((0, 1))


def select(pool, k, rng):
    hard = -margin(pool)
    beta, bins = 0.3, 5
    keep = np.argsort(hard)[: int(len(hard) * (1 - beta))]
    s = hard[keep]
    edges = np.linspace(s.min(), s.max() + 1e-9, bins + 1)
    groups = [rng.permutation(keep[(s >= edges[i]) & (s < edges[i + 1])]) for i in range(bins)]
    groups = sorted([g for g in groups if len(g)], key=len)
    out, left = [], k
    for i, g in enumerate(groups):
        q = min(len(g), left // (len(groups) - i))
        out.extend(g[:q])
        left -= q
    return np.array(out)
'''

EASIEST = '''
"""The easiest, by the error of the mean prediction."""
import numpy as np

EARLY = 2


def error(pool, early):
    p = pool["probs"][:, :early].mean((0, 1))
    one = np.eye(p.shape[1])[pool["y"]]
    return np.sqrt(((p - one) ** 2).sum(1))


def select(pool, k, rng):
    hardness = error(pool, EARLY) + 0.05 * rng.random(len(pool["y"]))
    return np.argsort(hardness)[:k]
'''

RANDOM = '''
"""A random choice."""


def select(pool, k, rng):
    return rng.permutation(len(pool["y"]))[:k]
'''

BLOCKS = (
    Block(
        name="density",
        gives="score",
        source="import numpy as np\n\n\ndef density(pool):\n"
        '    """Nearness to the five nearest items."""\n'
        '    X = pool["X"]\n    d = ((X[:, None] - X[None]) ** 2).sum(-1)\n'
        "    return -np.sort(d, 1)[:, 1:6].mean(1)\n",
    ),
    Block(
        name="trusted_loss",
        gives="score",
        source="import numpy as np\n\n\ndef trusted_loss(pool):\n"
        '    tp = pool["tgt_probs"]\n'
        '    return np.log(tp[np.arange(len(tp)), pool["y"]] + 1e-6)\n',
    ),
    Block(
        name="agrees",
        gives="mask",
        source='def agrees(pool):\n    return pool["tgt_probs"].argmax(1) == pool["y"]\n',
    ),
    Block(
        name="by_class",
        gives="select",
        source="import numpy as np\n\n\ndef by_class(pool, w, k, rng):\n"
        '    """The best of each class in turn."""\n'
        '    y = pool["y"]\n    place = np.zeros(len(y))\n'
        "    for c in np.unique(y):\n        own = np.flatnonzero(y == c)\n"
        "        place[own[np.argsort(-w[own])]] = np.arange(len(own))\n"
        "    return np.lexsort((-w, place))[:k]\n",
    ),
    Block(
        name="centred",
        gives="view",
        source='def centred(pool):\n    return pool["X"] - pool["X"].mean(0)\n',
    ),
)

SELECTION = TaskSpec(
    name="selection",
    about="choose items",
    entry="select",
    rng=True,
    canonical="set",
    measures=MEASURES,
    dims={
        **{"N": "pool.y[0]", "d": "pool.X[1]", "K": "pool.probs[0]", "T": "pool.probs[1]"},
        **{"C": "pool.probs[3]", "k": "k"},
    },
    block=BLOCKS,
)

TOY = TaskSpec(name="toy", about="a curve", entry="solve", measures=MEASURES)
TOY_PROGRAMS = (
    "def solve(x):\n    return [0.5, 2.0 * x, 3.5]\n",
    "import math\n\n\ndef bend(x):\n    return math.sin(1.5 * x)\n\n\n"
    "def solve(x):\n    a = bend(x) + 0.25\n    return [a, abs(x) + 1.0, a * 0.1]\n",
)

BINS = TaskSpec(name="bins", about="a rule for packing", entry="score", measures=MEASURES)
BINS_PROGRAMS = (
    "def score(item, bins):\n    return [-(b - item) for b in bins]\n",
    "import numpy as np\n\n\ndef score(item, bins):\n    left = np.array(bins) - item\n"
    "    return -(left ** 2) + 0.5 * left / item\n",
)

RULE = TaskSpec(name="rule", about="a class", entry="Rule", measures=MEASURES)
RULE_PROGRAMS = (
    "class Rule:\n    def step(self, x):\n        return 0.7 * x + 1.5\n",
    "class Rule:\n    def __init__(self):\n        self.m = 0.0\n\n    def step(self, x):\n"
    "        self.m = 0.9 * self.m + x\n        return self.m\n",
)


def pool(size: int = 40, rng_seed: int = 0) -> dict[str, Any]:
    """Give a pool whose dimensions all differ: N, d = 7, K = 2, T = 3, C = 4."""
    rng = np.random.default_rng(rng_seed)
    y = rng.integers(4, size=size)
    X = rng.normal(size=(size, 7)) + np.eye(7)[y]
    logits = rng.normal(size=(2, 3, size, 4)) + 1.5 * np.eye(4)[y]
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    target = np.exp(2 * logits[0, 0]) / np.exp(2 * logits[0, 0]).sum(-1, keepdims=True)
    return {"X": X, "y": y, "probs": probs, "tgt_probs": target, "n_classes": 4}


@dataclass(frozen=True)
class World:
    """A task with programs and the arguments of its first probe."""

    task: TaskSpec
    programs: tuple[str, ...]
    public: dict[str, Any]

    def run(self, source: str, observe: str | None = None, rng_seed: int = 3) -> Any:
        """Run a program of ours here; with `observe` errors of it are swallowed."""
        names: dict[str, Any] = {"__name__": "candidate"}
        arguments = dict(self.public)
        if self.task.rng:
            arguments["rng"] = np.random.default_rng(rng_seed)
        try:
            with np.errstate(all="ignore"):
                exec(compile(source, "<candidate>", "exec"), names)
                value = names[self.task.entry](**arguments)
        except Exception:
            if observe is None:
                raise
            value = None
        return value if observe is None else names.get(observe)


@dataclass
class Desk:
    """A desk whose drafts run in this process."""

    world: World
    parents: tuple[ParentProgram, ...]
    rng: np.random.Generator
    drafts: list[str] = field(default_factory=list)
    blind: bool = False

    @property
    def task(self) -> TaskSpec:
        return self.world.task

    async def draft(self, source: str, observe: str) -> Any:
        self.drafts.append(source)
        return None if self.blind else self.world.run(source, observe)

    async def ask(self, prompt: str) -> str:
        raise AssertionError("an offline operator asks no model")


def parent_of(source: str, step: int = 0, tuned: tuple[bool, ...] = ()) -> ParentProgram:
    return ParentProgram(step, source, 0.5, {}, tuned)


def write(operator: Operator, world: World, rng_seed: int, **desk: Any) -> str:
    """Let an operator write from random parents of a world."""
    rng = np.random.default_rng(rng_seed)
    picked = rng.permutation(len(world.programs))[: max(operator.num_parents, 1)]
    parents = tuple(parent_of(world.programs[i], int(i)) for i in picked)
    return asyncio.run(operator.write(Desk(world, parents, rng, **desk))).source


WORLDS = {
    "selection": World(
        SELECTION, (WEIGHTED_CENTERS, STRATA, EASIEST, RANDOM), {"pool": pool(), "k": 9}
    ),
    "toy": World(TOY, TOY_PROGRAMS, {"x": 0.3}),
    "bins": World(BINS, BINS_PROGRAMS, {"item": 3, "bins": [4.0, 9.0, 5.0]}),
    "rule": World(RULE, RULE_PROGRAMS, {}),
}


@pytest.fixture(params=list(WORLDS))
def world(request: pytest.FixtureRequest) -> World:
    return WORLDS[request.param]


@pytest.fixture
def selection() -> World:
    return WORLDS["selection"]


@pytest.fixture
def kit() -> Any:
    """The makers of this file, as tests import no test file."""
    return type(
        "Kit",
        (),
        {
            "Desk": Desk,
            "World": World,
            "worlds": WORLDS,
            "pool": staticmethod(pool),
            "write": staticmethod(write),
            "parent_of": staticmethod(parent_of),
        },
    )
