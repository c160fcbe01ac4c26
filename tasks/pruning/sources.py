"""Real data that nets are trained and graded on: images of digits, and text. See data/SOURCE.md.

Each is cut once into three parts that never mix: `fit` trains nets and calibrates criteria, `valid`
grades the splits `train` and `valid`, `test` grades `test`.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evolve.task import rng

GREY_LEVELS = 16
FIT_IMAGES, VALID_IMAGES = 1100, 300
# Shares of the text, in the order of the text.
FIT_TEXT, VALID_TEXT = 0.8, 0.1


class Text(NamedTuple):
    """A part of the text. codes: (n,) int64, each character's place in an alphabet of `size`."""

    codes: np.ndarray
    size: int


@cache
def digits(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Give images (n, 64) float32 in 0..1 and labels (n,) int64 of "fit", "valid" or "test"."""
    with np.load(Path(__file__).parent / "data" / "digits.npz") as file:
        images = file["images"].astype(np.float32) / GREY_LEVELS
        labels = file["labels"].astype(np.int64)
    order = rng("pruning", "parts").permutation(len(labels))
    cuts = np.split(order, [FIT_IMAGES, FIT_IMAGES + VALID_IMAGES])
    rows = dict(zip(("fit", "valid", "test"), cuts, strict=True))[part]
    return images[rows], labels[rows]


@cache
def text(part: str) -> Text:
    """Give the characters of "fit", "valid" or "test"."""
    packed = (Path(__file__).parent / "data" / "topics.txt.gz").read_bytes()
    letters = np.frombuffer(gzip.decompress(packed), dtype=np.uint8)
    alphabet, codes = np.unique(letters, return_inverse=True)
    cuts = [round(FIT_TEXT * len(codes)), round((FIT_TEXT + VALID_TEXT) * len(codes))]
    parts = dict(zip(("fit", "valid", "test"), np.split(codes.astype(np.int64), cuts), strict=True))
    return Text(parts[part], len(alphabet))


def windows(codes: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Cut pieces (..., length + 1) out of a text; the last character is only to be told."""
    return codes[starts[..., None] + np.arange(length + 1)]
