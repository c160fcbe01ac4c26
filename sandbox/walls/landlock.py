"""Level landlock: no files but libraries, no network, no new processes; needs no root."""

from __future__ import annotations

import os

from sandbox import libraries
from sandbox import scratch as folders
from sandbox.job import Limits
from sandbox.linux import namespaces, process, seccomp, syscalls
from sandbox.linux.landlock import Ruleset
from sandbox.walls.weak import Weak

DEVICES = (os.devnull,)  # what any program may open


class Landlock(Weak):
    """Adds Landlock (what may be opened) and seccomp (which calls may be made) to level weak."""

    def __init__(self, hash_seed: int = 0) -> None:
        super().__init__(hash_seed)
        self._rules: Ruleset | None = None
        self._filter: seccomp.Filter | None = None

    def enclose_warm(self, scratch: str, limits: Limits) -> None:
        needed = libraries.needed()
        self._enclose(needed, scratch, limits)

    def _enclose(self, needed: libraries.Needed, scratch: str, limits: Limits) -> None:
        self._rules = Ruleset(
            readable=needed.readable,
            listable=[*needed.listable, scratch],
            writable=[folders.outer(scratch)] if limits.file_mb else [],
            devices=DEVICES,
        )
        libraries.hide_others(needed)
        self._filter = calls(limits)
        process.let_read(False)  # its memory is not for candidates; they inherit this

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        assert self._rules is not None
        assert self._filter is not None
        super().enclose_candidate(limits, data_bytes, cpu_s)
        namespaces.drop_capabilities()
        self._rules.restrict()
        if limits.file_mb:
            self._keep_to(".")
        self._filter.install(os.getpid())

    def _keep_to(self, folder: str) -> None:
        """Let files be made in one folder only, which is younger than the rules in force.

        Rules add up: what the first ones refuse stays refused.
        """
        Ruleset(readable=["/"], writable=[folder], devices=DEVICES).restrict()


def calls(limits: Limits) -> seccomp.Filter:
    """Give the filter of the calls that a candidate may make within its limits."""
    machine = syscalls.machine()
    return seccomp.assemble(machine, tasks=limits.tasks > 1, files=limits.file_mb > 0)
