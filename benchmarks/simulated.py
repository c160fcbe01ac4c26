"""A cluster that is not there: slots whose evaluations take recorded times on a clock that jumps.

The run, its journal, its archive and its grid are the real ones. Only what would happen behind the
wall is made up: a program of `scale_task` says itself what it gives, and seconds pass on a clock
that stands still while the driver works and jumps to the next end of an evaluation when it waits.
"""

import ast
import asyncio
import importlib.util
import json
import math
import random
import selectors
from contextlib import asynccontextmanager
from pathlib import Path

from archive.rows import rounded
from evolve import behaviour
from evolve.executor import Drafted, Probed, Ran
from evolve.hashing import plain_digest
from evolve.lending import Pool
from evolve.operators.base import Written

TASK = Path(__file__).parent / "scale_task"
LEVEL = "strict"
# Seconds of the evaluations of a real search, written down by recorded_seconds.py.
SECONDS = json.loads((Path(__file__).parent / "recorded_seconds.json").read_text())["seconds"]
FORM = "exact"
# Of each grading; what has none took the grade of equal outputs.
GRADE_S = 0.001
# Of children, so many repeat their parent in other words, and so many do not work.
REPEATS, CRASHES = 0.15, 0.04


class Drift:
    """Writes a child a little off its parent: gaps shrink slowly, places wander over the grid."""

    name, num_parents, share, cost, uses_model, pairing = "drift", 1, 1.0, 1.0, False, "any"

    def suits(self, source):
        return True

    async def write(self, desk):
        return Written(wander(said(desk.parents[0].source), desk.rng))


def wander(output, rng):
    """Write a child of a program that gives `output`."""
    gap, low, high = output
    fate = rng.random()
    if fate < REPEATS:
        return text(gap, low, high, remark=int(rng.integers(1000)))
    if fate < REPEATS + CRASHES:
        return f"def answer(x):\n    raise ValueError({int(rng.integers(10**9))})\n"
    # Most children are worse than their parent, and what is left to gain gets smaller.
    gap = round(gap * math.exp(0.05 + 0.1 * rng.standard_normal())) + 1
    low, high = (_within(v + round(60_000 * rng.standard_normal())) for v in (low, high))
    return text(gap, low, high)


def text(gap, low, high, remark=None):
    """Write a program that gives (gap, low, high); a remark changes its syntax, not its outputs."""
    line = "" if remark is None else f"    {remark} + x\n"
    return f"def answer(x):\n{line}    return ({gap}, {low}, {high})\n"


def said(source):
    """Read what a program gives; None if it does not work."""
    last = source.rstrip().rsplit("\n", 1)[-1].strip()
    return ast.literal_eval(last.removeprefix("return ")) if last.startswith("return") else None


def _within(value):
    """Keep a coordinate on the grid: what leaves it comes back from the edge."""
    return min(abs(value), 2_000_000 - abs(value)) % 1_000_001


class Clock(asyncio.SelectorEventLoop):
    """An event loop on which waiting takes no time: when nothing else is to do, the clock jumps."""

    def __init__(self):
        self.passed = 0.0
        super().__init__(_Jumping(self))

    def time(self):
        return self.passed


class _Jumping(selectors.DefaultSelector):
    """Waits for no time-out, but says that it has passed."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self._clock.passed += timeout
        return ready


class SimulatedExecutor:
    """So many slots on one clock. busy: seconds in which slots worked, all together."""

    levels = (LEVEL,)

    def __init__(self, num_slots, instances=8, probes=True):
        self.num_slots, self.busy, self.ran, self.graded = num_slots, 0.0, 0, 0
        self.instances, self.probes, self.task = instances, probes, _task_module()
        self._slots = Pool([SimulatedSlot(self) for _ in range(num_slots)])

    def slot(self, priority):
        return self._slots.lent(priority)

    @asynccontextmanager
    async def alone(self):
        async with self._slots.lent(0) as slot:
            yield slot

    def quality(self, output, stage, block):
        """Grade some outputs as the grader does, by the task's own rule."""
        names = self.names(stage, block)
        scores = [rounded(self.task.score(name, output)) for name in names]
        return {
            "status": "ok",
            "reason": None,
            "fitness": rounded(mean := math.fsum(scores) / len(scores)),
            "n": len(scores),
            "se": rounded(
                math.sqrt(sum((s - mean) ** 2 for s in scores) / (len(scores) - 1) / len(scores))
            ),
            "scores": dict(zip(names, scores, strict=True)),
            "measures": self.task.measures(output),
            "feedback": {},
        }

    def names(self, stage, block):
        return [f"{stage}-{block}-{i}" for i in range(self.instances)]


class SimulatedSlot:
    """One slot: what a program gives is read from its text; only the clock knows that it ran."""

    def __init__(self, executor):
        self._executor, self._kept = executor, None

    async def describe(self, stage, block):
        names = self._executor.names(stage, block)
        return [{"name": name, "groups": {}, "unit": None} for name in names]

    async def draft(self, source, observe):
        return Drafted("ok", None, None)

    async def probe(self, source):
        output = said(source)
        if output is None or not self._executor.probes:
            return Probed(None, b"", "deterministic", 0.0)
        outcomes = [(f"probe-0-{i}", "ok", list(output)) for i in range(2)]
        key = plain_digest("probes", *map(str, output))
        return Probed(key, behaviour.record(FORM, outcomes), "deterministic", 0.0)

    async def run(self, source, stage, block):
        output, seconds = said(source), _seconds(source, stage, block)
        await asyncio.sleep(seconds)
        self._executor.busy += seconds
        self._executor.ran += 1
        if output is None:
            return self._ran("crashed", "ValueError", None, seconds)
        self._kept = output, stage, block
        digest = plain_digest(stage, str(block), *map(str, output))
        return self._ran("ok", None, digest, seconds)

    async def grade(self, token):
        return (await self.timed_grade(token))[0]

    async def timed_grade(self, token):
        output, stage, block = self._kept
        self._executor.graded += 1
        return self._executor.quality(output, stage, block), GRADE_S

    def _ran(self, status, reason, digest, seconds):
        share = seconds / 60.0
        return Ran(status, reason, digest, digest, seconds, seconds, 2**26, LEVEL, share)


def _seconds(source, stage, block):
    return random.Random(f"{source}{stage}{block}").choice(SECONDS)


def _task_module():
    spec = importlib.util.spec_from_file_location("scale_task", TASK / "task.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
