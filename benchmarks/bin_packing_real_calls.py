"""Packs the published sequences by calling rules with the bins that are there, item by item.

    python benchmarks/bin_packing_real_calls.py [--protocol weibull_1k]

What it prints beside the excess by the table tells which rules are tables: those whose numbers agree;
and what each way costs, asking the rule included.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "tasks" / "bin_packing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", default="weibull_5k")
    options = parser.parse_args()
    sys.path.insert(0, str(FOLDER.parent))
    task = importlib.import_module("bin_packing.task")
    harness = importlib.import_module("bin_packing.harness")
    data = importlib.import_module("bin_packing.data")
    items = dict(data.published())[options.protocol]
    instance = task.instance("published", items, 100, {})
    bound = instance.private["bound"]
    print("| rule | by the table, % | s | by real calls, % | s |\n|---|---|---|---|---|")
    for path in sorted((FOLDER / "programs").glob("*.py")):
        scope: dict[str, Any] = {}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
        began = time.perf_counter()
        table = harness.call(scope["score"], instance.public, None)
        by_table = -task.grade(instance, table).score
        asked = time.perf_counter()
        used = np.mean([real_calls(scope["score"], each) for each in items])
        called = time.perf_counter()
        by_calls = 100 * (used - bound) / bound
        times = f"{asked - began:.2f}", f"{called - asked:.2f}"
        print(f"| {path.stem} | {by_table:.3f} | {times[0]} | {by_calls:.3f} | {times[1]} |")


def real_calls(score: Callable[..., Any], items: np.ndarray, capacity: int = 100) -> int:
    """Give the number of bins used: as many bins as items are there from the start."""
    bins = np.full(len(items), float(capacity))
    for item in items:
        room = np.flatnonzero(bins >= item)
        bins[room[np.argmax(score(np.float64(item), bins[room]))]] -= item
    return int((bins < capacity).sum())


if __name__ == "__main__":
    main()
