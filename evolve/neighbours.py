"""How near a program is to the elites of a snapshot, by what it decides on the probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from archive import queries
from archive.records import RunRecord
from archive.store import Archive
from evolve.behaviour import tolerant_match
from evolve.executor import Probed
from evolve.grid import Elite
from evolve.history import Told
from evolve.novelty import NEAR, distances, sketch
from evolve.state import State

# Of more elites the best are compared: what is near to a poor one may still be new.
MAX_COMPARED = 2_000
# Sketches are kept for so many behaviours at most, 2 to 4 KB each: the elites of a large grid.
MAX_SKETCHES = 20_000
# The row of a step without a sketch.
NOWHERE = -1
# Two outputs whose numbers differ by no more than this, relatively, differ by rounding.
ROUNDING = 1e-6


class Neighbour(NamedTuple):
    """An elite of a snapshot. distance: from a program, by what both decide, from 0 to 1."""

    told: Told
    distance: float


class Neighbours:
    """Compares programs with the elites of snapshots; made for one run.

    canonical: the form in which the task compares outputs.
    """

    def __init__(self, archive: Archive, run: RunRecord, canonical: str) -> None:
        self._archive, self._run, self._form = archive, run, canonical
        self._sketches: dict[str, np.ndarray | None] = {}
        # The same of steps, as rows of one matrix; NOWHERE for one without a sketch.
        self._rows: dict[int, int] = {}
        self._matrix, self._filled = np.empty((0, 0)), 0

    def seen(self, probed: Probed, snapshot: State) -> dict[str, Any]:
        """Tell what a program is near to, as facts of its step.

        nearest: the step of the elite that decides most alike; distance: from 0 to 1. near: True
        for a near-duplicate, and for a program that the probes do not tell from a told one.
        rounding: the step of an elite from which it differs by rounding only.
        Empty where nothing can be compared: no elite was probed, or this program has no hash.
        """
        if probed.behaviour is None:
            return {}
        facts: dict[str, Any] = {}
        if (alike := snapshot.behaviour(probed.behaviour)) is not None:
            facts |= {"alike": alike.step.n, "near": True}
        steps, apart = self._compared(probed, snapshot)
        if not steps:
            return facts
        distance = float(apart.min())
        n = _best(snapshot, [steps[row] for row in np.flatnonzero(apart == distance)])
        neighbour = snapshot.step(n)
        assert neighbour is not None
        facts |= {"nearest": n, "distance": round(distance, 4)}
        if distance < NEAR:
            facts["near"] = True
            if self._is_rounding(probed, neighbour):
                facts["rounding"] = neighbour.step.n
        return facts

    def near(self, probed: Probed, snapshot: State) -> list[Neighbour]:
        """Give the elites that a program is a near-duplicate of, the nearest first."""
        if probed.behaviour is None:
            return []
        steps, apart = self._compared(probed, snapshot)
        found = [(float(apart[row]), steps[row]) for row in np.flatnonzero(apart < NEAR)]
        found.sort(key=lambda each: (each[0], _elite(snapshot, each[1]).key()))
        near = ((snapshot.step(n), distance) for distance, n in found)
        return [Neighbour(told, distance) for told, distance in near if told is not None]

    def _compared(self, probed: Probed, snapshot: State) -> tuple[list[int], np.ndarray]:
        """Give the steps of the elites whose probes are known, and how far a program is from each."""
        assert probed.behaviour is not None
        own = self._sketch_of(probed.behaviour, probed.record)
        if own is None:
            return [], np.empty(0)
        if len(self._rows) > MAX_SKETCHES:
            self._rows.clear()
            self._filled = 0
        # To rank them all, all are valued: where all are compared, nobody asks who is better.
        best = snapshot.ranked[:MAX_COMPARED] if snapshot.grid.num_held > MAX_COMPARED else None
        elites = snapshot.grid.cells.as_seen() if best is None else best
        steps = [each.step for each in elites]
        for n in set(steps).difference(self._rows):  # what was told of a step never changes
            self._rows[n] = self._row_of(snapshot, n)
        rows = list(map(self._rows.__getitem__, steps))
        if NOWHERE in rows:
            steps = [n for n, row in zip(steps, rows, strict=True) if row != NOWHERE]
            rows = [row for row in rows if row != NOWHERE]
        return steps, distances(own, self._matrix[rows], self._form) if steps else np.empty(0)

    def _row_of(self, snapshot: State, n: int) -> int:
        """Find the sketch of a step's program, and give its row."""
        told = snapshot.step(n)
        known = None if told is None else told.step.behaviour
        sketched = None if known is None else self._sketch_of(known, None)
        return NOWHERE if sketched is None else self._add(sketched)

    def _add(self, sketched: np.ndarray) -> int:
        """Give the new row of a sketch."""
        if self._filled == len(self._matrix):
            grown = np.empty((max(2 * self._filled, 64), len(sketched)), dtype=sketched.dtype)
            if self._filled:
                grown[: self._filled] = self._matrix
            self._matrix = grown
        self._matrix[self._filled] = sketched
        self._filled += 1
        return self._filled - 1

    def _sketch_of(self, behaviour: str, record: bytes | None) -> np.ndarray | None:
        """Give the sketch of a behaviour, None where its record tells too little."""
        if behaviour not in self._sketches:
            kept = record or self._record(behaviour)
            if len(self._sketches) >= MAX_SKETCHES:
                del self._sketches[next(iter(self._sketches))]
            self._sketches[behaviour] = self._sketched(kept) if kept else None
        return self._sketches[behaviour]

    def _sketched(self, record: bytes) -> np.ndarray | None:
        try:
            return sketch(self._form, record)
        except ValueError:  # written before records told decisions
            return None

    def _record(self, behaviour: str) -> bytes | None:
        run = self._run
        return queries.behaviour(self._archive, task=run.task, world=run.world, id=behaviour)

    def _is_rounding(self, probed: Probed, neighbour: Told) -> bool:
        """Tell whether two programs whose hashes differ decide the same but for rounding."""
        behaviour = neighbour.step.behaviour
        if behaviour is None or behaviour == probed.behaviour:
            return False
        record = self._record(behaviour)
        return record is not None and tolerant_match(self._form, probed.record, record, ROUNDING)


def _best(snapshot: State, steps: Sequence[int]) -> int:
    """Give the best of some elites, by their steps."""
    among = set(steps)
    # Who is better than one of the best of all is among these, too.
    first = next((elite.step for elite in snapshot.best if elite.step in among), None)
    return min(steps, key=lambda n: _elite(snapshot, n).key()) if first is None else first


def _elite(snapshot: State, n: int) -> Elite:
    """Give an elite of a snapshot by its step, as it is believed then."""
    held = snapshot.grid.cells[snapshot.history.cell_of_step[n]]
    return next(elite for elite in held if elite.step == n)
