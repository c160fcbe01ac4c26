"""Faults of a task that no run would notice: each question is asked by `evolve check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evolve import hashing
from evolve.grading import TaskCode
from evolve.task import Instance, Invalid

# Private arrays smaller than this equal something public by chance.
MIN_LEAK_ITEMS = 8
# Outputs that differ in the last digits, which a form drops, may differ by so much in score.
SCORE_TOLERANCE = 1e-6


def graded_differently(
    code: TaskCode, instances: Sequence[Instance], outputs: Sequence[Any]
) -> str | None:
    """Name the first instance that `grade_many` and `grade` disagree on, None if they agree."""
    together = code.grade_all(instances, outputs)
    singly = code.grade_singly(instances, outputs)
    if isinstance(together, Invalid) or isinstance(singly, Invalid):
        both = isinstance(together, Invalid) and isinstance(singly, Invalid)
        return None if both else "whether the outputs are valid"
    for instance, one, other in zip(instances, together, singly, strict=True):
        if one.score != other.score or dict(one.measures) != dict(other.measures):
            return instance.name
    return None


def reads_beyond_form(code: TaskCode, instance: Instance, output: Any) -> bool:
    """Tell whether a grade changes when its output does and the canonical form does not.

    Grades are shared between outputs of one form, so such a task would hand out wrong ones.
    """
    first = code.grade_singly([instance], [output])
    for twin in hashing.twins(code.spec.canonical, output):
        second = code.grade_singly([instance], [twin])
        if isinstance(first, Invalid) or isinstance(second, Invalid):
            return isinstance(first, Invalid) != isinstance(second, Invalid)
        score = first[0].score
        if abs(score - second[0].score) > SCORE_TOLERANCE * max(1.0, abs(score)):
            return True
    return False


def shared_values(instance: Instance) -> list[tuple[str, str]]:
    """Find private arrays that stand among the public ones, as (private path, public path).

    Compared by value, whatever the type and shape; constant and very small arrays are left out.
    """
    public = [(path, array.ravel()) for path, array in _arrays(instance.public)]
    return [
        (path, other)
        for path, array in _arrays(instance.private)
        for other, values in public
        if array.size >= MIN_LEAK_ITEMS
        and array.size == values.size
        and np.any(array.ravel() != array.flat[0])
        and np.array_equal(array.ravel(), values)
    ]


def _arrays(tree: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Give the arrays of numbers in a tree, and lists of numbers as arrays, with their paths."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _arrays(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, np.ndarray):
        if tree.dtype.kind in "biufc":
            yield path, tree
    elif isinstance(tree, (list, tuple)):
        if tree and all(isinstance(item, (bool, int, float)) for item in tree):
            yield path, np.asarray(tree)
        else:
            for index, item in enumerate(tree):
                yield from _arrays(item, f"{path}[{index}]")
