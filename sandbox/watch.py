"""The watch over one candidate: ends it at the first limit it breaks, and judges its end.

Runs in the warm process, from outside the candidate: clocks, memory and tasks come from the
kernel, and so does the exit. Nothing that the candidate says can make its end look better.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import resource
import select
import signal
import time
from typing import NamedTuple

from sandbox import wire
from sandbox.candidate import FILE, FINISHED, STARTED, Started
from sandbox.job import KB, MB, Limits, SandboxError, Status
from sandbox.linux import process
from sandbox.linux.cgroups import Nowhere

_LOOK_S = 0.010  # between two looks at clocks, memory and tasks
START_S = 30.0  # a fork that has not reached the candidate's code by then is a broken world
_READ_BYTES = 1 << 20
_ORPHAN_S = 0.0005  # between two attempts to reap what was killed
_FAULT = b"Fatal Python error: "  # what faulthandler writes first
_FAULT_LINE = re.compile(rf'File "{re.escape(FILE)}", line (\d+) in (.*)')
_FAULT_LINES, _DIGITS, _NAME = 5, 9, 100  # how many, and characters of each: anyone may write them
_KILLED = (
    "killed by SIGKILL from outside: by itself, another process, or the system when memory ran out"
)


class ParentGone(Exception):
    """The process that asked for the job is gone; the candidate has been ended."""


class Breach(NamedTuple):
    """A limit that was broken: its field of Limits, the figure and the bound in its unit."""

    limit: str
    figure: float
    bound: float

    @property
    def status(self) -> Status:
        return "timeout" if self.limit in ("wall_s", "cpu_s") else "over_limit"

    @property
    def reason(self) -> str:
        unit = {"s": " s", "mb": " MB", "kb": " KB"}.get(self.limit.rpartition("_")[2], "")
        return f"{self.limit}: {self.figure:.4g}{unit} used, bound {self.bound:g}{unit}"


class Ended(NamedTuple):
    """How a candidate ended. report: its frame, unread and believed by nobody.

    verdict: status and reason when it is not for the report to say; None after a clean exit.
    """

    verdict: tuple[Status, str] | None
    report: memoryview
    stdout: bytes
    wall_s: float
    cpu_s: float
    max_rss_bytes: int


class Watch:
    """Watches one child.

    pid: of the child, not reaped by anyone else. report, printed: reading ends of its pipes.
    asker: descriptor whose hang-up means that nobody waits any more. shared: memory in which the
    child leaves its result. base_memory: bytes that the child is not charged. leaf: the control
    group that it was born into, counting since before. start_s: how long it may take to reach the
    candidate's code.
    """

    def __init__(
        self,
        pid: int,
        report: int,
        printed: int,
        asker: int,
        limits: Limits,
        shared: mmap.mmap,
        base_memory: int,
        leaf: Nowhere,
        start_s: float = START_S,
    ) -> None:
        self._pid = pid
        self._limits = limits
        self._base = base_memory
        self._leaf = leaf
        self._asker = asker
        self._shared = shared
        self._seen: dict[int, float] = {}  # CPU seconds by process id
        self._report = _Stream(report, STARTED.size + FINISHED.size)
        self._printed = _Stream(printed, limits.output_kb * KB)
        self._forked = time.monotonic()
        self._start_s = start_s
        self._started: Started | None = None

    def wait(self) -> Ended:
        """Wait for the end of the child and all it left; give how it ended.

        Raises: ParentGone; SandboxError when the child broke before the candidate's code.
        """
        pidfd = os.pidfd_open(self._pid)
        try:
            breach = self._until_end(pidfd)
        except BaseException:
            self._end()
            raise
        finally:
            os.close(pidfd)
        return self._judge(breach)

    def _until_end(self, pidfd: int) -> Breach | None:
        """Read and look until the child has exited or broken a limit."""
        streams = {stream.fd: stream for stream in (self._report, self._printed)}
        poll = select.poll()
        for fd in (pidfd, *streams):
            poll.register(fd, select.POLLIN)
        poll.register(self._asker, 0)  # hang-ups only: the next request waits for its turn
        next_look = self._forked + _LOOK_S
        while True:
            if signal.SIGTERM in signal.sigpending():
                raise ParentGone
            for fd, _ in poll.poll(self._patience(next_look)):
                if fd == self._asker:
                    raise ParentGone
                if fd == pidfd:
                    return None
                stream = streams[fd]
                if not stream.read() or (stream is self._report and stream.size > stream.bound):
                    poll.unregister(fd)  # at its end, or no report: what follows is not read
            if breach := self._flood():
                return breach
            if time.monotonic() >= next_look:
                if breach := self._look():
                    return breach
                next_look = time.monotonic() + _LOOK_S

    def _patience(self, next_look: float) -> float:
        """Give milliseconds until something must be looked at."""
        start = self._start()
        until = min(next_look, start.clock + self._limits.wall_s) if start else next_look
        return max(0.0, until - time.monotonic()) * 1000

    def _start(self) -> Started | None:
        """Give what was true when the candidate's code started; None before."""
        if self._started is None and self._report.size >= STARTED.size:
            self._started = Started(*STARTED.unpack(self._report.bytes()[: STARTED.size]))
        return self._started

    def _flood(self) -> Breach | None:
        limits = self._limits
        if self._printed.size > self._printed.bound:
            return Breach("output_kb", self._printed.size / KB, limits.output_kb)
        return None

    def _look(self) -> Breach | None:
        limits, start = self._limits, self._start()
        if start is None:
            if time.monotonic() > self._forked + self._start_s:
                raise SandboxError(f"a forked child did not start within {self._start_s:g} s")
            return None
        wall = time.monotonic() - start.clock
        if wall > limits.wall_s:
            return Breach("wall_s", wall, limits.wall_s)
        family = process.descendants(os.getpid())  # we adopt what leaves its own parent
        cpu = max(self._cpu(family), self._leaf.cpu_s()) - start.cpu_s
        if cpu > limits.cpu_s:
            return Breach("cpu_s", cpu, limits.cpu_s)
        used = [process.usage(pid) for pid in family]
        memory = sum(max(0, each.memory - self._base - start.memory) for each in used)
        if memory > limits.memory_mb * MB:
            return Breach("memory_mb", memory / MB, limits.memory_mb)
        tasks = sum(each.threads for each in used) - start.tasks
        if tasks > limits.tasks:
            return Breach("tasks", tasks, limits.tasks)
        return None

    def _cpu(self, family: list[int]) -> float:
        """Give the CPU seconds of all that there is or was, as far as it was seen or waited for."""
        now = {pid: process.cpu_seconds(pid) for pid in family}
        if self._limits.tasks == 1:
            return sum(now.values())
        for pid, seconds in now.items():
            self._seen[pid] = max(seconds, self._seen.get(pid, 0.0))
        reaped = sum(map(process.reaped_cpu_seconds, family))
        return max(sum(self._seen.values()), sum(now.values()) + reaped)

    def _judge(self, breach: Breach | None) -> Ended:
        now = time.monotonic()
        code, usage, orphans = self._end(killed=breach is not None)
        self._report.drain()
        self._printed.drain()
        start = self._start()
        if start is None and code == -signal.SIGKILL:
            return Ended(("over_limit", _KILLED), memoryview(b""), b"", 0.0, 0.0, 0)
        if start is None:
            said = self._printed.bytes().decode(errors="replace").strip()
            raise SandboxError(f"a forked child broke before the candidate ({code}): {said}")
        used = max(usage.ru_utime + usage.ru_stime, self._leaf.cpu_s())
        cpu = max(0.0, used - start.cpu_s)
        if breach is None and code == -signal.SIGKILL and self._leaf.ran_out():
            breach = Breach("memory_mb", self._leaf.memory_bytes / MB, self._limits.memory_mb)
        if breach is None and cpu > self._limits.cpu_s:
            breach = Breach("cpu_s", cpu, self._limits.cpu_s)
        if breach is None and orphans and 1 + orphans > self._limits.tasks:
            breach = Breach("tasks", 1 + orphans, self._limits.tasks)
        breach = breach or self._flood()
        return Ended(
            verdict=(breach.status, breach.reason) if breach else self._exit(code, cpu),
            report=self._frame()[: 0 if breach else None],
            stdout=self._before_fault(code),
            wall_s=max(0.0, now - start.clock),
            cpu_s=cpu,
            max_rss_bytes=usage.ru_maxrss * KB,
        )

    def _end(self, killed: bool = True) -> tuple[int, resource.struct_rusage, int]:
        """Kill and reap the child and all it left; give exit code, usage, orphans found alive."""
        if killed:
            self._leaf.freeze()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.kill(self._pid, signal.SIGKILL)  # it may not have its own group yet
        _, status, usage = os.wait4(self._pid, 0)
        return os.waitstatus_to_exitcode(status), usage, _end_orphans(self._leaf)

    def _exit(self, code: int, cpu_s: float) -> tuple[Status, str] | None:
        """Judge an exit that was the candidate's own doing; None when its report may speak."""
        if code == -signal.SIGXCPU:
            return "timeout", Breach("cpu_s", cpu_s, self._limits.cpu_s).reason
        if code == -signal.SIGXFSZ:
            bound = self._limits.file_mb
            return "over_limit", f"file_mb: more than {bound} MB refused, bound {bound} MB"
        if code == -signal.SIGKILL:  # not ours; the machine may be to blame, so it is no verdict
            return "over_limit", _KILLED
        if code < 0:
            where = _fault_lines(self._printed.bytes())
            return "crashed", "\n".join([f"killed by {_signal_name(-code)}", *where])
        if code != 0:
            return "crashed", f"exited with status {code} before it returned"
        if wire.frame_bytes(self._frame()[: wire.PREFIX_BYTES]) != len(self._frame()):
            return "crashed", "exited with status 0 before it returned, without a whole result"
        return None

    def _before_fault(self, code: int) -> bytes:
        """Give what the candidate printed, without what the interpreter wrote when it was killed."""
        printed = self._printed.bytes()[: self._printed.bound]
        return printed.partition(_FAULT)[0] if code < 0 else printed

    def _frame(self) -> memoryview:
        """Give what the child left as its result; nothing when it did not say how long it is."""
        said = self._report.bytes()[STARTED.size :]
        size = FINISHED.unpack(said)[0] if len(said) == FINISHED.size else 0
        return memoryview(self._shared)[: size if size <= len(self._shared) else 0]


class _Stream:
    """What came out of a pipe so far; one read beyond `bound` bytes at most is kept."""

    def __init__(self, fd: int, bound: int) -> None:
        self.fd = fd
        self.bound = bound
        self.size = 0
        self._chunks: list[bytes] = []

    def read(self) -> bool:
        """Take one read; False at the end of the pipe."""
        chunk = os.read(self.fd, _READ_BYTES)
        self.size += len(chunk)
        self._chunks.append(chunk)
        return bool(chunk)

    def drain(self) -> None:
        """Take what is still in the pipe, up to the bound."""
        os.set_blocking(self.fd, False)  # a stranger may have been given the writing end
        with contextlib.suppress(BlockingIOError):
            while self.size <= self.bound and self.read():
                pass

    def bytes(self) -> bytes:
        self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]


def _end_orphans(leaf: Nowhere) -> int:
    """Kill and reap whatever became ours when its parent ended; give how many were alive."""
    alive: set[int] = set()
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return len(alive)
        leaf.freeze()  # else one could fork faster than it is killed
        for pid in process.descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                alive.add(pid)
        time.sleep(_ORPHAN_S)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _fault_lines(printed: bytes) -> list[str]:
    """Give the candidate's innermost lines from what the interpreter wrote when it was killed."""
    return [
        f"  line {line[:_DIGITS]}, in {name[:_NAME]}"
        for line, name in _FAULT_LINE.findall(printed.partition(_FAULT)[2].decode(errors="replace"))
    ][:_FAULT_LINES]
