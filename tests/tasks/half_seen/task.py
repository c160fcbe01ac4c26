"""A hidden curve, to be followed on both sides of 0; the probes show one side only."""

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

SIZES = {"probe": 2, "train": 3, "valid": 6, "test": 8}


def instances(split, settings, block=0):
    for i in range(SIZES[split]):
        x = rng("half_seen", split, block, i).normal(size=settings.numbers)
        yield Instance(
            f"{split}-{block}-{i}",
            public={"x": np.abs(x) if split == "probe" else x},
            private={"curve": np.abs(x) ** 1.5 - 0.3 * x},
        )


def grade(instance, output):
    curve = instance.private["curve"]
    try:
        values = np.asarray(output, dtype=np.float64)
    except (TypeError, ValueError):
        raise Invalid("give one number for each") from None
    if values.shape != curve.shape or not np.isfinite(values).all():
        raise Invalid("give one finite number for each")
    return Grade(
        score=-float(np.abs(values - curve).mean()),
        measures={"height": float(values.mean()), "spread": float(values.std())},
    )
