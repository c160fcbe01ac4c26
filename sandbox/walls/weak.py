"""Level weak: rlimits and a process of its own; not a wall against ill will."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Sequence

from sandbox import scratch, start
from sandbox.job import MB, Limits
from sandbox.linux import process

# beyond the bound, so that a candidate out of memory can still say so (the watch stops at the bound)
_MEMORY_TO_REPORT = 16 * MB
_FILES = 256  # open at once: pipes and the like hold memory that nobody counts
_CPU_TO_REPORT = 1  # seconds; the watch is finer than rlimits, which are whole seconds


class Weak:
    """Bounds time, memory and file size; the watch does the rest."""

    def __init__(self, hash_seed: int = 0) -> None:
        self._hash_seed = hash_seed

    def command(self, python: Sequence[str], scratch: str, limits: Limits) -> list[str]:
        return list(python)

    def environment(self, scratch: str) -> dict[str, str]:
        return start.environment(scratch, self._hash_seed)

    def enclose_warm(self, scratch: str, limits: Limits) -> None:
        return None

    def fork(self, group: int | None = None) -> int:
        return os.fork() if group is None else process.fork(0, group)

    def renew(self, folder: str, limits: Limits) -> None:
        scratch.renew(folder)

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        memory = data_bytes + limits.memory_mb * MB
        lower_limit(resource.RLIMIT_DATA, memory, memory + _MEMORY_TO_REPORT)
        bound_files_and_time(limits, cpu_s)


def bound_files_and_time(limits: Limits, cpu_s: float) -> None:
    """Lower all limits but the one on memory. cpu_s: CPU time so far."""
    lower_limit(resource.RLIMIT_FSIZE, limits.file_mb * MB)
    lower_limit(resource.RLIMIT_CORE, 0)
    lower_limit(resource.RLIMIT_NOFILE, _FILES)
    lower_limit(resource.RLIMIT_CPU, math.ceil(cpu_s + limits.cpu_s) + _CPU_TO_REPORT)


def lower_limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays."""
    _, old = resource.getrlimit(which)
    top = soft if hard is None else hard
    if old != resource.RLIM_INFINITY:
        soft, top = min(soft, old), min(top, old)
    resource.setrlimit(which, (soft, top))
