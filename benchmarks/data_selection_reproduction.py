"""Measures data_selection's programs on default pools beside the numbers they should come near.

    python benchmarks/data_selection_reproduction.py [--pools 10] [--first 0]

Ten pools of the default regime, four budgets, three initialisations. Pools 0 to 9 were looked at
while the generator was fitted to the reference; `--first 10` takes pools that were not. The reference column was
measured with throw-away prototypes of the same protocol; a deviation is allowed up to .03, or three
standard deviations over pools / sqrt 5 where that is more, and the rank correlation should be .95.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from evolve.task import Instance, rng

FOLDER = Path(__file__).resolve().parents[1] / "tasks" / "data_selection"
BUDGETS = (0.05, 0.1, 0.2, 0.3)
SETTINGS = SimpleNamespace(
    pool_size=2000, initialisations=3, device="cpu", data=SimpleNamespace(path="", dirt=True)
)
# name: mean, then at each budget; None where the prototypes left no number.
REFERENCE: dict[str, tuple[float | None, ...]] = {
    "full_pool": (0.921, None, None, None, None),
    "trivial": (0.742, 0.621, 0.684, 0.804, 0.858),
    "el2n_hardest": (0.012, None, None, None, None),
    "forgetting": (0.024, None, None, None, None),
    "el2n_easiest": (0.604, None, None, None, None),
    "grand": (0.081, None, None, None, None),
    "margin": (0.361, None, None, None, None),
    "small_loss": (0.706, None, None, None, None),
    "k_means": (0.737, None, None, None, None),
    "dsir_like": (0.747, None, None, None, None),
    "color_like": (0.713, None, None, None, None),
    "k_center": (0.614, None, None, None, None),
    "herding": (0.849, None, None, None, None),
    "dfn_like": (0.771, None, None, None, None),
    "ccs_el2n": (0.867, 0.810, 0.860, 0.890, 0.907),
    "ccs_aum": (0.901, 0.856, 0.903, 0.918, 0.927),
    "d3_like": (0.906, 0.888, 0.903, 0.914, 0.920),
    "filter_k_center": (0.915, 0.900, 0.914, 0.922, 0.924),
    "oracle": (0.930, 0.908, 0.919, 0.943, 0.949),
}
ALLOWED, ALLOWED_SDS = 0.03, 3 / math.sqrt(5)
RANK_CORRELATION = 0.95


def main() -> int:
    """Print the table; give 1 if a number or the order is too far off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first pool")
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = task_module()
    instances = default_instances(task, options.pools, options.first)
    print(f"{'':22}  ours   ref    diff  allowed   " + "".join(f"{b:7.0%}" for b in BUDGETS))
    ours, theirs, failures = [], [], 0
    for name, select in selectors().items():
        scores = measure(task, instances, select)
        reference = REFERENCE.get(name, (None,) * 5)[0]
        line = f"{name:22} {scores.mean():6.3f}"
        if reference is not None:
            allowed = max(ALLOWED, ALLOWED_SDS * scores.mean(1).std(ddof=1))
            off = abs(scores.mean() - reference) > allowed
            failures += off
            ours.append(scores.mean())
            theirs.append(reference)
            line += f" {reference:6.3f} {scores.mean() - reference:+6.3f}  {allowed:.3f} {'*' if off else ' '}"
        print(line.ljust(48), "".join(f"{value:7.3f}" for value in scores.mean(0)), flush=True)
    correlation = float(np.corrcoef(_ranks(ours), _ranks(theirs))[0, 1])
    print(f"rank correlation {correlation:.3f}, {failures} outside")
    return int(failures > 0 or correlation < RANK_CORRELATION)


def task_module() -> ModuleType:
    """Import the task as the package that its folder is."""
    sys.path.insert(0, str(FOLDER.parent))
    return importlib.import_module(f"{FOLDER.name}.task")


def default_instances(task: ModuleType, pools: int, first: int = 0) -> list[Instance]:
    """Give pools x budgets instances of the default regime, budgets of a pool together."""
    package = sys.modules[task.__name__.rpartition(".")[0] + ".pools"]
    names = [f"valid-reproduction-{number}" for number in range(first, first + pools)]
    regime = package.REGIMES["default"]
    material = task.material(SETTINGS)
    drawn = [package.draw_pool(name, SETTINGS.pool_size, regime, material) for name in names]
    public, private = task.describe(names, drawn, material.classes, SETTINGS.device)
    return [
        task.at_budget(
            name,
            {key: array[number] for key, array in public.items()},
            {key: array[number] for key, array in private.items()},
            budget,
            regime.name,
            "valid",
            SETTINGS,
        )
        for number, name in enumerate(names)
        for budget in BUDGETS
    ]


def selectors() -> dict[str, Callable[[Instance], Any]]:
    """Give every program and control as a function of an instance."""
    found: dict[str, Callable[[Instance], Any]] = {}
    for folder in ("programs", "controls"):
        for path in sorted((FOLDER / folder).glob("*.py")):
            scope: dict[str, Any] = {}
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
            found[path.stem] = _caller(scope["select"], folder == "controls")
    return found


def measure(
    task: ModuleType, instances: Sequence[Instance], select: Callable[[Instance], Any]
) -> np.ndarray:
    """Give the scores (pools, budgets) of one selector."""
    grades = task.grade_many(instances, [select(instance) for instance in instances])
    return np.array([grade.score for grade in grades]).reshape(-1, len(BUDGETS))


def _caller(select: Callable[..., Any], private: bool) -> Callable[[Instance], Any]:
    def call(instance: Instance) -> Any:
        secrets = {"private": instance.private} if private else {}
        draw = rng("reproduction", instance.name)
        return select(**instance.public, rng=draw, **secrets)

    return call


def _ranks(values: Sequence[float]) -> np.ndarray:
    return np.argsort(np.argsort(values))


if __name__ == "__main__":
    raise SystemExit(main())
