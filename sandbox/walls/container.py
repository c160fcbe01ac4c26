"""Level container, experimental: docker, podman or apptainer around the warm process.

One container per warm process, which is process 1 in it and ends when its pipes do. Inside, the
warm process first sees for itself that the engine did what it was asked to; then each candidate is
confined as at level landlock, as far as the kernel there has Landlock.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sandbox import start
from sandbox.job import Limits
from sandbox.linux import landlock, namespaces, process
from sandbox.walls.landlock import Landlock, calls
from sandbox.walls.weak import Weak

# Names an image that has this Python's minor version, numpy and what tasks preload: there is no
# default, and nothing is pulled.
IMAGE = "EVOLVE_SANDBOX_IMAGE"

_HOME = "/evolve"  # where this package lies inside
_NOBODY = "65534:65534"
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Backstops only: the watch inside enforces both bounds. They hold the warm process too, with
# whatever it preloads, and the engine's own threads at the start.
_WARM_MB = 8192
_WARM_TASKS = 64
_CACHES_MB = 16  # what modules write when they are imported, as torch does
_PATIENCE_S = 10.0  # for an engine to answer; one that works takes a tenth of a second
_ELSEWHERE = ("192.0.2.1", 9)  # TEST-NET-1 (RFC 5737): nobody is there, and nothing is sent

# The engines, and a question that each answers only when it can run containers.
_QUESTIONS = {
    "podman": ("info",),
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "apptainer": ("version",),
}


class Engine(NamedTuple):
    """What runs containers. path: of its client."""

    name: str
    path: str


class Container(Landlock):
    """A container around the warm process, and level landlock within it."""

    def command(self, python: Sequence[str], scratch: str, limits: Limits) -> list[str]:
        engine, reason = find()
        if engine is None:
            raise OSError(reason)
        arguments = _apptainer if engine.name == "apptainer" else _docker
        variables = _variables(scratch, self._hash_seed)
        return [engine.path, *arguments(engine, python[1:], variables, scratch, limits)]

    def environment(self, scratch: str) -> dict[str, str]:
        # That of the engine's client, which must find its engine. What the container gets stands
        # on its command line.
        return {name: os.environ[name] for name in start.FOR_ENGINES if name in os.environ}

    def enclose_warm(self, scratch: str, limits: Limits) -> None:
        for fault in _faults(scratch):
            raise OSError(f"the container is not as it was asked for: {fault}")
        if landlock.abi():
            super().enclose_warm(scratch, limits)
            return
        self._filter = calls(limits)
        process.let_read(False)

    def enclose_candidate(self, limits: Limits, data_bytes: int, cpu_s: float) -> None:
        if self._rules is not None:
            super().enclose_candidate(limits, data_bytes, cpu_s)
            return
        assert self._filter is not None
        Weak.enclose_candidate(self, limits, data_bytes, cpu_s)
        namespaces.drop_capabilities()
        self._filter.install(os.getpid())


@functools.cache
def find() -> tuple[Engine | None, str]:
    """Give the first engine that answers and has the image; else None, and why none will do."""
    reasons = []
    for name in _QUESTIONS:
        path = shutil.which(name)
        if path is None:
            continue
        engine = Engine(name, path)
        reason = _unfit(engine)
        if not reason:
            return engine, ""
        reasons.append(f"{name} {reason}")
    return None, "; ".join(reasons) or f"none of {', '.join(_QUESTIONS)} is on the path"


def _unfit(engine: Engine) -> str:
    """Say why an engine will not do; empty when it will."""
    if engine.name == "apptainer" and os.geteuid() == 0:
        return "would run programs as root: use it as an ordinary user"
    if refusal := _ask(engine, *_QUESTIONS[engine.name]):
        return f"does not answer: {refusal}"
    image = os.environ.get(IMAGE)
    if not image:
        return f"answers, but {IMAGE} names no image with {_PYTHON}, numpy and what tasks preload"
    if engine.name == "apptainer":
        there = Path(image).exists()
    else:
        there = not _ask(engine, "image", "inspect", image)
    return "" if there else f"has no image {image} here, and nothing is pulled: fetch it first"


def _ask(engine: Engine, *arguments: str) -> str:
    """Ask an engine; give the last line of its refusal, empty when there was none."""
    try:
        done = subprocess.run(
            [engine.path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            text=True,
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]


def _docker(
    engine: Engine,
    arguments: Sequence[str],
    variables: Sequence[str],
    scratch: str,
    limits: Limits,
) -> list[str]:
    """Give the arguments of docker or podman that run Python in a new container."""
    memory = f"{limits.memory_mb + _WARM_MB}m"
    return [
        "run",
        "--rm",
        "--interactive",
        "--pull=never",
        "--log-driver=none",  # what we say to each other is no log
        "--network=none",
        "--ipc=none",
        "--read-only",
        # podman would make /tmp, /run and others writable
        *(["--read-only-tmpfs=false"] if engine.name == "podman" else []),
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--user={_NOBODY}",
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--pids-limit={limits.tasks + _WARM_TASKS}",
        f"--tmpfs={scratch}:size={limits.file_mb + _CACHES_MB}m,mode=1777,nosuid,nodev,noexec",
        f"--workdir={scratch}",
        f"--volume={_package()}:{_HOME}/sandbox:ro",
        *variables,
        f"--entrypoint={_PYTHON}",
        os.environ[IMAGE],
        *arguments,
    ]


def _apptainer(
    engine: Engine,
    arguments: Sequence[str],
    variables: Sequence[str],
    scratch: str,
    limits: Limits,
) -> list[str]:
    """Give the arguments of apptainer that do the same.

    It runs as the user who asks, and bounds memory and tasks only where that user may have control
    groups, which is rare: the watch and rlimits inside are all there is.
    """
    return [
        "exec",
        "--containall",
        "--no-init",  # so that the warm process is process 1
        "--no-home",
        "--no-mount=tmp,home,cwd,hostfs,bind-paths",
        "--net",
        "--network=none",
        "--no-privs",
        f"--bind={scratch}:{scratch}",
        f"--pwd={scratch}",
        f"--bind={_package()}:{_HOME}/sandbox:ro",
        *variables,
        os.environ[IMAGE],
        _PYTHON,
        *arguments,
    ]


def _package() -> Path:
    return Path(start.__file__).resolve().parent


def _variables(scratch: str, hash_seed: int) -> list[str]:
    inside = {**start.own_variables(scratch, hash_seed), "PYTHONPATH": _HOME}
    return [f"--env={name}={value}" for name, value in inside.items()]


def _faults(scratch: str) -> Iterator[str]:
    """Name what is not as our command line asks, seen from inside."""
    if os.geteuid() == 0:
        yield "it runs as root"
    status = dict(line.split(":\t", 1) for line in _lines("/proc/self/status"))
    if int(status["CapPrm"], 16):
        yield "it has capabilities"
    if status["NoNewPrivs"] != "1":
        yield "it can gain privileges"
    if not os.statvfs("/").f_flag & os.ST_RDONLY:
        yield "its root can be written"
    if _has_route():
        yield "it has a network"
    if find_spec("numpy") is None:
        yield "its image has no numpy"
    if not landlock.abi():
        # nothing else would keep one candidate from leaving something there for the next
        for mount in (line.split()[4] for line in _lines("/proc/self/mountinfo")):
            if mount != scratch and os.access(mount, os.W_OK):
                yield f"its kernel has no Landlock, and {mount} can be written"


def _has_route() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return False
    return True


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
