"""How near a program is to the elites of a snapshot, by what it decides on the probes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archive import queries
from archive.records import RunRecord
from archive.store import Archive
from evolve.behaviour import tolerant_match
from evolve.executor import Probed
from evolve.history import Told
from evolve.novelty import NEAR, distances, nearest, sketch
from evolve.state import State

# Of more elites the best are compared: what is near to a poor one may still be new.
MAX_COMPARED = 2_000
# Sketches are kept for so many behaviours at most, 2 to 4 KB each: the elites of a large grid.
MAX_SKETCHES = 20_000
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
        self._rows: dict[int, np.ndarray | None] = {}  # the same, by step

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
        steps, rows = self._elites(snapshot)
        own = self._sketch_of(probed.behaviour, probed.record)
        if own is None or not steps:
            return facts
        found = nearest(own, np.stack(rows), self._form)
        assert found is not None
        neighbour = snapshot.step(steps[found.row])
        assert neighbour is not None
        facts |= {"nearest": neighbour.step.n, "distance": round(found.distance, 4)}
        if found.distance < NEAR:
            facts["near"] = True
            if self._is_rounding(probed, neighbour):
                facts["rounding"] = neighbour.step.n
        return facts

    def near(self, probed: Probed, snapshot: State) -> list[Neighbour]:
        """Give the elites that a program is a near-duplicate of, the nearest first."""
        if probed.behaviour is None:
            return []
        steps, rows = self._elites(snapshot)
        own = self._sketch_of(probed.behaviour, probed.record)
        if own is None or not steps:
            return []
        apart = distances(own, np.stack(rows), self._form)
        found = (int(row) for row in np.argsort(apart, kind="stable") if apart[row] < NEAR)
        near = ((snapshot.step(steps[row]), float(apart[row])) for row in found)
        return [Neighbour(told, distance) for told, distance in near if told is not None]

    def _elites(self, snapshot: State) -> tuple[list[int], list[np.ndarray]]:
        """Give the steps of the elites whose probes are known, with their sketches."""
        steps, rows = [], []
        for elite in snapshot.ranked[:MAX_COMPARED]:
            if elite.step not in self._rows:  # what was told of a step never changes
                if len(self._rows) >= MAX_SKETCHES:
                    del self._rows[next(iter(self._rows))]
                self._rows[elite.step] = self._row_of(snapshot, elite.step)
            row = self._rows[elite.step]
            if row is not None:
                steps.append(elite.step)
                rows.append(row)
        return steps, rows

    def _row_of(self, snapshot: State, n: int) -> np.ndarray | None:
        told = snapshot.step(n)
        if told is None or told.step.behaviour is None:
            return None
        return self._sketch_of(told.step.behaviour, None)

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
