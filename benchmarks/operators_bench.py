"""Measures the operators without a model: how many children are valid, and how many behave anew.

    python benchmarks/operators_bench.py [TASK] [--draws 50] [--rng-seed 0] [--set KEY=VALUE] [--json]

Parents are drawn from the published programs and, with equal chance, from valid children so far,
so that later generations count too. A child is valid if it passes the screen and runs on the
probes; it differs if its outputs on the whole train block are those of none of its parents. The
targets: at least 90 % of all children valid, at least half of them different.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from evolve.errors import Unparsable, Unwritten
from evolve.executor import Slot
from evolve.loader import Task, load_task
from evolve.local import LocalExecutor
from evolve.operators import offered
from evolve.operators.base import Operator, ParentProgram
from evolve.program import count_nodes
from evolve.screen import screen
from evolve.spec import TaskSpec
from evolve.world import world

VALID_TARGET = 0.9
DIFFERENT_TARGET = 0.5
CHILDREN_KEPT = 12
"""Valid children that later parents are drawn from; older ones make room."""


@dataclass
class Tally:
    """Counts of one operator. write_ms, drafts: of one child, in the mean; nodes: their median."""

    operator: str
    draws: int = 0
    unwritten: int = 0
    valid: int = 0
    different: int = 0
    write_ms: float = 0.0
    drafts: float = 0.0
    nodes: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def children(self) -> int:
        return self.draws - self.unwritten

    def shares(self) -> tuple[float, float]:
        """Give the share of children that are valid, and of children that differ."""
        count = max(self.children, 1)
        return self.valid / count, self.different / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", nargs="?", default="data_selection")
    parser.add_argument("--draws", type=int, default=50, help="children per operator")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], help="a setting of the task")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    task = load_task(options.task, options.set)
    tallies = asyncio.run(measure(task, options.draws, options.rng_seed))
    if options.json:
        print(json.dumps([asdict(tally) for tally in tallies], indent=2))
    else:
        print(table(tallies))


async def measure(task: Task, draws: int, rng_seed: int) -> list[Tally]:
    """Let every operator that a task offers write `draws` children."""
    tallies = []
    async with LocalExecutor(task, world(), 1) as executor, executor.slot(0) as slot:
        published = list(task.programs().values())
        digests: dict[str, str | None] = {}
        for name, operator in offered(task.spec).items():
            rng = np.random.default_rng([rng_seed, sum(name.encode())])
            tallies.append(await _tally(operator, task.spec, published, slot, digests, rng, draws))
    return tallies


def table(tallies: Sequence[Tally]) -> str:
    """Write the counts as a Markdown table with a last line for all steps by their shares."""
    lines = [
        "| operator | written | valid | different | ms to write | drafts | nodes |",
        "|---|---|---|---|---|---|---|",
    ]
    for tally in tallies:
        valid, different = tally.shares()
        lines.append(
            f"| {tally.operator} | {tally.children}/{tally.draws} | {valid:.0%} | {different:.0%} "
            f"| {tally.write_ms:.0f} | {tally.drafts:.1f} | {tally.nodes:.0f} |"
        )
    children = sum(tally.children for tally in tallies)
    valid = sum(tally.valid for tally in tallies) / max(children, 1)
    different = sum(tally.different for tally in tallies) / max(children, 1)
    met = "met" if valid >= VALID_TARGET and different >= DIFFERENT_TARGET else "NOT met"
    lines.append(f"\nAll: {valid:.1%} valid, {different:.1%} different; targets {met}.")
    lines += [f"{tally.operator}: {reason}" for tally in tallies for reason in tally.failures]
    return "\n".join(lines)


async def _tally(
    operator: Operator,
    spec: TaskSpec,
    published: Sequence[str],
    slot: Slot,
    digests: dict[str, str | None],
    rng: np.random.Generator,
    draws: int,
) -> Tally:
    tally, children = Tally(operator.name, draws=draws), list[str]()
    nodes, seconds, drafts = [], [], []
    for _ in range(draws):
        parents = [_drawn(published, children, rng) for _ in range(operator.num_parents)]
        desk = BenchDesk(
            spec, tuple(ParentProgram(0, text, 0.0, {}) for text in parents), rng, slot
        )
        started = time.perf_counter()
        try:
            source = (await operator.write(desk)).source
        except Unwritten:
            tally.unwritten += 1
            continue
        finally:
            seconds.append(time.perf_counter() - started)
            drafts.append(desk.drafts)
        nodes.append(count_nodes(source))
        try:
            screen(source, spec)
        except Unparsable as error:
            tally.failures.append(str(error))
            continue
        ran = await slot.run(source, "probe", 0)
        if ran.status != "ok":
            tally.failures.append(f"{ran.status}: {ran.reason}")
            continue
        tally.valid += 1
        known = {await _digest(parent, slot, digests) for parent in parents}
        if await _digest(source, slot, digests) not in known:
            tally.different += 1
            children = [*children[1 - CHILDREN_KEPT :], source]
    tally.nodes = float(np.median(nodes)) if nodes else 0.0
    tally.write_ms, tally.drafts = 1000 * float(np.mean(seconds)), float(np.mean(drafts))
    return tally


def _drawn(published: Sequence[str], children: Sequence[str], rng: np.random.Generator) -> str:
    pool = children if children and rng.random() < 0.5 else published
    return pool[int(rng.integers(len(pool)))]


async def _digest(source: str, slot: Slot, digests: dict[str, str | None]) -> str | None:
    if source not in digests:
        digests[source] = (await slot.run(source, "train", 0)).outputs_digest
    return digests[source]


@dataclass
class BenchDesk:
    """A desk that keeps no journal."""

    task: TaskSpec
    parents: tuple[ParentProgram, ...]
    rng: np.random.Generator
    slot: Slot
    drafts: int = 0

    async def draft(self, source: str, observe: str) -> Any:
        self.drafts += 1
        return (await self.slot.draft(source, observe)).value

    async def ask(self, prompt: str) -> str:
        raise Unwritten("this desk has no model")


if __name__ == "__main__":
    main()
