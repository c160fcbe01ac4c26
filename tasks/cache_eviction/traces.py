"""Traces of requests: windows of recorded ones, and drawn ones, under names that say nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from evolve.task import Unusable, rng

DATA = Path(__file__).parent / "data" / "traces.npz"
NAMES = 2**40  # keys are drawn from so many numbers: they tell neither order nor origin
TRAIN_PART = 0.4  # of a recording, the first; `valid` has the rest and `test` other recordings
OWN_PARTS = {"train": (0.0, 0.4), "valid": (0.4, 0.7), "test": (0.7, 1.0)}  # of a user's trace
MIN_REQUESTS = 200  # of a user's trace


@dataclass(frozen=True)
class Drawn:
    """Parameters of drawn traces, as ranges.

    keys: that are popular. skew: exponent of Zipf's law. drift: share of the popular keys that change
    places every 1,000 requests. scans: share of requests that walk along keys in order. loop: keys of
    an outer loop. noise: share of requests that are not the loop's.
    """

    keys: tuple[int, int]
    skew: tuple[float, float]
    drift: tuple[float, float]
    scans: tuple[float, float]
    loop: tuple[int, int]
    noise: tuple[float, float]


SEEN = Drawn((600, 1500), (0.7, 1.0), (0.0, 0.3), (0.1, 0.4), (100, 400), (0.1, 0.4))
UNSEEN = Drawn((300, 3000), (0.5, 1.2), (0.0, 0.6), (0.0, 0.6), (50, 800), (0.0, 0.6))
RECORDED = {
    "words": ("words_topics", "words_docstrings"),
    "lines": ("lines_text", "lines_numbers"),
    "blocks": ("blocks_zip", "blocks_tar"),
}
KINDS = ("words", "lines", "blocks", "zipf", "loops")


def trace(kind: str, split: str, requests: int, name: str, own: str = "") -> np.ndarray:
    """Give the keys of a trace in their order, (requests,) int64, each name random.

    own: a user's file, of which it is a window: each split has a part of its own, `test` the last.
    """
    draw = rng("cache_eviction", name)
    drawn = UNSEEN if split == "test" else SEEN
    if own:
        keys = window(part(user_trace(own), *OWN_PARTS.get(split, (0.0, 0.4))), requests, draw)
    elif kind in RECORDED:
        first, other = RECORDED[kind]
        shares = {"train": (0.0, TRAIN_PART), "valid": (TRAIN_PART, 1.0)}.get(split, (0.0, 1.0))
        recording = recorded(other if split == "test" else first)
        keys = window(part(recording, *shares), requests, draw)
    else:
        keys = {"zipf": zipf, "loops": loops}[kind](drawn, requests, draw)
    return renamed(keys, draw)


def renamed(keys: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Give every key another name, a random number of 40 bits."""
    different, place = np.unique(keys, return_inverse=True)
    names = np.unique(draw.integers(0, NAMES, 2 * len(different) + 8))
    return draw.permutation(names)[place]


def part(recording: np.ndarray, low: float, high: float) -> np.ndarray:
    """Give a part of a recording, from one share of its length to another."""
    return recording[int(low * len(recording)) : int(high * len(recording))]


def window(recording: np.ndarray, requests: int, draw: np.random.Generator) -> np.ndarray:
    """Draw a run of requests."""
    begin = int(draw.integers(max(len(recording) - requests, 0) + 1))
    return recording[begin : begin + requests]


def zipf(drawn: Drawn, requests: int, draw: np.random.Generator) -> np.ndarray:
    """Popular keys by Zipf's law whose places drift, and scans over keys in order."""
    count = int(draw.integers(*drawn.keys))
    weights = np.arange(1, count + 1) ** -draw.uniform(*drawn.skew)
    moves = int(count * draw.uniform(*drawn.drift) / 2)
    scans = draw.uniform(*drawn.scans)
    keys = draw.permutation(count)
    asked = draw.choice(count, requests, p=weights / weights.sum())
    found: list[int] = []
    while len(found) < requests:
        if draw.random() < scans:
            begin, length = int(draw.integers(3 * count)), int(draw.integers(30, 300))
            found += range(count + begin, count + begin + length)
        for place in asked[len(found) : len(found) + int(draw.integers(200, 600))].tolist():
            if len(found) % 1000 == 0:
                one, two = draw.integers(0, count, (2, moves))
                keys[one], keys[two] = keys[two], keys[one]
            found.append(int(keys[place]))
    return np.array(found[:requests])


def loops(drawn: Drawn, requests: int, draw: np.random.Generator) -> np.ndarray:
    """Loops inside loops over tables of several sizes, with other requests between."""
    outer = int(draw.integers(*drawn.loop))
    inner = max(3, int(outer * draw.uniform(0.1, 0.5)))
    noise, times = draw.uniform(*drawn.noise), int(draw.integers(1, 6))
    found: list[int] = []
    while len(found) < requests:
        if draw.random() < 0.1:  # another phase of the program
            outer = max(10, int(outer * draw.uniform(0.6, 1.6)))
        begin = int(draw.integers(0, max(outer - inner, 1)))
        walk = [*range(outer), *(list(range(begin, begin + inner)) * times)]
        for key in walk:
            if draw.random() < noise:
                found.append(5000 + int(200 * draw.random() ** 3))
            found.append(key)
    return np.array(found[:requests])


@cache
def recorded(name: str) -> np.ndarray:
    """Give a shipped recording, (n,) int64."""
    with np.load(DATA) as arrays:
        return arrays[name].astype(np.int64)


@cache
def user_trace(path: str) -> np.ndarray:
    """Give a user's trace, one key per line of text, (n,) int64. Raises: Unusable."""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    keys = [line.strip() for line in lines if line.strip()]
    if len(keys) < MIN_REQUESTS:
        raise Unusable(f"{path}: {len(keys)} requests: give {MIN_REQUESTS} or more, one per line")
    number: Callable[[str], int] = {key: i for i, key in enumerate(dict.fromkeys(keys))}.__getitem__
    return np.array([number(key) for key in keys])
