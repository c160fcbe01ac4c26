"""The memory in which a candidate leaves its result: read by whoever asked, resized by nobody.

A sealed memory file (memfd_create(2)) is made by the asking process, and mapped by it and by the
warm process, whose forks inherit the mapping and no descriptor.
"""

from __future__ import annotations

import fcntl
import mmap
import os

import numpy as np

from sandbox import wire
from sandbox.job import MB, Limits

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def frame_bytes(limits: Limits) -> int:
    """Give how much memory the frame of a result may take, in whole pages."""
    return _whole_pages(wire.PREFIX_BYTES + wire.MAX_HEADER + limits.result_mb * MB)


def make(limits: Limits) -> int | None:
    """Make the memory; give its descriptor. None where files may not be so large (`ulimit -f`)."""
    fd = os.memfd_create("results", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, frame_bytes(limits))
    except OSError:
        os.close(fd)
        return None
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def clear(memory: mmap.mmap, size: int) -> None:
    """Make it all zeros, whatever a candidate wrote; keep the pages of its first `size` bytes.

    Fresh pages are what costs: eight times as much as writing zeros into those that are there.
    """
    kept = _whole_pages(size)
    np.frombuffer(memory, np.uint8, kept)[:] = 0
    if kept < len(memory):
        memory.madvise(mmap.MADV_REMOVE, kept, len(memory) - kept)


def attach(fd: int) -> mmap.mmap:
    """Map the memory and close its descriptor. Raises: OSError when it is not what `make` gave."""
    if fcntl.fcntl(fd, fcntl.F_GET_SEALS) != _SEALS:
        raise OSError("not the memory for results")
    try:
        return mmap.mmap(fd, 0)
    finally:
        os.close(fd)


def _whole_pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
