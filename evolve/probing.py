"""Probing: what a program does on the probes, and what that follows from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from evolve import behaviour as behaviours
from evolve import hashing
from evolve.executor import UNSOUND, Determinism
from evolve.task import Instance
from evolve.task_box import TaskBox
from sandbox import Outcome

# Of the second warm process. Any that is not the run's own, which is 0.
OTHER_HASH_SEED = 1


class Prober:
    """Probes the programs of one task; the second warm process starts with the first program.

    world: that of the run, which its hashes are only good for.
    """

    def __init__(self, box: TaskBox, world: str) -> None:
        self._box, self._world = box, world
        self._another: TaskBox | None = None

    def close(self) -> None:
        if self._another is not None:
            self._another.close()

    def probe(self, source: str, probes: Sequence[Instance]) -> dict[str, Any]:
        """Run a program on the probes twice or more; give the fields of a Probed.

        probes: always the same ones, which the box holds. The first time-out or broken limit ends
        it: nothing may rest on what comes after. Other failures are behaviour too.
        """
        another = self._opened(probes)
        began = time.perf_counter()
        behaviour, record, determinism = None, b"", None
        try:
            answers = list(self._answers(self._box, source, probes))
            determinism = self._determinism(another, source, answers)
        except _Clock:
            pass
        else:
            if determinism != "none":
                behaviour, record = self._behaviour(answers), self._record(answers)
        return {
            "behaviour": behaviour,
            "record": record,
            "determinism": determinism,
            "wall_s": time.perf_counter() - began,
        }

    def _opened(self, probes: Sequence[Instance]) -> TaskBox:
        if self._another is None:
            self._another = self._box.open_another(OTHER_HASH_SEED)
            self._another.hold(probes)
        return self._another

    def _determinism(
        self, another: TaskBox, source: str, answers: Sequence[_Answer]
    ) -> Determinism:
        """Run a program again, with all other that it may not depend on; where that shows, with its
        own generator too."""
        if self._repeats(another, source, answers, other_generator=True):
            return "deterministic"
        if self._repeats(another, source, answers, other_generator=False):
            return "injected"
        return "none"

    def _repeats(
        self, another: TaskBox, source: str, answers: Sequence[_Answer], other_generator: bool
    ) -> bool:
        """Tell whether a program answers the same again; the first difference ends it."""
        probes = [answer.instance for answer in answers]
        again = self._answers(another, source, probes, other_generator)
        return all(new.digest == old.digest for new, old in zip(again, answers, strict=True))

    def _answers(
        self,
        box: TaskBox,
        source: str,
        probes: Sequence[Instance],
        other_generator: bool = False,
    ) -> Iterator[_Answer]:
        """Run a program on probes, one by one. Raises: _Clock."""
        for instance in probes:
            outcome = box.run(source, instance, other_generator=other_generator)
            if outcome.status in UNSOUND:
                raise _Clock
            form, status, value = box.spec.canonical, outcome.status, outcome.value
            digest = behaviours.digest_of(form, instance.name, status, value)
            yield _Answer(instance, outcome, digest)

    def _behaviour(self, answers: Sequence[_Answer]) -> str:
        digests = (answer.digest for answer in answers)
        return hashing.plain_digest(self._box.code.digest, self._world, *digests)

    def _record(self, answers: Sequence[_Answer]) -> bytes:
        """Write down what a functional hash was made from, so that distances can be told."""
        rows = [(each.instance.name, each.outcome.status, each.outcome.value) for each in answers]
        return behaviours.record(self._box.spec.canonical, rows)


class _Answer(NamedTuple):
    """What a program gave on one probe. digest: of the canonical output, or how it failed."""

    instance: Instance
    outcome: Outcome
    digest: str


class _Clock(Exception):
    """A probe ended by the clock or at a limit, which tells as much of the machine."""
