"""Cap sets in n dimensions: a program ranks all vectors, and a greedy choice takes what fits.

An instance is a dimension and an order in which vectors of equal priority are tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

from .caps import all_vectors, greedy

DIMENSION = 8
# The first is small, for operators to learn types; the second is all that `train` asks.
PROBES = (5, 8, 4, 7)
# What only `test` asks: neighbouring dimensions.
UNSEEN = (6, 7, 9)
PUBLISHED = (6, 8, 9)
# Vectors of the best cap sets known, for feedback (dimensions 3 to 6 are proved to be the largest).
BEST_KNOWN = {3: 9, 4: 20, 5: 45, 6: 112, 7: 236, 8: 512, 9: 1082}


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split.

    Ties are broken as published, by the order of vectors, and in random orders of this block;
    `published` has the published order alone, grouped by dimension.
    """
    if split == "probe":
        for n in PROBES:
            yield instance(f"probe-{n}", n, None)
        return
    if split == "published":
        for n in PUBLISHED:
            yield instance(f"published-{n}", n, None, {"protocol": f"n{n}"})
        return
    dimensions = (DIMENSION, *UNSEEN) if split == "test" else (DIMENSION,)
    for n in dimensions:
        # Fresh blocks consist of fresh orders alone: an instance belongs to one block.
        first = 0 if block == 0 else 1
        for number in range(first, settings.orders + 1):
            draw = rng("cap_set", split, block, n, number) if number else None
            groups = {"dimension": str(n), "ties": "drawn" if number else "as published"}
            yield instance(f"{split}-{block}-{n}-{number}", n, draw, groups)


def instance(
    name: str, n: int, draw: np.random.Generator | None, groups: dict[str, str] | None = None
) -> Instance:
    """Give an instance; ties are broken at random if there is a generator."""
    vectors = all_vectors(n)
    ties = np.arange(len(vectors)) if draw is None else draw.permutation(len(vectors))
    return Instance(
        name=name,
        public={"vectors": vectors, "n": n},
        private={"ties": ties},
        groups=groups or {},
    )


def grade(instance: Instance, output: Any) -> Grade:
    """Build the cap set. Score: the number of its vectors. Raises: Invalid."""
    ranks, n = checked(instance, output), instance.public["n"]
    order = np.lexsort((instance.private["ties"], -ranks))
    taken = greedy(order[ranks[order] > 0], n)
    vectors = all_vectors(n)[taken]
    distinct = len(np.unique(ranks))
    known = f", and {BEST_KNOWN[n]} are known" if n in BEST_KNOWN else ""
    return Grade(
        score=float(len(taken)),
        measures={
            "weight": float((vectors != 0).mean()) if len(taken) else 0.0,
            "detail": float(np.log(distinct) / np.log(len(ranks))),
        },
        feedback=f"{len(taken)} vectors in {n} dimensions{known}; {distinct} priorities",
    )


def published(instances: Sequence[Instance], grades: Sequence[Grade]) -> float:
    """Give the published number of a dimension: the vectors of the cap set, higher is better."""
    return float(np.mean([grade.score for grade in grades]))


def checked(instance: Instance, output: Any) -> np.ndarray:
    """Give ranks, (3^n,) int64. Raises: Invalid."""
    size = len(instance.public["vectors"])
    try:
        ranks = np.asarray(output)
    except ValueError as error:
        raise Invalid(f"{instance.name}: no ranks: {error}") from error
    if ranks.shape != (size,) or ranks.dtype.kind not in "iu":
        raise Invalid(
            f"{instance.name}: {ranks.dtype} of shape {ranks.shape}: "
            f"give whole numbers of shape ({size},)"
        )
    if ranks.min() < 0 or ranks.max() > size:
        raise Invalid(f"{instance.name}: ranks run from {ranks.min()} to {ranks.max()}")
    return ranks.astype(np.int64)
