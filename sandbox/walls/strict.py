"""Level strict: landlock, in namespaces of its own: its files, network and processes are all."""

from __future__ import annotations

import resource

from sandbox import libraries
from sandbox import scratch as folders
from sandbox.job import MB, Limits
from sandbox.linux import namespaces
from sandbox.walls.landlock import DEVICES, Landlock
from sandbox.walls.weak import lower_limit


class Strict(Landlock):
    """Namespaces once per warm process, a pid namespace per candidate, and level landlock on top."""

    def enclose_warm(self, scratch: str, limits: Limits) -> None:
        needed = libraries.needed()
        folders.remove(folders.outer(scratch))  # outside; folders of these names are made inside
        namespaces.enter([*needed.readable, *DEVICES], scratch)
        self._enclose(needed, scratch, limits)
        if limits.file_mb:
            namespaces.cover(scratch, limits.file_mb * MB)

    def fork(self, group: int | None = None) -> int:
        return namespaces.fork(group)

    def renew(self, folder: str, limits: Limits) -> None:
        if limits.file_mb:
            namespaces.uncover(folder)
            namespaces.cover(folder, limits.file_mb * MB)

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        # counted within the user namespace: the warm process is one of them
        lower_limit(resource.RLIMIT_NPROC, 1 + limits.tasks)
        super().enclose_candidate(limits, data_bytes, cpu_s)
