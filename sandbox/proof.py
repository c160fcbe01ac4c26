"""The proof that a wall holds: each attack between two honest programs, and a look at the harm.

    for finding in prove("strict", attacks()):
        print(finding.attack.name, finding.held, finding.said)

By itself, one line per attack; exit status 1 when one was not held (with --bare: did not bite):

    python -m sandbox.proof [--level LEVEL] [--quick] [--bare] [NAME ...]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from sandbox import Job, Limits, Outcome, Sandbox, SandboxError
from sandbox.attack import CONTROL, ENTRY, Attack, attacks, control, shown
from sandbox.bare import bite
from sandbox.canaries import Canaries, processes_of
from sandbox.levels import LEVELS, Level, choose

_INPUT = "canaries"

# a driver of the kind that tasks bring, for the attacks that want to put another in its place
_HARNESS = """
def call(candidate, public, rng):
    return step(candidate, public)

def step(candidate, public):
    return candidate(**public)
"""


class Finding(NamedTuple):
    """What came of an attack. said: how it ended, or what it got."""

    attack: Attack
    held: bool
    said: str


class _Kind(NamedTuple):
    """Attacks of one kind share a sandbox."""

    limits: Limits
    in_harness: bool


class _Ready(NamedTuple):
    """A sandbox, and what the honest program gives there."""

    box: Sandbox
    clean: Outcome


def prove(level: Level, chosen: Iterable[Attack]) -> Generator[Finding]:
    """Run attacks against a level, one after the other.

    What the level does not promise to hold is left out: see `Attack.promised_at`.
    Raises: SandboxError when the level cannot be had, or an honest program fails from the start.
    """
    with Proof(level) as proof:
        for attack in chosen:
            if attack.promised_at(level):
                yield proof.run(attack)


class Proof:
    """A level under attack: its sandboxes and canaries. Use it in a `with`."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._canaries = Canaries()
        self._ready: dict[_Kind, _Ready] = {}

    def run(self, attack: Attack) -> Finding:
        """Run one attack between two honest programs."""
        box, clean = self._at_rest(_Kind(attack.limits, attack.in_harness))
        family, descriptors = self._family(), _descriptors()
        try:
            faults = _unlike(clean, self._honest(box), "before")
            outcome = box.run(Job(attack.source, ENTRY, _INPUT))
            said = f"{outcome.status}: {outcome.reason or shown(outcome.value)}"
            faults += [attack.fault(outcome)]
            faults += ["it shows the secret"] * (self._canaries.secret in _all(outcome))
            faults += self._left(family)
            faults += _unlike(clean, self._honest(box), "after")
            faults += ["a descriptor was left with us"] * (_descriptors() != descriptors)
        except SandboxError as error:
            said, faults = "", [f"the world broke: {error}"]
        faults += self._canaries.harmed()
        found = [fault for fault in faults if fault]
        if not found:
            return Finding(attack, True, said)
        self._start_anew()
        return Finding(attack, False, "; ".join(found))

    def close(self) -> None:
        """End everything."""
        with contextlib.ExitStack() as stack:  # whatever one of them says, the others are closed
            stack.callback(self._canaries.close)
            while self._ready:
                stack.callback(self._ready.popitem()[1].box.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _at_rest(self, kind: _Kind) -> _Ready:
        """Give the sandbox of a kind, after a first honest program."""
        if kind not in self._ready:
            box = Sandbox.open(
                level=self._level,
                min_level=self._level,
                inputs={_INPUT: self._canaries.arguments()},
                harness=_HARNESS if kind.in_harness else None,
                limits=kind.limits,
            )
            clean = self._honest(box)
            if clean.status != "ok":
                box.close()
                raise SandboxError(f"an honest program ends as {clean.status}: {clean.reason}")
            self._ready[kind] = _Ready(box, clean)
        return self._ready[kind]

    def _honest(self, box: Sandbox) -> Outcome:
        return box.run(Job(control(), CONTROL, _INPUT))

    def _left(self, family: set[int]) -> list[str]:
        now = self._family()
        gone = [f"process {pid} of the sandbox was ended" for pid in family - now]
        return gone + [f"process {pid} was left" for pid in now - family]

    def _family(self) -> set[int]:
        """Give every process of our sandboxes: the warm ones, and whatever they forked."""
        ours = processes_of(f"sandbox.warm\0{os.getpid()}\0", self._canaries.mark)
        return {found.pid for found in ours}

    def _start_anew(self) -> None:
        """After harm was done: other sandboxes and other canaries."""
        self.close()
        self._canaries = Canaries()


def _unlike(clean: Outcome, outcome: Outcome, when: str) -> list[str]:
    """Say what an honest program gave that it did not give when all was clean."""
    for name in ("status", "reason", "stdout", "value"):
        was, now = getattr(clean, name), getattr(outcome, name)
        if was != now:
            return [
                f"an honest program {when} it gives another {name}: {now!r:.300}, not {was!r:.300}"
            ]
    return []


def _all(outcome: Outcome) -> str:
    return f"{shown(outcome.value)} {outcome.reason} {outcome.stdout}"


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def main() -> int:
    """Prove a level on this machine, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.proof")
    parser.add_argument("names", nargs="*", help="families, or single attacks as family/name")
    parser.add_argument("--level", default="auto", choices=["auto", *LEVELS])
    parser.add_argument("--quick", action="store_true", help="only a dozen attacks")
    parser.add_argument("--bare", action="store_true", help="show that they bite without a wall")
    options = parser.parse_args()
    chosen = [
        attack
        for attack in attacks(quick=options.quick)
        if not options.names or {attack.name, attack.family} & set(options.names)
    ]
    findings = _bare(chosen) if options.bare else prove(choose(options.level, "weak"), chosen)
    failed = 0
    for attack, held, said in findings:
        failed += (held and attack.bare == "bites") if options.bare else not held
        print(f"{'held' if held else 'BITES':5}  {attack.name:32} {said}", flush=True)
    return 1 if failed else 0


def _bare(chosen: Iterable[Attack]) -> Iterator[Finding]:
    for attack in chosen:
        if attack.bare in ("bites", "bites as root", "depends"):
            said = bite(attack)
            yield Finding(attack, not said, said)


if __name__ == "__main__":
    sys.exit(main())
