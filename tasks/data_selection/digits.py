"""The shipped material: 1,797 real images of handwritten digits, rows of 64 pixels in 0 to 1.

900 images are for pools, 400 grade `train` and `valid`, 497 grade `test`. Source: data/SOURCE.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from evolve.task import rng

from .material import Labelled, Material, mixed, shuffled, stitched

CLASSES = 10
SIDE = 8
GREY_LEVELS = 16
POOL_IMAGES, VALID_IMAGES = 900, 400
# Digits that people, and nets, take for one another; 0 and 2 have no such partner.
LOOK_ALIKE = np.array([0, 7, 2, 8, 9, 6, 5, 1, 3, 4])
JITTER = 0.06


@cache
def digits() -> Material:
    """Give the images, always divided in the same way."""
    with np.load(Path(__file__).parent / "data" / "digits.npz") as file:
        images = file["images"].astype(np.float32) / GREY_LEVELS
        labels = file["labels"].astype(np.int64)
    order = rng("data_selection", "parts").permutation(len(labels))
    cuts = np.split(order, [POOL_IMAGES, POOL_IMAGES + VALID_IMAGES])
    pool, valid, test = (_part(images, labels, rows) for rows in cuts)
    return Material(
        pool=pool,
        trusted=None,
        valid=valid,
        test=test,
        classes=CLASSES,
        partners=LOOK_ALIKE,
        jitter=JITTER,
        span=(0, 1),
        strange=(_inverted, shuffled, _static, mixed),
        strange_unseen=(_rolled, stitched, _covered, _static, mixed),
    )


def _part(images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Labelled:
    return images[rows], labels[rows]


def _inverted(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return 1 - one


def _static(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return draw.random(one.shape, dtype=np.float32)


def _rolled(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.roll(one.reshape(-1, SIDE, SIDE), SIDE // 2, axis=2).reshape(one.shape)


def _covered(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    covered = one.reshape(-1, SIDE, SIDE).copy()
    covered[:, :, SIDE // 4 : 3 * SIDE // 4] = 1
    return covered.reshape(one.shape)
