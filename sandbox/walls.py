"""What a level does, at the three places where a level can do something."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence
from typing import Protocol

from sandbox.job import MB, Limits, SandboxError
from sandbox.levels import Level

# beyond the bound, so that a candidate out of memory can still say so (the watch stops at the bound)
_MEMORY_TO_REPORT = 16 * MB
_CPU_TO_REPORT = 1  # seconds; the watch is finer than rlimits, which are whole seconds


class Wall(Protocol):
    """One level. Laws: no method knows a candidate; each raises OSError when it cannot enforce."""

    def command(self, python: Sequence[str]) -> list[str]:
        """Give the command that starts the warm process; `python`: the bare one."""

    def enclose_warm(self) -> None:
        """Confine the warm process, after its preload and before its first candidate."""

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        """Confine the forked child, before it sees the candidate's source.

        data_bytes, cpu_s: what the warm process's share of RLIMIT_DATA and the CPU time so far are.
        """


class Weak:
    """Level weak: rlimits and a process of its own; not a wall against ill will."""

    def command(self, python: Sequence[str]) -> list[str]:
        return list(python)

    def enclose_warm(self) -> None:
        return None

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        memory = data_bytes + limits.memory_mb * MB
        _limit(resource.RLIMIT_DATA, memory, memory + _MEMORY_TO_REPORT)
        _limit(resource.RLIMIT_FSIZE, limits.file_mb * MB)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, math.ceil(cpu_s + limits.cpu_s) + _CPU_TO_REPORT)


def wall(level: Level) -> Wall:
    """Give the wall of a level. Raises: SandboxError when it is not built."""
    if level == "weak":
        return Weak()
    raise SandboxError(f"level {level}: not built yet")


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays."""
    _, old = resource.getrlimit(which)
    top = soft if hard is None else hard
    if old != resource.RLIM_INFINITY:
        soft, top = min(soft, old), min(top, old)
    resource.setrlimit(which, (soft, top))
