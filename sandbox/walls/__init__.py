"""What a level does, at the places where a level can do something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sandbox.job import Limits

if TYPE_CHECKING:  # levels themselves try walls out
    from sandbox.levels import Level


class Wall(Protocol):
    """One level. Laws: no method knows a candidate; each raises OSError when it cannot enforce."""

    def command(self, python: Sequence[str], scratch: str, limits: Limits) -> list[str]:
        """Give the command that starts the warm process; `python`: the bare one.

        scratch: the folder in which it starts.
        """

    def environment(self, scratch: str) -> dict[str, str]:
        """Give all the variables with which that command starts."""

    def enclose_warm(self, scratch: str, limits: Limits) -> None:
        """Confine the warm process, after its preload and before its first candidate.

        scratch: the folder in which candidates start, empty until now.
        """

    def fork(self, group: int | None = None) -> int:
        """Fork a child, as `os.fork` does. group: as in `process.fork`."""

    def renew(self, folder: str, limits: Limits) -> None:
        """Make the folder that a candidate has worked in ready for the next one."""

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        """Confine the forked child, before it sees the candidate's source.

        data_bytes, cpu_s: what the warm process's share of RLIMIT_DATA and the CPU time so far are.
        """


def wall(level: Level, device: str | None = None, hash_seed: int = 0) -> Wall:
    """Give the wall of a level; or, at level weak alone, the one for candidates on a device.

    hash_seed: which Python hashes texts with in all processes behind it.
    """
    # Each is imported alone: the trusted side needs none of the kernel's numbers.
    if device is not None:
        from sandbox.walls.device import Device

        return Device(hash_seed)
    if level == "weak":
        from sandbox.walls.weak import Weak

        return Weak(hash_seed)
    if level == "landlock":
        from sandbox.walls.landlock import Landlock

        return Landlock(hash_seed)
    if level == "strict":
        from sandbox.walls.strict import Strict

        return Strict(hash_seed)
    from sandbox.walls.container import Container

    return Container(hash_seed)
