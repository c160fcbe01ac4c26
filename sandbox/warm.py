"""The warm process: holds the preloaded modules and the inputs, and forks one child per job.

Started as `python -P -s -m sandbox.warm PARENT HAND` by `sandbox.box`; speaks the wire on its
standard input and output. It never runs a candidate's code itself, holds nothing but what it was told to
preload, has one thread, and ends when the other end of its pipes does.

Requests: first the setting, then any number of `{"inputs": ...}` and `{"job": ...}`; a job that is
`"fed"` has had its ends of a stepwise channel sent ahead, on a socket of its own.
Replies: `{"ready": true}`, or `{"fault": text}`, or how a job ended, followed by its report.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import linecache
import mmap
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np

from sandbox import candidate, first_steps, stepwise, wire
from sandbox.candidate import HARNESS_FILE, Call, Pipes, Setting
from sandbox.job import Job, Limits, SandboxError
from sandbox.levels import Level
from sandbox.linux import process
from sandbox.walls import wall
from sandbox.watch import Ended, ParentGone, Watch, result_bytes


class Pair(NamedTuple):
    """The two pipes to the process that asks, and the socket on which it hands over others."""

    requests: int
    replies: int
    hand: int


def main(parent: int, hand: int) -> None:
    """Serve until the asking process hangs up. `parent`: its process id; `hand`: a descriptor."""
    pair = _take_pipes(hand)
    scratch = os.getcwd()  # noqa: PTH109 - where we were started; a module may leave it
    process.end_with_parent(parent, signal.SIGTERM)
    process.adopt_orphans()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    try:
        try:
            _serve_all(pair, parent)
        finally:
            # The pipes of a killed parent close before its SIGTERM comes: late, it would cut
            # short the removal of the folder.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class Warm:
    """All that this process knows. memory: bytes it uses itself, which no candidate is charged."""

    setting: Setting
    inputs: dict[str, Any]
    memory: int


def _serve_all(pair: Pair, parent: int) -> None:
    """Prepare, and answer requests until the other end hangs up."""
    try:
        warm = _prepare(wire.receive(pair.requests))
        process.end_with_parent(parent, signal.SIGTERM)  # a change of user has undone it
        wire.send(pair.replies, {"ready": True})
        while True:
            warm = _serve(warm, wire.receive(pair.requests), pair)
    except SandboxError as error:
        wire.send(pair.replies, {"fault": str(error)})
    except (wire.WireClosed, BrokenPipeError, ParentGone):
        return


def _serve(warm: Warm, request: dict[str, Any], pair: Pair) -> Warm:
    """Answer one request; give what is known afterwards."""
    if "inputs" in request:
        warm = _settle(warm.setting, {**warm.inputs, **_frozen(request["inputs"])})
        wire.send(pair.replies, {"ready": True})
        return warm
    try:
        with _ends(pair.hand, request["fed"]) as fed:
            ended = _run(Job(**request["job"]), warm, pair, fed)
    except (SandboxError, OSError) as error:
        wire.send(pair.replies, {"fault": f"{type(error).__name__}: {error}"})
        return warm
    facts = {**ended._asdict(), "report": len(ended.report)}
    wire.write_all(pair.replies, [*wire.encode(facts), ended.report])
    warm.setting.shared.madvise(mmap.MADV_REMOVE)  # the next candidate finds zeros
    return warm


@contextlib.contextmanager
def _ends(hand: int, fed: bool) -> Iterator[stepwise.Ends | None]:
    """Lend the candidate's ends that were handed over for a stepwise job.

    Raises: SandboxError, OSError.
    """
    if not fed:
        yield None
        return
    try:
        receiver = socket.socket(fileno=os.dup(hand))
    except OSError as error:
        raise SandboxError(
            "stepwise jobs need a channel that cannot be handed over at this level: "
            "use landlock or strict"
        ) from error
    with receiver:
        ends = stepwise.receive_ends(receiver)
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def _run(job: Job, warm: Warm, pair: Pair, fed: stepwise.Ends | None) -> Ended:
    """Fork one candidate and watch it to its end.

    SIGTERM waits meanwhile, so that it never cuts short the ending of what a candidate left; the
    watch sees that it is pending.
    """
    _assert_one_thread()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    report, report_end = os.pipe()
    printed, printed_end = os.pipe()
    try:
        pid = warm.setting.wall.fork()
        if pid == 0:
            ends = Pipes(report_end, printed_end, fed)
            candidate.become(job, warm.inputs[job.input], warm.setting, ends)
        os.close(report_end)
        os.close(printed_end)
        limits, shared = warm.setting.limits, warm.setting.shared
        return Watch(pid, report, printed, pair.requests, limits, shared, warm.memory).wait()
    finally:
        os.close(report)
        os.close(printed)
        _empty(warm.setting.scratch)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _assert_one_thread() -> None:
    if process.num_threads() != 1:
        raise SandboxError(
            "the warm process has more than one thread, and a fork of it could hang: "
            "find the preloaded module that starts threads"
        )


def _take_pipes(hand: int) -> Pair:
    """Move the pipes away from standard input and output, where a module could print into them."""
    pair = Pair(os.dup(0), os.dup(1), hand)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(all_threads=False)  # the children inherit it: a segfault names its line
    return pair


def _prepare(request: dict[str, Any]) -> Warm:
    """Preload, and compile the harness. Raises: SandboxError naming what cannot be had."""
    own = os.environ.pop("PYTHONPATH", None)  # ours alone: no candidate imports this package
    sys.path[:] = [path for path in sys.path if path != own]
    for name in request["preload"]:
        _preload(name)
    limits, scratch = Limits(**request["limits"]), request["scratch"]
    call = _harness(request["harness"])
    first_steps.take()
    _assert_one_thread()
    level = wall(cast(Level, request["level"]))
    _empty(scratch)  # torch leaves a cache there
    try:
        level.enclose_warm(scratch, limits)
    except OSError as error:
        raise SandboxError(f"level {request['level']} cannot be enforced here: {error}") from error
    shared = mmap.mmap(-1, result_bytes(limits))
    setting = Setting(level, limits, call, scratch, 0, shared)
    return _settle(setting, {})


def _preload(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever a foreign module raises
        raise SandboxError(f"preload: {name} cannot be imported: {error!r}") from error


def _harness(source: str | None) -> Call | None:
    if source is None:
        return None
    linecache.cache[HARNESS_FILE] = len(source), None, source.splitlines(True), HARNESS_FILE
    module = ModuleType("harness")
    sys.modules["harness"] = module
    try:
        exec(compile(source, HARNESS_FILE, "exec"), module.__dict__)
    except Exception as error:  # whatever the harness raises
        lines = traceback.format_exc(limit=-1)
        raise SandboxError(f"the harness cannot be imported: {lines}") from error
    call = module.__dict__.get("call")
    if not callable(call):
        raise SandboxError("the harness must define call(candidate, public, rng)")
    return cast(Call, call)


def _settle(setting: Setting, inputs: dict[str, Any]) -> Warm:
    """Measure what is held now, and keep the collector from touching it after each fork."""
    gc.collect()
    gc.freeze()
    gc.disable()
    setting = setting._replace(data_bytes=process.data_bytes())
    return Warm(setting, inputs, process.usage(os.getpid()).memory)


def _frozen(tree: Any) -> Any:
    """Make all arrays of a tree read-only."""
    if isinstance(tree, np.ndarray):
        tree.flags.writeable = False
    elif isinstance(tree, dict):
        for value in tree.values():
            _frozen(value)
    elif isinstance(tree, list):
        for value in tree:
            _frozen(value)
    return tree


def _empty(scratch: str) -> None:
    """Make the working folder what it was, whatever a candidate did to it; nobody else lives."""
    folder = Path(scratch)
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        folder.mkdir(mode=0o700)
        return
    if os.statvfs(scratch).f_flag & os.ST_RDONLY:
        return
    if folder.stat().st_uid == os.geteuid():  # in a container it is the engine's, and open to us
        folder.chmod(0o700)
    for inner in folder.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            inner.chmod(0o700)
            _open_folders(inner)
            shutil.rmtree(inner)
        else:
            inner.unlink()


def _open_folders(folder: Path) -> None:
    """Let us delete within folders whose permissions a candidate took away."""
    for place, names, _ in os.walk(folder):
        for name in names:
            inner = Path(place, name)
            if not inner.is_symlink():
                inner.chmod(0o700)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
