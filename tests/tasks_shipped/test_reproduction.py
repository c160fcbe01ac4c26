"""What baselines.json says of a task comes out again: one cheap published program each, on all of `train`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from evolve.assess import TRAIN, assessing
from evolve.loader import load_task

TASKS = Path(__file__).resolve().parents[2] / "tasks"
MEASURED = sorted(path.parent.name for path in TASKS.glob("*/baselines.json"))


class Program(NamedTuple):
    """One of the cheapest of a task. spread: how far the score may be from what is kept."""

    name: str
    spread: float


# Integers and exact tables come out to the digit; where a choice follows from floats, another CPU rounds
# otherwise, and a tie may fall on the other side.
CHEAP = {
    "bin_packing": Program("best_fit", 1e-6),
    "bin_packing_online": Program("eoh", 0.01),
    "cache_eviction": Program("s3_fifo", 1e-6),
    "cache_priority": Program("lfu_da", 0.001),
    "cap_set": Program("funsearch_512", 0),
    "circle_packing": Program("grid", 0.001),
    "data_selection_text": Program("rules", 0.01),
    "diffusion_solver": Program("unipc_2", 0.01),
    "optimizer": Program("signum", 0.02),
    "tsp_constructive": Program("nearest_neighbour", 0.001),
}
NETS_FIRST = "trains its nets for a minute or more before the first evaluation"
LEFT_OUT = {
    "data_selection": "test_data_selection.py reproduces three programs",
    "pruning": NETS_FIRST,
    "pruning_finetune": NETS_FIRST,
    "pruning_nm": NETS_FIRST,
    "pruning_search": NETS_FIRST,
    "pruning_structured": NETS_FIRST,
}


@pytest.mark.slow
@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("name", MEASURED)
def test_a_cheap_published_program_has_the_score_that_is_kept(name: str) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    assert name in CHEAP, f"{name} has baselines: name one of its cheap programs in CHEAP"
    program, spread = CHEAP[name]
    task = load_task(TASKS / name)
    kept = json.loads((TASKS / name / "baselines.json").read_text(encoding="utf-8"))
    assert kept["digest"] == task.digest, "stale: measure the baselines again"

    async def score() -> float | None:
        async with assessing(task, workers=1, min_level="weak") as assessor:
            return (await assessor.program(task.programs()[program], TRAIN)).fitness

    assert asyncio.run(score()) == pytest.approx(
        kept["programs"][program][TRAIN]["score"], abs=spread, rel=0
    )
