"""The wall around a candidate with a device: level weak by name, since a driver works within it.

It is more than level weak, Landlock and a filter of calls, and less than level landlock: the
device's files can be opened and controlled, and whatever the driver in the kernel lets a user do,
a candidate can do. Nothing else is promised than what level weak promises.

The rules on files come before the driver starts its threads, so that these are held too; the
filter of calls comes after, for all threads at once, since the driver starts with calls that no
candidate may make.
"""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
from contextlib import suppress

from sandbox import libraries
from sandbox.job import Limits
from sandbox.linux import landlock, namespaces, process, seccomp, syscalls
from sandbox.walls.landlock import DEVICES
from sandbox.walls.weak import Weak, bound_files_and_time

_DRIVER = "libcuda.so.1"
_DRIVEN = "/dev/nvidia*"
# What the driver reads of the machine: hardware, and which of its own modules are loaded.
_READ_BY_DRIVER = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/driver/nvidia",
    "/proc/driver/nvidia-caps",
    "/proc/meminfo",
    "/proc/modules",
    "/proc/sys/vm",
    "/sys/bus/pci",
    "/sys/devices",
    "/sys/module",
)
_LIBRARIES = "nvidia"  # the namespace in which wheels bring CUDA's libraries
# Which devices there are, as their user says; none of them is a key.
_INHERITED = ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES")
_NO_CACHE = {"CUDA_CACHE_DISABLE": "1"}  # compiled kernels, kept where nobody may write


class Device(Weak):
    """Bounds time, file size and calls, in a process in which a driver works."""

    def environment(self, scratch: str) -> dict[str, str]:
        named = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**super().environment(scratch), **_NO_CACHE, **named}

    def enclose_warm(self, scratch: str, limits: Limits) -> None:
        if landlock.abi() == 0:
            raise OSError("a candidate with a device needs Landlock, Linux 5.13 or later")
        process.let_read(False)

    def enclose_driver(self, device: str, scratch: str, limits: Limits) -> None:
        """Confine this process, all imported and one thread running, before the driver starts."""
        driven: list[str] = []
        if device != "cpu":
            driven = glob.glob(_DRIVEN)  # noqa: PTH207 - in one folder
            with suppress(OSError):  # torch says it better
                ctypes.CDLL(_DRIVER)  # so that it is found among the libraries; it starts nothing
        needed = libraries.needed()
        rules = landlock.Ruleset(
            readable=[*needed.readable, *_wheels(), *_READ_BY_DRIVER],
            listable=[*needed.listable, scratch],
            writable=[scratch] if limits.file_mb else [],
            devices=DEVICES,
            driven=driven,
        )
        libraries.hide_others(needed)
        namespaces.drop_capabilities()
        rules.restrict()

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        # No limit on data: a driver reserves more addresses than any machine has memory.
        bound_files_and_time(limits, cpu_s)
        machine = syscalls.machine()
        calls = seccomp.assemble(machine, tasks=False, files=limits.file_mb > 0, driver=True)
        calls.install(os.getpid(), all_threads=True)


def _wheels() -> list[str]:
    """Give the folders of CUDA's libraries, which are loaded one by one at their first use."""
    found = importlib.util.find_spec(_LIBRARIES)
    return list(found.submodule_search_locations or ()) if found else []
