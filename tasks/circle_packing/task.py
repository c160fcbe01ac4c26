"""Packing circles of any radii into the unit square: where do the centres go?

An instance is random centres to begin with, and with them a number of circles. The radii are not the
program's business: around given centres, the best ones are the solution of a linear program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

from .harness import best_radii

# By so much circles may overlap, as in the published checks; ours do by 1e-16.
TOLERANCE = 1e-9
# Numbers that spread by less are equal, as the radii of one circle or of a grid are.
FLAT = 1e-9
# Circles and calls of the optimiser. The first has a single call, so that each part of a program that
# makes a start runs once, by which operators learn types; then tiny ones, and as many as `train` has.
PROBES = ((7, 1), (1, 1), (2, 1), (12, 3), (26, 1))
# What only `test` asks: other numbers of circles.
UNSEEN = (20, 23, 29, 32)
# Sums of radii that were published, for feedback (AlphaEvolve 2025; FICO Xpress 2025 for 26).
BEST_KNOWN = {26: 2.6359830853, 32: 2.9395727729}


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split: they differ by where the circles lie, and by the generator."""
    if split == "probe":
        for n, evaluations in PROBES:
            yield instance(f"probe-{n}", n, evaluations)
        return
    if split == "published":
        groups = {"protocol": f"n{settings.circles}"}
        yield instance("published", settings.circles, settings.evaluations, groups)
        return
    circles = [settings.circles] * getattr(settings, f"{split}_instances")
    if split == "test":
        circles += UNSEEN
    for number, n in enumerate(circles):
        groups = {"circles": str(n)}
        yield instance(f"{split}-{block}-{number}", n, settings.evaluations, groups)


def instance(name: str, n: int, evaluations: int, groups: dict[str, str] | None = None) -> Instance:
    """Give n circles that lie anywhere; a name says where, and gives the program's generator too."""
    public = {
        "centers": rng("circle_packing", name).random((n, 2)),
        "evaluations": evaluations,
    }
    # Where controls find the optimiser.
    private = {"harness": str(Path(__file__).with_name("harness.py"))}
    return Instance(name=name, public=public, private=private, groups=groups or {})


def grade(instance: Instance, output: Any) -> Grade:
    """Solve for the radii. Score: their sum. Raises: Invalid."""
    centers = checked(instance, output)
    radii = best_radii(centers)
    worst = overlap(centers, radii)
    if not worst <= TOLERANCE:
        raise Invalid(f"{instance.name}: circles overlap by {worst:.3g}")
    score = float(radii.sum())
    known = BEST_KNOWN.get(len(centers))
    return Grade(
        score=score,
        measures={
            "uneven": float(radii.std() / max(radii.mean(), FLAT)),
            "outward": outward(centers, radii),
        },
        feedback=(
            f"the radii sum to {score:.6f}"
            + (f", {known:.6f} is known" if known else "")
            + f"; they run from {radii.min():.4f} to {radii.max():.4f}"
        ),
    )


def outward(centers: np.ndarray, radii: np.ndarray) -> float:
    """Correlate radii (n,) with how near the border the centres (n, 2) lie; 0 where either is flat."""
    depth = np.abs(centers - 0.5).max(1)
    spread = radii.std() * depth.std()
    if not spread > FLAT:
        return 0.0
    return float(((radii - radii.mean()) * (depth - depth.mean())).mean() / spread)


def published(instances: Sequence[Instance], grades: Sequence[Grade]) -> float:
    """Give the published number: the sum of radii, higher is better."""
    return float(np.mean([grade.score for grade in grades]))


def checked(instance: Instance, output: Any) -> np.ndarray:
    """Give centres, (n, 2) float64 in the unit square. Raises: Invalid."""
    shape = instance.public["centers"].shape
    try:
        centers = np.asarray(output)
    except ValueError as error:
        raise Invalid(f"{instance.name}: no centres: {error}") from error
    if centers.shape != shape or centers.dtype.kind not in "iuf":
        raise Invalid(
            f"{instance.name}: {centers.dtype} of shape {centers.shape}: "
            f"give numbers of shape {shape}"
        )
    centers = centers.astype(np.float64)
    if not np.isfinite(centers).all():
        raise Invalid(f"{instance.name}: a centre is not finite")
    if centers.min() < 0 or centers.max() > 1:
        span = f"{centers.min():g} to {centers.max():g}"
        raise Invalid(f"{instance.name}: centres run from {span}: stay in 0 to 1")
    return centers


def overlap(centers: np.ndarray, radii: np.ndarray) -> float:
    """Give by how much circles overlap each other or the walls at worst; negative if they do not."""
    walls = np.minimum(centers, 1 - centers).min(1)
    gaps = centers[:, None] - centers
    between = radii[:, None] + radii - np.sqrt((gaps**2).sum(-1))
    np.fill_diagonal(between, -np.inf)
    return float(max(between.max(), (radii - walls).max()))
