"""Dirty pools: real examples, spoilt in known ways.

A pool is drawn with replacement from the material's examples for pools; those that grade choices
are never in one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from evolve.task import rng

from .material import Labelled, Material, Strange

TRUSTED_PER_CLASS = 5
OUT_OF_DISTRIBUTION = -1


@dataclass(frozen=True)
class Regime:
    """How dirty a pool is.

    noise: share of examples whose label is drawn anew. ood: share of rows that belong to no class.
    duplicates: share of the pool that are jittered copies of `prototypes` examples.
    imbalance: how many times commoner the commonest class is than the rarest. prior: "tail", or
    "step" where half of the classes are common and half are rare, or "natural", the data's own.
    unseen: the kinds of wrong labels and strange rows are those that only `test` shows.
    """

    name: str
    noise: float
    ood: float
    duplicates: float
    imbalance: float
    prototypes: int = 40
    prior: str = "tail"
    unseen: bool = False


REGIMES = {
    regime.name: regime
    for regime in (
        Regime("default", noise=0.25, ood=0.15, duplicates=0.35, imbalance=5),
        Regime("hard", noise=0.4, ood=0.2, duplicates=0.4, imbalance=8),
        Regime("imbalance", noise=0.1, ood=0.05, duplicates=0.35, imbalance=20),
        Regime("clean", noise=0.0, ood=0.0, duplicates=0.2, imbalance=5),
    )
}
# Nothing is added to a user's data.
UNTOUCHED = Regime("untouched", noise=0, ood=0, duplicates=0, imbalance=1, prior="natural")


@dataclass(frozen=True)
class Pool:
    """One pool of N examples with d features, with what only the grader may know.

    images: (N, d) float32. labels: (N,) int64, as given. truth: (N,) int64, the right class, or
    OUT_OF_DISTRIBUTION. group: (N,) int64, equal for copies of one example. trusted,
    trusted_labels: (m, d) and (m,), five of every class, right and in no pool.
    """

    images: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    group: np.ndarray
    trusted: np.ndarray
    trusted_labels: np.ndarray


def draw_pool(name: str, size: int, regime: Regime, material: Material) -> Pool:
    """Draw the pool that belongs to a name: copies, then examples, then what belongs to no class."""
    draw = rng("data_selection", "pool", name)
    images, labels = material.pool
    free, trusted = _trusted_apart(draw, material)
    prior = _class_prior(draw, regime, labels[free], material.classes)
    num_ood = round(size * regime.ood)
    num_copies = round(size * regime.duplicates)
    num_others = size - num_copies - num_ood
    prototypes = _rows_by_class(draw, free, labels, prior, regime.prototypes)
    source = np.concatenate(
        [
            draw.choice(prototypes, num_copies),
            draw.choice(free, num_others, replace=False)
            if regime.prior == "natural" and num_others <= len(free)
            else _rows_by_class(draw, free, labels, prior, num_others),
        ]
    )
    copies = _jittered(draw, images[source[:num_copies]], material)
    kinds = material.strange_unseen if regime.unseen else material.strange
    strange = _strange(draw, kinds, images[draw.choice(free, (num_ood, 2))])
    truth = np.concatenate([labels[source], np.full(num_ood, OUT_OF_DISTRIBUTION)])
    pixels = np.concatenate([copies, images[source[num_copies:]], strange])
    given = _given_labels(draw, regime, material, pixels, truth)
    alone = len(images) + np.arange(num_ood)
    mix = draw.permutation(size)
    return Pool(
        images=pixels[mix],
        labels=given[mix],
        truth=truth[mix],
        group=np.concatenate([source, alone])[mix],
        trusted=trusted[0],
        trusted_labels=trusted[1],
    )


def unseen(name: str, regime: Regime) -> Regime:
    """Give a regime of the hidden test: as dirty on the whole, but in other ways and amounts."""
    draw = rng("data_selection", "regime", name)
    return replace(
        regime,
        noise=regime.noise * draw.uniform(0.8, 1.2),
        ood=regime.ood * draw.uniform(0.7, 1.3),
        duplicates=regime.duplicates * draw.uniform(0.7, 1.3),
        imbalance=regime.imbalance * draw.uniform(0.7, 1.5),
        prototypes=int(draw.integers(25, 60)),
        prior=("tail", "step")[draw.integers(2)],
        unseen=True,
    )


def hide(name: str, *views: np.ndarray) -> list[np.ndarray]:
    """Describe rows (n, d) by a random signed permutation and scaling of their features.

    Whoever has the data from elsewhere cannot simply look them up, and distances change little.
    """
    draw = rng("data_selection", "hide", name)
    width = views[0].shape[1]
    order = draw.permutation(width)
    scale = draw.uniform(0.5, 2) * draw.choice([-1, 1], width) * np.exp(draw.normal(0, 0.05, width))
    return [(view[:, order] * scale).astype(np.float32) for view in views]


def _trusted_apart(draw: np.random.Generator, material: Material) -> tuple[np.ndarray, Labelled]:
    """Give the rows that a pool may use, and five trusted examples of every class."""
    images, labels = material.trusted or material.pool
    held = np.concatenate(
        [
            draw.choice(np.flatnonzero(labels == label), TRUSTED_PER_CLASS, replace=False)
            for label in range(material.classes)
        ]
    )
    free = np.arange(len(material.pool[1]))
    if material.trusted is None:
        free = np.setdiff1d(free, held)
    return free, (images[held], labels[held])


def _class_prior(
    draw: np.random.Generator, regime: Regime, labels: np.ndarray, classes: int
) -> np.ndarray:
    """Give the share of every class, (C,): ranks fall geometrically, or in one step."""
    if regime.prior == "natural":
        return np.bincount(labels, minlength=classes) / len(labels)
    rank = np.linspace(0, 1, classes)
    if regime.prior == "step":
        rank = np.round(rank)
    weight = draw.permutation(regime.imbalance**-rank)
    return weight / weight.sum()


def _rows_by_class(
    draw: np.random.Generator, free: np.ndarray, labels: np.ndarray, prior: np.ndarray, count: int
) -> np.ndarray:
    """Draw rows with replacement, so that classes have their prior shares."""
    weight = (prior / np.bincount(labels[free], minlength=len(prior)))[labels[free]]
    return draw.choice(free, count, p=weight / weight.sum())


def _jittered(draw: np.random.Generator, images: np.ndarray, material: Material) -> np.ndarray:
    """Spoil every feature a little: copies are near, not equal."""
    jitter = draw.normal(0, material.jitter, images.shape)
    return np.clip(images + jitter, *material.span).astype(np.float32)


def _given_labels(
    draw: np.random.Generator,
    regime: Regime,
    material: Material,
    images: np.ndarray,
    truth: np.ndarray,
) -> np.ndarray:
    """Give labels: right, wrong in one of the regime's ways, or random for what is of no class."""
    given = truth.copy()
    nothing = truth == OUT_OF_DISTRIBUTION
    given[nothing] = draw.integers(0, material.classes, nothing.sum())
    rows = np.flatnonzero(~nothing & (draw.random(len(truth)) < regime.noise))
    kinds = NOISE_UNSEEN if regime.unseen else NOISE
    for kind, part in zip(kinds, np.array_split(draw.permutation(rows), len(kinds)), strict=True):
        given[part] = kind(draw, material, images[part], truth[part])
    return given


def _strange(
    draw: np.random.Generator, kinds: tuple[Strange, ...], pairs: np.ndarray
) -> np.ndarray:
    """Make a row that belongs to no class of each pair (n, 2, d), by kinds in equal shares."""
    made = np.empty_like(pairs[:, 0])
    for kind, rows in zip(kinds, np.array_split(np.arange(len(pairs)), len(kinds)), strict=True):
        made[rows] = kind(draw, pairs[rows, 0], pairs[rows, 1])
    return made


def _uniform(
    draw: np.random.Generator, material: Material, images: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """Any class, now and then the right one."""
    return draw.integers(0, material.classes, len(truth))


def _look_alike(
    draw: np.random.Generator, material: Material, images: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """The class that looks alike, any class where there is none."""
    partner = material.partners[truth]
    return np.where(partner == truth, _uniform(draw, material, images, truth), partner)


def _cyclic(
    draw: np.random.Generator, material: Material, images: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """The next class, as from a column that slipped."""
    return (truth + 1) % material.classes


def _nearest(
    draw: np.random.Generator, material: Material, images: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """The class of the nearest example of another class: errors of a careless person."""
    known, labels = material.pool
    distance = (known**2).sum(1) - 2 * images @ known.T
    distance[truth[:, None] == labels] = np.inf
    return labels[distance.argmin(1)]


WrongLabels = Callable[[np.random.Generator, Material, np.ndarray, np.ndarray], np.ndarray]
NOISE: tuple[WrongLabels, ...] = (_uniform, _look_alike)
NOISE_UNSEEN: tuple[WrongLabels, ...] = (_uniform, _nearest, _cyclic)
