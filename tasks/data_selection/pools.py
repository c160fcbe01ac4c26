"""Dirty pools of handwritten digits: real images, spoilt in known ways.

Images are rows of 64 pixels in 0..1. A pool is drawn with replacement from 900 training images;
the 400 and 497 images that grade choices are never in one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from evolve.task import rng

CLASSES = 10
SIDE = 8
GREY_LEVELS = 16
TRAIN_IMAGES, VALID_IMAGES = 900, 400
TRUSTED_PER_CLASS = 5
OUT_OF_DISTRIBUTION = -1
# Digits that people, and nets, take for one another; 0 and 2 have no such partner.
LOOK_ALIKE = np.array([0, 7, 2, 8, 9, 6, 5, 1, 3, 4])


@dataclass(frozen=True)
class Regime:
    """How dirty a pool is.

    noise: share of digits whose label is drawn anew. duplicates: share of the pool that are
    jittered copies of `prototypes` images. ood: share of images that are no digits. imbalance:
    how many times commoner the commonest class is than the rarest. prior: "tail", or "step" where
    half of the classes are common and half are rare.
    """

    name: str
    noise: float
    ood: float
    duplicates: float
    imbalance: float
    prototypes: int = 40
    prior: str = "tail"
    noise_kinds: tuple[str, ...] = ("uniform", "look_alike")
    ood_kinds: tuple[str, ...] = ("inverted", "shuffled", "static", "mixed")


REGIMES = {
    regime.name: regime
    for regime in (
        Regime("default", noise=0.25, ood=0.15, duplicates=0.35, imbalance=5),
        Regime("hard", noise=0.4, ood=0.2, duplicates=0.4, imbalance=8),
        Regime("imbalance", noise=0.1, ood=0.05, duplicates=0.35, imbalance=20),
        Regime("clean", noise=0.0, ood=0.0, duplicates=0.2, imbalance=5),
    )
}


@dataclass(frozen=True)
class Pool:
    """One pool of N images, with what only the grader may know.

    images: (N, 64) float32. labels: (N,) int64, as given. truth: (N,) int64, the right class, or
    OUT_OF_DISTRIBUTION. group: (N,) int64, equal for copies of one image. trusted,
    trusted_labels: (50, 64) and (50,), right and in no pool.
    """

    images: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    group: np.ndarray
    trusted: np.ndarray
    trusted_labels: np.ndarray


def draw_pool(name: str, size: int, regime: Regime) -> Pool:
    """Draw the pool that belongs to a name: copies, then digits, then images that are none."""
    draw = rng("data_selection", "pool", name)
    images, labels = digits("train")
    free, held = _trusted_apart(draw, labels)
    prior = _class_prior(draw, regime)
    num_ood = round(size * regime.ood)
    num_copies = round(size * regime.duplicates)
    prototypes = _rows_by_class(draw, free, labels, prior, regime.prototypes)
    source = np.concatenate(
        [
            draw.choice(prototypes, num_copies),
            _rows_by_class(draw, free, labels, prior, size - num_copies - num_ood),
        ]
    )
    copies = _jittered(draw, images[source[:num_copies]])
    strange = _strange(draw, regime.ood_kinds, images[draw.choice(free, (num_ood, 2))])
    truth = np.concatenate([labels[source], np.full(num_ood, OUT_OF_DISTRIBUTION)])
    pixels = np.concatenate([copies, images[source[num_copies:]], strange])
    given = _given_labels(draw, regime, pixels, truth)
    alone = len(images) + np.arange(num_ood)
    mix = draw.permutation(size)
    return Pool(
        images=pixels[mix],
        labels=given[mix],
        truth=truth[mix],
        group=np.concatenate([source, alone])[mix],
        trusted=images[held],
        trusted_labels=labels[held],
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
        noise_kinds=("uniform", "nearest", "cyclic"),
        ood_kinds=("rolled", "stitched", "covered", "static", "mixed"),
    )


def hide(name: str, *views: np.ndarray) -> list[np.ndarray]:
    """Describe images (n, 64) by a random signed permutation and scaling of their pixels.

    Whoever has the digits from elsewhere cannot simply look them up, and distances change little.
    """
    draw = rng("data_selection", "hide", name)
    width = views[0].shape[1]
    order = draw.permutation(width)
    scale = draw.uniform(0.5, 2) * draw.choice([-1, 1], width) * np.exp(draw.normal(0, 0.05, width))
    return [(view[:, order] * scale).astype(np.float32) for view in views]


@cache
def digits(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Give images (n, 64) and labels (n,) of a part, "train", "valid" or "test", always the same.

    Source: data/SOURCE.md.
    """
    with np.load(Path(__file__).parent / "data" / "digits.npz") as file:
        images = file["images"].astype(np.float32) / GREY_LEVELS
        labels = file["labels"].astype(np.int64)
    order = rng("data_selection", "parts").permutation(len(labels))
    cuts = np.split(order, [TRAIN_IMAGES, TRAIN_IMAGES + VALID_IMAGES])
    rows = dict(zip(("train", "valid", "test"), cuts, strict=True))[part]
    return images[rows], labels[rows]


def _trusted_apart(draw: np.random.Generator, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows that a pool may use, and five trusted ones of every class."""
    held = np.concatenate(
        [
            draw.choice(np.flatnonzero(labels == label), TRUSTED_PER_CLASS, replace=False)
            for label in range(CLASSES)
        ]
    )
    return np.setdiff1d(np.arange(len(labels)), held), held


def _class_prior(draw: np.random.Generator, regime: Regime) -> np.ndarray:
    """Give the share of every class, (10,): ranks fall geometrically, or in one step."""
    rank = np.linspace(0, 1, CLASSES)
    if regime.prior == "step":
        rank = np.round(rank)
    weight = draw.permutation(regime.imbalance**-rank)
    return weight / weight.sum()


def _rows_by_class(
    draw: np.random.Generator, free: np.ndarray, labels: np.ndarray, prior: np.ndarray, count: int
) -> np.ndarray:
    """Draw rows with replacement, so that classes have their prior shares."""
    weight = (prior / np.bincount(labels[free], minlength=CLASSES))[labels[free]]
    return draw.choice(free, count, p=weight / weight.sum())


def _jittered(draw: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Spoil every pixel a little: copies are near, not equal."""
    jitter = draw.normal(0, 0.06, images.shape)
    return np.clip(images + jitter, 0, 1).astype(np.float32)


def _given_labels(
    draw: np.random.Generator, regime: Regime, images: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """Give labels: right, wrong in one of the regime's ways, or random for what is no digit."""
    given = truth.copy()
    nothing = truth == OUT_OF_DISTRIBUTION
    given[nothing] = draw.integers(0, CLASSES, nothing.sum())
    rows = np.flatnonzero(~nothing & (draw.random(len(truth)) < regime.noise))
    parts = np.array_split(draw.permutation(rows), len(regime.noise_kinds))
    for kind, part in zip(regime.noise_kinds, parts, strict=True):
        given[part] = NOISE[kind](draw, images[part], truth[part])
    return given


def _strange(draw: np.random.Generator, kinds: tuple[str, ...], pairs: np.ndarray) -> np.ndarray:
    """Make an image that is no digit of each pair (n, 2, 64), by kinds in equal shares."""
    made = np.empty_like(pairs[:, 0])
    for kind, rows in zip(kinds, np.array_split(np.arange(len(pairs)), len(kinds)), strict=True):
        made[rows] = STRANGE[kind](draw, pairs[rows, 0], pairs[rows, 1])
    return made


def _uniform(draw: np.random.Generator, images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Any class, now and then the right one."""
    return draw.integers(0, CLASSES, len(truth))


def _look_alike(draw: np.random.Generator, images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The class that looks alike, any class where there is none."""
    partner = LOOK_ALIKE[truth]
    return np.where(partner == truth, _uniform(draw, images, truth), partner)


def _cyclic(draw: np.random.Generator, images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The next class, as from a column that slipped."""
    return (truth + 1) % CLASSES


def _nearest(draw: np.random.Generator, images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The class of the nearest training image of another class: errors of a careless person."""
    known, labels = digits("train")
    distance = (known**2).sum(1) - 2 * images @ known.T
    distance[truth[:, None] == labels] = np.inf
    return labels[distance.argmin(1)]


def _inverted(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return 1 - one


def _shuffled(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return draw.permuted(one, axis=1)


def _static(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return draw.random(one.shape, dtype=np.float32)


def _mixed(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    share = draw.uniform(0.35, 0.65, (len(one), 1)).astype(np.float32)
    return share * one + (1 - share) * two


def _rolled(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.roll(one.reshape(-1, SIDE, SIDE), SIDE // 2, axis=2).reshape(one.shape)


def _stitched(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    half = one.shape[1] // 2
    return np.concatenate([one[:, :half], two[:, :half]], axis=1)


def _covered(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    covered = one.reshape(-1, SIDE, SIDE).copy()
    covered[:, :, SIDE // 4 : 3 * SIDE // 4] = 1
    return covered.reshape(one.shape)


Labels = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]
NOISE: dict[str, Labels] = {
    "uniform": _uniform,
    "look_alike": _look_alike,
    "cyclic": _cyclic,
    "nearest": _nearest,
}
STRANGE: dict[str, Labels] = {
    "inverted": _inverted,
    "shuffled": _shuffled,
    "static": _static,
    "mixed": _mixed,
    "rolled": _rolled,
    "stitched": _stitched,
    "covered": _covered,
}
