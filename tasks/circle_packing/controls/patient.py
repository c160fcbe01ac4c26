"""Reference: centres from 60 random starts and hops with the optimiser of the harness."""

import runpy
from pathlib import Path

import numpy as np

CALLS = 60


def pack(centers, evaluations, rng, private):
    harness = runpy.run_path(str(Path(private["harness"])))
    best, most = None, -1.0
    for attempt in range(CALLS):
        fresh = rng.random(centers.shape)
        shaken = best if best is None else best + 0.05 * rng.standard_normal(centers.shape)
        found, total = harness["improved"](fresh if attempt % 2 == 0 else shaken, len(centers))
        if total > most:
            best, most = found, total
    return np.clip(best, 0, 1)
