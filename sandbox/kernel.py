"""What the kernel of this machine offers to a wall: for a person to read, it decides nothing."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from sandbox import start

_SECCOMP = Path("/proc/sys/kernel/seccomp/actions_avail")  # there where filters can be installed
_CLONE_NEWUSER = 0x10000000
_PATIENCE_S = 10.0  # a slow disk; the question takes a twentieth of a second
# Asked in a process that ends at once: whoever has entered a namespace cannot come back.
_ENTER = f"from sandbox.linux import libc; libc.call('unshare', {_CLONE_NEWUSER})"


class Kernel(NamedTuple):
    """name: system, release and machine. landlock_abi: 0 where there is none.

    user_namespaces: why they cannot be had; empty when they can. seccomp: whether calls can be
    filtered.
    """

    name: str
    landlock_abi: int
    user_namespaces: str
    seccomp: bool


def kernel() -> Kernel:
    """Ask the kernel what it has."""
    name = f"{platform.system()} {platform.release()} {platform.machine()}"
    if not sys.platform.startswith("linux"):
        return Kernel(name, 0, "needs Linux", False)
    return Kernel(name, _landlock_abi(), _no_user_namespaces(), _SECCOMP.exists())


def _landlock_abi() -> int:
    from sandbox.linux import landlock

    try:
        return landlock.abi()
    except KeyError:  # a machine whose calls we do not know
        return 0


def _no_user_namespaces() -> str:
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-s", "-c", _ENTER],
                env=start.environment(folder),
                capture_output=True,
                timeout=_PATIENCE_S,
                text=True,
                errors="replace",
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"the question did not end: {error}"
    if done.returncode == 0:
        return ""
    return (done.stderr.splitlines() or [f"ended with {done.returncode}"])[-1]
