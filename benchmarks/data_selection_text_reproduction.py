"""Measures data_selection_text's programs at a budget of 10 % beside the numbers to come near.

    python benchmarks/data_selection_text_reproduction.py [--pools 8] [--first 0]

Pools of the domains that `train` and `valid` show, two initialisations. The reference column was
measured with throw-away prototypes of the same protocol, on other cuts of such texts.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from evolve.task import Instance, rng

FOLDER = Path(__file__).resolve().parents[1] / "tasks" / "data_selection_text"
BUDGET = 0.1
SETTINGS = SimpleNamespace(initialisations=2, device="cpu")
POOL_SIZE = 3000
REFERENCE = {
    "trivial": 3.594,
    "full_pool": 3.567,
    "rules": 3.771,
    "dsir": 3.369,
    "dsir_dedup": 3.358,
    "moore_lewis": 3.345,
    "color": 3.424,
    "mig_like": 3.326,
    "logistic": 3.309,
    "in_domain_first": 3.284,
}


def main() -> int:
    """Print the table, with standard errors of the differences to the random choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first pool")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.insert(0, str(FOLDER.parent))
    task = importlib.import_module(f"{FOLDER.name}.task")
    instances = drawn(task, range(options.first, options.first + options.pools))
    found = {name: measure(task, instances, select) for name, select in selectors().items()}
    print(f"{'bits per byte':16} {'ours':>6} {'ref':>6} {'less random':>12} {'se':>6}  each pool")
    for name, bits in sorted(found.items(), key=lambda item: item[1].mean()):
        gain = bits - found["trivial"]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        reference = f"{REFERENCE[name]:.3f}" if name in REFERENCE else "-"
        each = " ".join(f"{value:.3f}" for value in bits)
        print(
            f"{name:16} {bits.mean():6.3f} {reference:>6} {gain.mean():+12.3f} {error:6.3f}  {each}"
        )
    ours = [found[name].mean() for name in REFERENCE]
    correlation = np.corrcoef(ranks(ours), ranks(list(REFERENCE.values())))[0, 1]
    print(f"rank correlation {correlation:.3f}")
    return 0


def drawn(task: ModuleType, numbers: Sequence[int]) -> list[Instance]:
    """Give one instance of every pool, at the budget."""
    pools = importlib.import_module(f"{FOLDER.name}.pools")
    found = []
    for number in numbers:
        name = f"reproduction-{number}"
        public, private = task.describe(pools.draw_pool(name, number, POOL_SIZE, pools.KNOWN))
        found.append(task.at_budget(name, public, private, BUDGET, SETTINGS, "known"))
    return found


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
    """Give the bits per byte of every pool for one selector."""
    grades = task.grade_many(instances, [select(instance) for instance in instances])
    return np.array([-grade.score for grade in grades])


def ranks(values: Sequence[float]) -> np.ndarray:
    return np.argsort(np.argsort(values))


def _caller(select: Callable[..., Any], private: bool) -> Callable[[Instance], Any]:
    def call(instance: Instance) -> Any:
        secrets = {"private": instance.private} if private else {}
        draw = rng("reproduction", instance.name)
        return select(**instance.public, rng=draw, **secrets)

    return call


if __name__ == "__main__":
    raise SystemExit(main())
