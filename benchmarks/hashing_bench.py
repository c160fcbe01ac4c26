"""Measures what recognising programs saves, and proves that it changes no fitness.

    python benchmarks/hashing_bench.py [TASK ...] [--children 20] [--answers FOLDER] [--workers 1]
                                       [--minutes M] [--rng-seed 0] [--set KEY=VALUE] [--json]

Every operator without a model writes so many children; parents are drawn from the published
programs and, with equal chance, from children so far. Every child is then probed, run on the train
block and graded, whatever is known of it: evaluated without sharing. What sharing would have given
it, the quality of the first program with its syntax or its outputs, is compared with that: the
number of differences must be 0. A false probe match is a child with the functional hash of an
earlier program, the first that has it, and with other outputs.

With --minutes what is not evaluated by then is left out, evenly over the operators, and is not
counted as asked.

With --answers the answers of models in FOLDER/TASK.jsonl are read and evaluated as well: one JSON
object a line, with `operator`, `prompt` and `answer`; the parent of a diff is the first program
that its prompt shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from operators_bench import CHILDREN_KEPT, BenchDesk
from rich.console import Console
from rich.table import Table

from evolve.errors import Unparsable, Unwritten
from evolve.executor import Probed, Ran, Slot
from evolve.loader import Task, load_task
from evolve.local import LocalExecutor
from evolve.operators import offered
from evolve.operators.base import Operator, ParentProgram
from evolve.program import program_id
from evolve.reading import Unreadable, changed_program, whole_program
from evolve.screen import screen
from evolve.statistics import wilson_interval
from evolve.world import world

TASKS = ("data_selection", str(Path(__file__).parent.parent / "tests/tasks/forecasts"))
# Parents that children begin from: they are known before any child.
PUBLISHED = "published"
# What a program's quality is, as far as anything may rest on it.
QUALITY = ("status", "fitness", "scores", "measures")
FIRST_PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
SAY_EVERY_S = 10.0


@dataclass(frozen=True)
class Child:
    """A program that somebody wrote, which passes the screen."""

    operator: str
    source: str

    @property
    def program(self) -> str:
        return program_id(self.source)


@dataclass(frozen=True)
class Evaluated:
    """What came of a child without any sharing; seconds are wall time as a run would wait."""

    child: Child
    probed: Probed
    ran: Ran
    quality: dict[str, Any] | None
    probe_s: float
    run_s: float
    grade_s: float

    @property
    def key(self) -> str | None:
        """The outputs digest, None where nothing may be shared."""
        return None if self.probed.determinism == "none" else self.ran.outputs_digest


@dataclass
class Tally:
    """Counts of one operator, or of all.

    written: programs that could be evaluated; graded: those with outputs. syntax: whose program was
    known; outputs: others, whose outputs digest was known. differences: of the two kinds, with
    another quality than the one that would have been shared. predicted: functional hash known, of
    another program; judged: both with outputs; false: these differ. unrepeatable: without a key.
    probe_s, run_s, grade_s: seconds of all. saved_s: what sharing spares of them, all three for a
    known syntax and those of grading for known outputs.
    """

    operator: str
    asked: int = 0
    written: int = 0
    graded: int = 0
    syntax: int = 0
    outputs: int = 0
    differences: int = 0
    predicted: int = 0
    judged: int = 0
    false: int = 0
    unrepeatable: int = 0
    probe_s: float = 0.0
    run_s: float = 0.0
    grade_s: float = 0.0
    saved_s: float = 0.0

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            if name != "operator":
                setattr(self, name, getattr(self, name) + value)

    def plain(self) -> dict[str, Any]:
        """Give the counts with what follows from them."""
        graded = max(self.graded, 1)
        interval = wilson_interval(self.false, self.judged) if self.judged else None
        return vars(self) | {
            "gradings_saved": (self.syntax + self.outputs) / graded,
            "gradings_saved_by_outputs": self.outputs / max(self.graded - self.syntax, 1),
            "false_rate": self.false / self.judged if self.judged else None,
            "false_interval": interval,
            "net_saved_s": self.saved_s - self.probe_s,
        }


@dataclass
class Known:
    """What was evaluated before, by each key: the first that has it."""

    programs: dict[str, Evaluated] = field(default_factory=dict)
    outputs: dict[str, Evaluated] = field(default_factory=dict)
    behaviours: dict[str, Evaluated] = field(default_factory=dict)

    def take(self, found: Evaluated) -> Tally:
        """Count one more evaluation against what is known, and know it."""
        tally = Tally(found.child.operator, asked=1, written=1)
        tally.probe_s, tally.run_s, tally.grade_s = found.probe_s, found.run_s, found.grade_s
        tally.graded, tally.unrepeatable = int(found.quality is not None), int(found.key is None)
        if found.ran.outputs_digest is None:
            tally.unrepeatable = 0
        self._judge_probes(found, tally)
        first = self.programs.setdefault(found.child.program, found)
        if first is not found and first.key is not None and found.quality is not None:
            tally.syntax, tally.saved_s = 1, found.probe_s + found.run_s + found.grade_s
            tally.differences = int(differs(first, found))
        elif found.key is not None:
            first = self.outputs.setdefault(found.key, found)
            if first is not found:
                tally.outputs, tally.saved_s = 1, found.grade_s
                tally.differences = int(differs(first, found))
        return tally

    def _judge_probes(self, found: Evaluated, tally: Tally) -> None:
        behaviour = found.probed.behaviour
        if behaviour is None or found.child.program in self.programs:
            return
        first = self.behaviours.get(behaviour)
        if first is None or first.key is None:
            self.behaviours[behaviour] = found
        if first is None:
            return
        tally.predicted = 1
        if first.key is not None and found.key is not None:
            tally.judged, tally.false = 1, int(first.key != found.key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--children", type=int, default=20, help="of each operator")
    parser.add_argument("--answers", type=Path, metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="of evaluating a task")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    for name in options.tasks:
        task = load_task(name, options.set)
        results[task.name] = asyncio.run(measure(task, options))
        if not options.json:
            show(task.name, results[task.name])
    if options.json:
        told = {**vars(options), "tasks": list(results), "answers": bool(options.answers)}
        print(json.dumps({"options": told, "results": results}, indent=1))


async def measure(task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Give the counts of every operator, then of all, in the order of a search that takes turns."""
    async with LocalExecutor(task, world(), options.workers) as executor:
        lists = await asyncio.gather(
            *(
                written(task, operator, executor, options.children, options.rng_seed)
                for operator in offered(task.spec).values()
            )
        )
        answers = [read(task, options.answers)] if options.answers else []
        initial = [Child(PUBLISHED, source) for source in task.programs().values()]
        children = [*initial, *(child for turn in turns([*lists, *answers]) for child in turn)]
        programs = [child for child in children if child.source]
        seconds = 60 * options.minutes if options.minutes else math.inf
        found = await evaluated(executor, programs, seconds)
    tallies = {child.operator: Tally(child.operator) for child in children}
    last = max(n for n, child in enumerate(children) if child is found[-1].child)
    for child in children[:last]:
        tallies[child.operator].asked += not child.source
    known = Known()
    for each in found:
        tallies[each.child.operator].add(known.take(each))
    everything = Tally("all")
    for name, tally in tallies.items():
        if name != PUBLISHED:
            everything.add(tally)
    return [tally.plain() for tally in (*tallies.values(), everything)]


def turns(lists: Sequence[Sequence[Child]]) -> Iterable[list[Child]]:
    """Take one of each list, again and again, until all are empty."""
    for number in range(max(map(len, lists), default=0)):
        yield [each[number] for each in lists if number < len(each)]


async def written(
    task: Task, operator: Operator, executor: LocalExecutor, number: int, rng_seed: int
) -> list[Child]:
    """Let an operator write so many children; those that it could not write have no source."""
    rng = np.random.default_rng([rng_seed, sum(operator.name.encode())])
    published = [source for source in task.programs().values() if operator.suits(source)]
    children: list[Child] = []
    for _ in range(number):
        recent = [child.source for child in children[-CHILDREN_KEPT:] if child.source]
        pool = recent if recent and rng.random() < 0.5 else published
        sources = [pool[int(rng.integers(len(pool)))]]
        sources += [published[int(rng.integers(len(published)))]] * (operator.num_parents - 1)
        async with executor.slot(0) as slot:
            children.append(await _child(task, operator, sources, rng, slot))
    return children


async def _child(
    task: Task, operator: Operator, sources: Sequence[str], rng: np.random.Generator, slot: Slot
) -> Child:
    parents = tuple(ParentProgram(0, source, 0.0, {}) for source in sources)
    try:
        source = (await operator.write(BenchDesk(task.spec, parents, rng, slot))).source
        screen(source, task.spec)
    except (Unwritten, Unparsable):
        return Child(operator.name, "")
    return Child(operator.name, source)


def read(task: Task, folder: Path) -> list[Child]:
    """Read recorded answers of models; those that hold no program of the task have no source."""
    path = folder / f"{task.name}.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_answered(task, json.loads(line)) for line in lines]


def _answered(task: Task, recorded: dict[str, str]) -> Child:
    parent = FIRST_PROGRAM.search(recorded["prompt"].partition("# Current program")[2])
    entry = task.spec.entry
    try:
        if recorded["operator"] == "diff" and parent is not None:
            source = changed_program(recorded["answer"], parent[1], entry)
        else:
            source = whole_program(recorded["answer"], entry)
        screen(source, task.spec)
    except (Unreadable, Unparsable) as error:
        print(f"an answer to {recorded['operator']} is no program: {error}", file=sys.stderr)
        return Child(f"answer: {recorded['operator']}", "")
    return Child(f"answer: {recorded['operator']}", source)


async def evaluated(
    executor: LocalExecutor, children: Sequence[Child], seconds: float
) -> list[Evaluated]:
    """Evaluate every child for itself, as many at once as there are slots, until time is up."""
    began = said = time.monotonic()
    done = 0

    async def one(priority: int, child: Child) -> Evaluated | None:
        nonlocal done, said
        async with executor.slot(priority) as slot:
            if time.monotonic() - began > seconds:
                return None
            found = await _evaluated(slot, child)
        done += 1
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            print(f"{done}/{len(children)}", file=sys.stderr, flush=True)
        return found

    found = await asyncio.gather(*(one(*each) for each in enumerate(children)))
    return [each for each in found if each is not None]


async def _evaluated(slot: Slot, child: Child) -> Evaluated:
    began = time.perf_counter()
    probed = await slot.probe(child.source)
    at_run = time.perf_counter()
    ran = await slot.run(child.source, "train", 0)
    at_grade, quality = time.perf_counter(), None
    if ran.token is not None:
        quality = await slot.grade(ran.token)
    ended = time.perf_counter()
    return Evaluated(
        child, probed, ran, quality, at_run - began, at_grade - at_run, ended - at_grade
    )


def differs(one: Evaluated, other: Evaluated) -> bool:
    """Tell whether two that would share a quality have another one each."""
    first, second = one.quality or {}, other.quality or {}
    return any(first.get(name) != second.get(name) for name in QUALITY)


def show(task: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title=f"{task}: what is recognised, and what that saves")
    names = ("operator", "written", "graded", "by syntax", "by outputs", "differences")
    names += ("probe hits", "of these false", "probing", "running", "grading", "gradings", "net")
    for name in names:
        table.add_column(name, justify="left" if name == "operator" else "right")
    for row in rows:
        table.add_row(
            row["operator"],
            f"{row['written']}/{row['asked']}",
            str(row["graded"]),
            *(_share(row[kind], row["graded"]) for kind in ("syntax", "outputs")),
            str(row["differences"]),
            _share(row["predicted"], row["written"]),
            _false(row),
            *(f"{row[f'{what}_s']:.1f} s" for what in ("probe", "run", "grade")),
            f"-{row['gradings_saved']:.1%}",
            f"{row['net_saved_s']:+.1f} s",
        )
    console = Console()
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    total = rows[-1]
    console.print(
        f"{total['differences']} differences among {total['syntax'] + total['outputs']} shared "
        f"qualities; {total['unrepeatable']} programs that do not repeat share none. Equal outputs "
        f"alone spare {total['gradings_saved_by_outputs']:.1%} of the gradings. net: seconds "
        "spared, less those of all probing.",
        highlight=False,
    )


def _share(count: int, total: int) -> str:
    return f"{count} ({count / total:.0%})" if total else str(count)


def _false(row: dict[str, Any]) -> str:
    if row["false_interval"] is None:
        return "-"
    low, high = row["false_interval"]
    return f"{row['false']} of {row['judged']} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
