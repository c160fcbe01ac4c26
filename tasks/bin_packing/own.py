"""Sequences of a user's own: a JSON file with a capacity and items in the order of their arrival.

    {"capacity": 100, "sequences": [[37, 5, 88, ...], ...]}

Of every sequence the first three fifths belong to `train`, the next fifth to `valid` and the last to
`test`, so that a rule is judged by what came later.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evolve.task import Unusable, rng

from .data import SEQUENCES

PARTS = {"train": (0.0, 0.6), "valid": (0.6, 0.8), "test": (0.8, 1.0)}
# A table of preferences has capacity squared entries, and each is asked for.
MAX_CAPACITY = 1_000
# Items of a sequence: too few say nothing, and `play` numbers bins in sixteen bits.
MIN_WINDOW, MAX_WINDOW = 20, 65_000


class Own(NamedTuple):
    """What a file holds. sizes: all item sizes that occur, ascending."""

    capacity: int
    sequences: tuple[np.ndarray, ...]
    sizes: np.ndarray

    def windows(self, split: str, length: int, *names: object) -> np.ndarray:
        """Draw stretches of a split, (sequences, length) or shorter where there is less."""
        low, high = PARTS[split]
        parts = [each[int(low * len(each)) : int(high * len(each))] for each in self.sequences]
        length = min(length, MAX_WINDOW, *(len(part) for part in parts))
        draw = rng("bin_packing", "own", split, *names)
        chosen = [parts[draw.integers(len(parts))] for _ in range(SEQUENCES)]
        starts = [draw.integers(len(part) - length + 1) for part in chosen]
        return np.stack(
            [part[start : start + length] for part, start in zip(chosen, starts, strict=True)]
        )


@cache
def read(path: str) -> Own:
    """Read and check a file. Raises: Unusable that says what is wrong, and where."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"{path}: not JSON: {error}") from error
    if not isinstance(values, dict) or set(values) != {"capacity", "sequences"}:
        raise Unusable(f'{path}: give {{"capacity": 100, "sequences": [[37, 5, ...], ...]}}')
    capacity, sequences = values["capacity"], values["sequences"]
    if type(capacity) is not int or not 1 <= capacity <= MAX_CAPACITY:
        raise Unusable(
            f"{path}: capacity is {capacity!r}: give a whole number from 1 to {MAX_CAPACITY}; scale "
            "sizes and capacity down, and round sizes up, where it is larger"
        )
    if not isinstance(sequences, list) or not sequences:
        raise Unusable(f"{path}: sequences must be a list of lists with at least one in it")
    arrays = tuple(_checked(path, at, each, capacity) for at, each in enumerate(sequences))
    return Own(capacity, arrays, np.unique(np.concatenate(arrays)))


def _checked(path: str, at: int, sequence: Any, capacity: int) -> np.ndarray:
    where = f"{path}: sequences[{at}]"
    shortest = round(MIN_WINDOW / (PARTS["test"][1] - PARTS["test"][0]))
    if not isinstance(sequence, list) or len(sequence) < shortest:
        raise Unusable(f"{where}: give a list of at least {shortest} items")
    for place, item in enumerate(sequence):
        if type(item) is not int or not 1 <= item <= capacity:
            raise Unusable(
                f"{where}[{place}] is {item!r}: give whole numbers from 1 to {capacity}"
            )
    return np.array(sequence, dtype=np.int64)
