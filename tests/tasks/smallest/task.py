"""The smallest task there can be: bin packing."""

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

SIZES = {"probe": 2, "train": 8, "valid": 16, "test": 32}


def instances(split, settings, block=0):
    for i in range(SIZES[split]):
        items = rng(split, block, i).integers(1, 100, settings.items)
        yield Instance(f"{split}-{block}-{i}", public={"items": items})


def grade(instance, output):
    items = instance.public["items"]
    if len(output) != len(items):
        raise Invalid("one bin number per item")
    load = np.bincount(output, weights=items)
    if load.max() > 100:
        raise Invalid(f"a bin holds {load.max():.0f}")
    used = int((load > 0).sum())
    return Grade(
        score=-100.0 * (used * 100 / items.sum() - 1),
        measures={"fill": items.sum() / (100 * used), "items_per_bin": len(items) / used},
    )
