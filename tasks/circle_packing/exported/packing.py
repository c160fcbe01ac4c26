"""Packs circles with a discovered program, with the optimiser that it was found with.

from found import catalogue  # the exported package
from found.packing import pack_circles

pack = next(iter(catalogue().values())).function
centers, radii = pack_circles(pack, n=26, seed=0, evaluations=100)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HARNESS = Path(__file__).resolve().parent / "_harness.py"


def pack_circles(
    pack: Callable[..., Any],
    n: int,
    *,
    seed: int = 0,
    evaluations: int = 8,
    harness: Path = HARNESS,
) -> tuple[np.ndarray, np.ndarray]:
    """Give centres (n, 2) in the unit square, and radii (n,) that fit around them.

    evaluations: how often the program may call the optimiser: more is better and slower.
    harness: the file that holds the optimiser; it is exported beside this one.
    The radii are those of largest sum around the centres, exactly.
    """
    scope: dict[str, Any] = {"__name__": "harness"}
    exec(compile(harness.read_text(encoding="utf-8"), str(harness), "exec"), scope)
    generator = np.random.default_rng(seed)
    public = {"centers": generator.random((n, 2)), "evaluations": evaluations}
    centers = scope["call"](pack, public, generator)
    centers = np.clip(np.asarray(centers, dtype=np.float64), 0, 1)
    return centers, scope["best_radii"](centers)
