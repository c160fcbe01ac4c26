"""Bin packing with a perfect packing known to the grader: full bins, cut into pieces and shuffled."""

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

SIZES = {"probe": 4, "train": 8, "valid": 16, "test": 32}
CAPACITY = 100
# The hidden test cuts bins into other numbers of pieces, so that it also tests generalisation.
PIECES = {"probe": (2, 5), "train": (2, 4), "valid": (2, 4), "test": (2, 5)}


def instances(split, settings, block=0):
    for i in range(SIZES[split]):
        generator = rng("example", split, block, i)
        pieces = int(generator.integers(*PIECES[split]))
        items, home = cut_bins(settings.bins + i, pieces, generator)
        yield Instance(
            f"{split}-{block}-{i}",
            public={"items": items, "capacity": CAPACITY},
            private={"home": home, "needed": settings.bins + i},
            groups={"pieces": str(pieces)},
        )


def cut_bins(bins, pieces, generator):
    """Cut full bins into pieces; give their sizes and the bins they came from, shuffled alike."""
    cuts = [generator.choice(CAPACITY - 1, pieces - 1, replace=False) + 1 for _ in range(bins)]
    sizes = [np.diff(np.concatenate([[0], np.sort(cut), [CAPACITY]])) for cut in cuts]
    order = generator.permutation(bins * pieces)
    return np.concatenate(sizes)[order], np.repeat(np.arange(bins), pieces)[order]


def grade(instance, output):
    items, needed = instance.public["items"], instance.private["needed"]
    bins = np.asarray(output)
    if bins.shape != items.shape or bins.dtype.kind not in "iu":
        raise Invalid("give one whole number per item, the number of its bin")
    if bins.min() < 0 or bins.max() >= len(items):
        raise Invalid(f"bin numbers go from 0 to {len(items) - 1}")
    load = np.bincount(bins, weights=items)
    if load.max() > CAPACITY:
        raise Invalid(f"bin {load.argmax()} holds {load.max():.0f}, more than {CAPACITY}")
    load = load[load > 0]
    return Grade(
        score=-100.0 * (len(load) - needed) / needed,
        measures={
            "fill_spread": float(np.std(load / CAPACITY)),
            "large_first": correlation(items, -bins),
        },
        feedback=f"{len(load)} bins where {needed} would do",
    )


def correlation(one, other):
    if one.std() == 0.0 or other.std() == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
