"""Rings of cells; the probe is a ring that holds each case of a rule once, for one round."""

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

SIZES = {"train": 6, "valid": 12, "test": 16}
# A ring in which each of the eight neighbourhoods of three stands once (de Bruijn).
ALL_CASES = (0, 0, 0, 1, 0, 1, 1, 1)


def instances(split, settings, block=0):
    if split == "probe":
        yield Instance("probe", public={"cells": np.array(ALL_CASES), "rounds": 1})
        return
    for i in range(SIZES[split]):
        generator = rng("majority", split, block, i)
        cells = (generator.random(settings.cells) < generator.uniform(0.2, 0.8)).astype(np.int64)
        yield Instance(
            f"{split}-{block}-{i}", public={"cells": cells, "rounds": settings.rounds + i}
        )


def grade(instance, output):
    cells = np.asarray(output)
    if cells.shape != instance.public["cells"].shape:
        raise Invalid("as many cells as there were")
    most = int(2 * instance.public["cells"].sum() > len(cells))
    return Grade(
        score=float((cells == most).mean()),
        measures={
            "ones": float(cells.mean()),
            "calm": float((cells == np.roll(cells, 1)).mean()),
        },
    )
