"""Samples by a fixed rule: the same ones in every process, whatever they are taken from.

Nothing is drawn. A number's place in a shuffled order is a hash of it, so that two programs which
chose some of the same items are compared on the same items.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

REMEMBERED = 256  # a few hundred KB each at the most; probes come in a few sizes


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Hash integers one by one, (n,) int64 or uint64 to (n,) uint64; different ones stay different.

    Source: the finaliser of SplitMix64, Steele, Lea & Flood 2014.
    """
    z = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def lowest(members: np.ndarray, limit: int) -> np.ndarray:
    """Give those of some distinct integers whose hash is lowest, at most `limit`, ascending."""
    if len(members) <= limit:
        return members
    return np.sort(members[np.argpartition(mixed(members), limit)[:limit]])


@lru_cache(maxsize=REMEMBERED)
def places(n: int, limit: int) -> np.ndarray:
    """Give at most `limit` of n places, ascending; all of them if they are no more."""
    return lowest(np.arange(n), limit)


@lru_cache(maxsize=REMEMBERED)
def pairs(n: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Give at most `limit` pairs of different places out of n; each pair once if they fit.

    Of more, `limit` are taken with replacement.
    """
    if n * (n - 1) // 2 <= limit:
        first, second = np.triu_indices(n, 1)
        return first, second
    one, other = mixed(np.arange(2 * limit)).reshape(2, limit)
    first = (one % np.uint64(n)).astype(np.int64)
    return first, (first + 1 + (other % np.uint64(n - 1)).astype(np.int64)) % n


def key64(data: bytes) -> int:
    """Give 64 bits that stand for some bytes."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
