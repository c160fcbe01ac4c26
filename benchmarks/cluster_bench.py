"""What the Ray executor costs above the slots of this machine, side by side in one run.

    python benchmarks/cluster_bench.py [--rounds 5] [--seconds 10] [--json]

Four figures, on an own Ray of this machine and an empty task, locally, on Ray with a line to each place,
and with every question through Ray (`ray.line=false`):

- one evaluation (run and grade) in one of two slots, one at a time: the median;
- one question that a grader answers without a candidate, likewise;
- evaluations a second with all slots busy;
- such questions a second through eight places at once: what the driver carries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from evolve.build import num_cores
from evolve.config import RaySettings
from evolve.executor import OpenExecutor, Slot
from evolve.loader import load_task
from evolve.local import LocalExecutor
from evolve.ray_executor import RayExecutor
from evolve.world import world
from sandbox.levels import MIN_LEVEL

EMPTY = Path(__file__).parent / "empty_task"
PLACES = 8
WAYS = ("local", "ray", "through ray")
PER_ROUND = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of the two, in turns")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each throughput")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measure(options.rounds, options.seconds))
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'':32}" + "".join(f"{name:>14}" for name in WAYS))
    rows = {
        "one evaluation, ms": found["one_evaluation_ms"],
        "one question, ms": found["one_question_ms"],
        f"evaluations/s, {found['slots']} slots busy": found["evaluations_per_s"],
        f"questions/s, {PLACES} places": found["questions_per_s"],
    }
    for what, row in rows.items():
        cells = "".join(f"{row[name]:14.2f}" if name in row else f"{'':14}" for name in WAYS)
        print(f"{what:32}{cells}")


async def measure(rounds: int, seconds: float) -> dict[str, Any]:
    task = load_task(EMPTY)
    source = next(iter(task.programs().values()))
    slots = num_cores()

    def on_ray(places: int, line: bool) -> RayExecutor:
        small = RaySettings(cpus=0.1, line=line)
        return RayExecutor(task, world(), places, small, min_level=MIN_LEVEL)

    local = LocalExecutor(task, world(), slots, min_level=MIN_LEVEL)
    async with local, on_ray(slots, True) as ray, on_ray(slots, False) as through:
        ways: dict[str, OpenExecutor] = dict(zip(WAYS, (local, ray, through), strict=True))
        for executor in (ray, through):
            await _all_open(executor, slots)
        one: dict[str, list[float]] = {name: [] for name in WAYS}
        asked: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name, executor in ways.items():
                async with executor.slot(0) as slot:
                    one[name].append(await _median_ms(lambda s=slot: _evaluate(s, source)))
                    asked[name].append(await _median_ms(lambda s=slot: s.describe("train", 0)))
        many = {
            name: await _rate(lambda each=executor: _evaluated(each, source), slots, seconds)
            for name, executor in ways.items()
        }
        questions = {}
        for name, line in (("ray", True), ("through ray", False)):
            async with on_ray(PLACES, line) as places:
                await _all_open(places, PLACES)
                # Ray goes on starting processes for a while.
                await _rate(lambda: _asked(places), PLACES, seconds)
                questions[name] = await _rate(lambda: _asked(places), PLACES, seconds)
    return {
        "rounds": rounds,
        "slots": slots,
        "one_evaluation_ms": {name: statistics.median(times) for name, times in one.items()},
        "one_question_ms": {name: statistics.median(times) for name, times in asked.items()},
        "rounds_ms": one,
        "questions_ms": asked,
        "evaluations_per_s": many,
        "questions_per_s": questions,
    }


async def _all_open(executor: RayExecutor, number: int) -> None:
    while len(executor.places) < number:
        await asyncio.sleep(0.1)


async def _median_ms(deed: Callable[[], Awaitable[Any]]) -> float:
    times = []
    for _ in range(PER_ROUND):
        began = time.perf_counter()
        await deed()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


async def _evaluated(executor: OpenExecutor, source: str) -> None:
    async with executor.slot(0) as slot:
        await _evaluate(slot, source)


async def _evaluate(slot: Slot, source: str) -> None:
    ran = await slot.run(source, "train", 0)
    assert ran.token is not None
    await slot.grade(ran.token)


async def _asked(executor: RayExecutor) -> None:
    async with executor.slot(0) as slot:
        await slot.describe("train", 0)


async def _rate(deed: Callable[[], Awaitable[None]], workers: int, seconds: float) -> float:
    """Do something in so many tasks at once; give how often a second."""
    done = 0
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await deed()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
