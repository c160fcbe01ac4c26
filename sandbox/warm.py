"""The warm process: holds the preloaded modules and the inputs, and forks one child per job.

Started as `python -P -s -m sandbox.warm PARENT HAND` by `sandbox.box`; speaks the wire on its
standard input and output. It never runs a candidate's code itself, holds nothing but what it was told to
preload, has one thread, and ends when the other end of its pipes does.

Requests: first the setting, then any number of `{"inputs": ...}`, `{"drop": names}` and
`{"job": ...}`; a job that is `"fed"` has had its ends of a stepwise channel sent ahead, on a socket
of its own.
Replies: `{"ready": true}`, or `{"fault": text}`, or how a job ended, followed by its report.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import mmap
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn, cast

from sandbox import candidate, errand, loading, randomness, results, scratch, stepwise, wire
from sandbox.candidate import Pipes, Setting
from sandbox.job import Job, Limits, SandboxError
from sandbox.levels import Level
from sandbox.linux import cgroups, process
from sandbox.walls import Wall, wall
from sandbox.watch import START_S, Ended, ParentGone, Watch

_OURS = ("weak", "landlock", "strict")  # where the folder of candidates is no engine's
_GATHER_AFTER = 16  # jobs: it takes .3 s with torch, more than a few forks cost without it
# The collector is off, so that it copies no pages after a fork, and the dumps of killed candidates
# leave the heap in small pieces: both would add up to some megabytes in ten thousand jobs.
_COLLECT_EVERY = 256


class Pair(NamedTuple):
    """The two pipes to the process that asks, and the socket on which it hands over others."""

    requests: int
    replies: int
    hand: int


def main(parent: int, hand: int, results_fd: int | None = None) -> None:
    """Serve until the asking process hangs up.

    parent: its process id. hand, results_fd: descriptors of what it hands over, and of the memory
    for results, where that can be handed over.
    """
    folder = os.getcwd()  # noqa: PTH109 - where we were started; a module may leave it
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    try:
        try:
            pair = _take_pipes(hand)
            process.end_with_parent(parent, signal.SIGTERM)
            process.adopt_orphans()
            _serve_all(pair, parent, results_fd)
        finally:
            # The pipes of a killed parent close before its SIGTERM comes: late, it would cut
            # short the removal of the folder.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        scratch.remove(folder)


@dataclass(frozen=True)
class Warm:
    """All that this process knows.

    memory: bytes it uses itself, which no candidate is charged. sees_results: whether the asking
    process reads results in the shared memory; in a container it cannot. dirty: bytes of the last
    result there. jobs: how many there were. errand: how a fork starts
    a candidate on a device; None where the fork becomes the candidate. leaf: the control group that
    candidates are born into.
    """

    setting: Setting
    inputs: dict[str, Any]
    memory: int
    sees_results: bool
    errand: errand.Errand | None
    leaf: cgroups.Nowhere
    dirty: int = 0
    jobs: int = 0


def _serve_all(pair: Pair, parent: int, results_fd: int | None) -> None:
    """Prepare, and answer requests until the other end hangs up."""
    try:
        warm = _prepare(wire.receive(pair.requests), results_fd)
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
        warm = _settle(warm, loading.frozen(request["inputs"]))
        wire.send(pair.replies, {"ready": True})
        return warm
    if "drop" in request:
        for name in request["drop"]:
            warm.inputs.pop(name, None)  # not from a copy: our caller would hold them on
        process.give_back_memory()
        warm = _settle(warm, {})
        wire.send(pair.replies, {"ready": True})
        return warm
    try:
        with _ends(pair.hand, request["fed"]) as fed:
            ended = _run(Job(**request["job"]), warm, pair, fed)
    except (SandboxError, OSError) as error:
        wire.send(pair.replies, {"fault": f"{type(error).__name__}: {error}"})
        return warm
    size = len(ended.report)
    here = b"" if warm.sees_results else ended.report
    facts = {**ended._asdict(), "report": len(here), "shared": size - len(here)}
    wire.write_all(pair.replies, [*wire.encode(facts), here])
    if warm.jobs % _COLLECT_EVERY == 0:
        gc.collect()  # what we hold is frozen: it touches only what jobs left behind
        process.give_back_memory()
    if warm.jobs == _GATHER_AFTER:
        process.gather_pages()
        warm = replace(warm, memory=process.usage(os.getpid()).memory)
    return replace(warm, dirty=size, jobs=warm.jobs + 1)


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
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as the candidate is to find it
    report, report_end = os.pipe()
    printed, printed_end = os.pipe()
    try:
        results.clear(warm.setting.shared, warm.dirty)
        rng = randomness.start(job.rng_seed)
        warm.leaf.begin()
        pid = warm.setting.wall.fork(warm.leaf.folder)
        if pid == 0:
            ends = Pipes(report_end, printed_end, fed)
            become = warm.errand.run if warm.errand else candidate.become
            become(job, warm.inputs[job.input], rng, warm.setting, ends)
        os.close(report_end)
        os.close(printed_end)
        limits, shared = warm.setting.limits, warm.setting.shared
        memory, start_s = (0, errand.START_S) if warm.errand else (warm.memory, START_S)
        asker, leaf = pair.requests, warm.leaf
        return Watch(pid, report, printed, asker, limits, shared, memory, leaf, start_s).wait()
    finally:
        os.close(report)
        os.close(printed)
        warm.setting.wall.renew(warm.setting.scratch, warm.setting.limits)
        signal.signal(signal.SIGTERM, _leave)
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


def _prepare(request: dict[str, Any], results_fd: int | None) -> Warm:
    """Preload, and compile the harness. Raises: SandboxError naming what cannot be had."""
    limits, folder, device = Limits(**request["limits"]), request["scratch"], request["device"]
    anew = request["level"] in _OURS and limits.file_mb > 0 and device is None
    place = scratch.inner(folder) if anew else folder
    call = loading.load(request)
    _assert_one_thread()
    leaf = cgroups.enter(request["group"])
    level = wall(cast(Level, request["level"]), device, request["hash_seed"])
    scratch.empty(folder)  # torch leaves a cache there
    scratch.empty(place)  # which makes it again
    try:
        level.enclose_warm(place, limits)
    except OSError as error:
        raise SandboxError(f"level {request['level']} cannot be enforced here: {error}") from error
    randomness.replace_entropy()
    sys.dont_write_bytecode = True
    if device is not None and results_fd is None:
        raise SandboxError("files may not be large enough here for results: see `ulimit -f`")
    sent = errand.Errand(request, os.dup(results_fd)) if device and results_fd else None
    shared, seen = _results(results_fd, limits)
    setting = Setting(level, limits, call, place, 0, shared)
    return _settle(Warm(setting, {}, 0, seen, sent, _tried(leaf, level)), {})


def _tried(leaf: cgroups.Nowhere, level: Wall) -> cgroups.Nowhere:
    """Give a control group if children can be born into it; else nowhere, as if there were none."""
    if leaf.folder is None:
        return leaf
    try:
        pid = level.fork(leaf.folder)
    except OSError:
        return cgroups.Nowhere()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return leaf


def _results(fd: int | None, limits: Limits) -> tuple[mmap.mmap, bool]:
    """Give the memory for results, and whether the asking process has it too."""
    if fd is not None:
        with contextlib.suppress(OSError):  # in a container it is no descriptor of ours
            return results.attach(fd), True
    return mmap.mmap(-1, results.frame_bytes(limits)), False


def _settle(warm: Warm, inputs: Mapping[str, Any]) -> Warm:
    """Measure what is held now, and keep the collector from touching it after each fork."""
    gc.collect()
    gc.freeze()
    gc.disable()
    setting = warm.setting._replace(data_bytes=process.data_bytes())
    memory = process.usage(os.getpid()).memory
    return replace(warm, setting=setting, inputs={**warm.inputs, **inputs}, memory=memory)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
