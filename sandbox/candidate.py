"""The forked child: becomes the candidate, calls it once, and reports what it gave.

Nothing here is trusted once the candidate's source runs: it can replace any of it. So it reports
only what the candidate may say of itself; limits and exits are judged by `sandbox.watch`.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import linecache
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from sandbox import randomness, stepwise, wire
from sandbox.job import KB, MB, Job, Limits
from sandbox.linux import process
from sandbox.walls import Wall

FILE = "<candidate>"  # name of the candidate in tracebacks
HARNESS_FILE = "<harness>"
STARTED = struct.Struct("<ddQQ")  # first bytes of a report: the fields of Started
FINISHED = struct.Struct("<Q")  # and its last: bytes of the frame that lies in the shared memory
BROKE = 1  # exit status of a child that could not report

# The only descriptors above standard error, two of them for stepwise jobs alone. In the warm
# process these numbers are taken for good, so that no pipe of a job has one of them.
_REPORT, _ITEMS, _ANSWERS = 3, 4, 5
_MADV_POPULATE_WRITE = 23  # all pages at once, Linux 5.14
_POPULATED = 1 << 16  # bytes from which on that is worth a call
_MAX_MESSAGE = 2000  # characters of an exception's message that are kept
_MAX_FRAMES = 5  # innermost lines of the candidate that a reason shows

Call = Callable[[Any, Mapping[str, Any], np.random.Generator], Any]


class Started(NamedTuple):
    """What was true when the candidate's code began: our own words, written before it.

    clock: monotonic. cpu_s: seconds used so far. memory, tasks: bytes and threads of which the
    warm process does not know, and that are not charged; there are some where a driver works.
    """

    clock: float
    cpu_s: float
    memory: int
    tasks: int


class Pipes(NamedTuple):
    """Writing ends that the child gets: its report, and what it prints.

    fed: its ends of a stepwise channel; None for an ordinary job.
    """

    report: int
    printed: int
    fed: stepwise.Ends | None


class Setting(NamedTuple):
    """What is the same for all candidates of a warm process.

    data_bytes: its share of the limit on memory. shared: memory that it sees too, for results.
    """

    wall: Wall
    limits: Limits
    call: Call | None
    scratch: str
    data_bytes: int
    shared: mmap.mmap


def become(
    job: Job,
    public: Mapping[str, Any],
    rng: np.random.Generator,
    setting: Setting,
    pipes: Pipes,
) -> NoReturn:
    """Turn this fresh fork into the candidate, report, and exit, whatever happens on the way.

    rng: the candidate's own, started for this job as all others are.
    """
    leave = os._exit  # our own, whatever the candidate puts in its place
    try:
        _prepare(job, setting, pipes)
        perform(job, public, rng, setting, pipes.fed is not None)
        leave(0)
    finally:
        leave(BROKE)  # never back into the frames of the warm process that we were forked from


def perform(
    job: Job, public: Mapping[str, Any], rng: np.random.Generator, setting: Setting, fed: bool
) -> None:
    """Run the candidate, and report what it gave."""
    kind, reason, value = _run(job, public, setting, rng, fed)
    _flush()
    _report(_frame(kind, reason, value, setting.limits), setting.shared)


def _prepare(job: Job, setting: Setting, pipes: Pipes) -> None:
    """Do all that comes before the candidate's own code; start its clocks."""
    try:
        leave_family(setting, pipes)
        randomness.start_forked(job.rng_seed)
        highest, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # of what may be open until now
        setting.wall.enclose_candidate(setting.limits, setting.data_bytes, time.process_time())
        last = _REPORT if pipes.fed is None else _ANSWERS
        os.closerange(last + 1, highest)
        start_clocks()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise


def leave_family(setting: Setting, pipes: Pipes) -> None:
    """Keep nothing of the warm process but its memory: no session, signals, pipes, folder."""
    parent = os.getppid()
    os.setsid()  # where the scheduler groups by session, it also gets its fair share of the cores
    process.end_with_parent(parent, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # its own: what is set on it, others would find
    os.dup2(pipes.printed, 1)
    os.dup2(pipes.printed, 2)
    os.dup2(pipes.report, _REPORT, inheritable=False)
    if pipes.fed is not None:
        os.dup2(pipes.fed.items, _ITEMS, inheritable=False)
        os.dup2(pipes.fed.answers, _ANSWERS, inheritable=False)
    os.chdir(setting.scratch)
    gc.enable()


def start_clocks(memory: int = 0, tasks: int = 0) -> None:
    """Tell the watch that the candidate's code comes next. memory, tasks: as in Started."""
    os.write(_REPORT, STARTED.pack(time.monotonic(), time.process_time(), memory, tasks))


def descriptors(fed: bool) -> tuple[int, ...]:
    """Give the numbers of a candidate's own descriptors, above standard error."""
    return (_REPORT, _ITEMS, _ANSWERS) if fed else (_REPORT,)


def _run(
    job: Job, public: Mapping[str, Any], setting: Setting, rng: np.random.Generator, fed: bool
) -> tuple[str, str, Any]:
    """Give kind ("ok", "invalid", "crashed", "over_limit"), reason and value."""
    linecache.cache[FILE] = len(job.source), None, job.source.splitlines(keepends=True), FILE
    module = ModuleType("candidate")
    module.__file__ = FILE
    sys.modules["candidate"] = module
    try:
        exec(compile(job.source, FILE, "exec"), module.__dict__)
    except Exception as error:  # noqa: BLE001 - whatever the candidate raises
        return _failure(error, "invalid", setting)
    except BaseException as error:  # noqa: BLE001 - SystemExit and the like: it ended itself
        return _failure(error, "crashed", setting)
    entry = module.__dict__.get(job.entry)
    if not callable(entry):
        what = "is not callable" if entry is not None else "is not defined"
        return "invalid", f"{job.entry} {what}: the program must define it as a function", None
    kind, reason, value = _call(entry, job, public, setting, rng, fed)
    if job.observe is not None:
        value = module.__dict__.get(job.observe)
    return kind, reason, value


def _call(
    entry: Any,
    job: Job,
    public: Mapping[str, Any],
    setting: Setting,
    rng: np.random.Generator,
    fed: bool,
) -> tuple[str, str, Any]:
    try:
        given = {**public, "rng": rng} if job.pass_rng else public
        if fed:
            driven = setting.call(entry, public, rng) if setting.call else partial(entry, **given)
            return _answer_all(driven, setting.limits)
        if setting.call is not None:
            return "ok", "", setting.call(entry, public, rng)
        return "ok", "", entry(**given)
    except BaseException as error:  # noqa: BLE001 - whatever the candidate raises
        return _failure(error, "crashed", setting)


def _answer_all(answer: Callable[..., Any], limits: Limits) -> tuple[str, str, Any]:
    """Answer items until there are no more; what comes of it, the other side knows."""
    for item in stepwise.items(_ITEMS):
        value = answer(**item)
        try:
            stepwise.answer(_ANSWERS, value, limits)
        except wire.WireError as error:
            return *_refusal(error, "an answer"), None
    return "ok", "", None


def _failure(error: BaseException, kind: str, setting: Setting) -> tuple[str, str, None]:
    """Say what happened; out of memory and too large a file are limits, not crashes."""
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    ):
        _raise_memory_limit()
        kind = "over_limit"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KB
        bound = setting.limits.memory_mb
        message = (
            f"memory_mb: more refused, bound {bound} MB; {peak:.4g} MB resident at most, what it "
            f"shares with the warm process included ({_message(error)})"
        )
    elif isinstance(error, OSError) and error.errno in (errno.EFBIG, errno.ENOSPC):
        kind = "over_limit"
        bound = setting.limits.file_mb
        message = f"file_mb: more than {bound} MB refused, bound {bound} MB"
    elif _is_no_device_memory(error):
        kind = "over_limit"
        message = f"device_memory: more than its share refused ({_message(error)})"
    elif _is_no_task(error):
        kind = "over_limit"
        bound = setting.limits.tasks
        message = f"tasks: one more than {bound} refused, bound {bound} ({_message(error)})"
    else:
        message = _message(error)
    return kind, "\n".join([message, *_lines(error)]), None


def _is_no_task(error: BaseException) -> bool:
    """Tell whether a thread or a process was refused."""
    if isinstance(error, BlockingIOError):
        return error.errno == errno.EAGAIN and error.filename is None
    return isinstance(error, RuntimeError) and error.args == ("can't start new thread",)


def _is_no_device_memory(error: BaseException) -> bool:
    """Tell whether torch was refused memory on a device."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _raise_memory_limit() -> None:
    """Use what the hard limit leaves for reporting."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _message(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg} (line {error.lineno})"
    try:
        text = str(error)[:_MAX_MESSAGE]
    except Exception:  # noqa: BLE001 - its __str__ is the candidate's own code
        return name
    return f"{name}: {text}" if text else name


def _lines(error: BaseException) -> list[str]:
    """Give the innermost lines of the candidate; of the harness where there are none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == FILE] or [
        f for f in frames if f.filename == HARNESS_FILE
    ]
    shown = [f"  line {f.lineno}, in {f.name}: {f.line}" for f in own[-_MAX_FRAMES:]]
    return ["  ...", *shown] if len(own) > _MAX_FRAMES else shown


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001 - the candidate closed or replaced it
            continue


def _report(frame: list[wire.Buffer], shared: mmap.mmap) -> None:
    """Put a frame where the watch can read it, and say how long it is."""
    size = sum(map(len, frame))
    if size > _POPULATED:
        with contextlib.suppress(OSError):  # only faster
            shared.madvise(_MADV_POPULATE_WRITE, 0, size)
    end = 0
    for buffer in frame:
        start, end = end, end + len(buffer)
        shared[start:end] = buffer
    os.write(_REPORT, FINISHED.pack(end))


def _frame(kind: str, reason: str, value: Any, limits: Limits) -> list[wire.Buffer]:
    reason = reason.encode(errors="backslashreplace").decode()
    try:
        report = {"kind": kind, "reason": reason, "value": value}
        return wire.encode(report, limits.result_mb * MB, wire.MAX_HEADER)
    except wire.WireError as error:
        kind, reason = _refusal(error, "the result")
    except MemoryError:
        _raise_memory_limit()
        kind, reason = "over_limit", "memory_mb: no memory was left to send the result"
    return wire.encode({"kind": kind, "reason": reason, "value": None})


def _refusal(error: wire.WireError, what: str) -> tuple[str, str]:
    """Give kind and reason of a value that was not sent."""
    if isinstance(error, wire.TooLarge):
        return "over_limit", f"result_mb: {error}"
    return "invalid", f"{what} cannot cross the wall: {error}"
