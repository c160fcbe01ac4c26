"""A warm process as seen by the one who started it: spawned, asked, heard out, ended."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sandbox import results, start, stepwise, wire
from sandbox.job import Limits, SandboxError
from sandbox.linux import cgroups, process
from sandbox.walls import Wall

_CLOSE_S = 5.0  # to end by itself when its pipe is closed
_MAX_LAST_WORDS = 4000  # characters


class WarmDied(Exception):
    """The warm process ended by itself, or was ended by someone."""


class Fault(SandboxError):
    """The warm process cannot do what it was asked and says so."""


class Feeding(NamedTuple):
    """What a stepwise job is asked: the feed, and the names of arguments that it may not give."""

    feed: stepwise.Feed
    taken: set[str]


class Reply(NamedTuple):
    """What the warm process says. report: a candidate's own words. fed: None for other requests."""

    facts: dict[str, Any]
    report: memoryview
    fed: stepwise.Fed | None


class WarmProcess:
    """A running warm process, which inherits two pipes, a socket, a memory file and one for its errors only.

    keep: descriptors that it also holds, for as long as it lives. grouped: whether its candidates
        are to be in a control group, where one can be had.
    Raises: SandboxError when it cannot be started.
    """

    def __init__(
        self,
        level: Wall,
        scratch: str,
        limits: Limits,
        keep: Sequence[int] = (),
        grouped: bool = False,
    ) -> None:
        self._limits = limits
        self._group = cgroups.make(limits) if grouped else None
        with contextlib.ExitStack() as undo:
            if self._group:
                undo.callback(self._group.remove)
            try:
                self._hand, theirs = socket.socketpair()  # on it: the pipes of stepwise jobs
                undo.callback(self._hand.close)
                memory = results.make(limits)
                if memory is not None:
                    undo.callback(os.close, memory)
                self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as we do
                undo.callback(self._errors.close)
                handed = theirs.fileno(), *(() if memory is None else (memory,))
                self._mark = tuple(map(str, (os.getpid(), *handed)))
                with theirs:
                    self.popen = subprocess.Popen(
                        level.command(start.command("sandbox.warm", *self._mark), scratch, limits),
                        bufsize=0,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=self._errors,
                        cwd=scratch,
                        env=level.environment(scratch),
                        start_new_session=True,
                        pass_fds=(*handed, *keep),
                    )
            except OSError as error:
                raise SandboxError(f"the warm process does not start: {error}") from error
            undo.pop_all()
        self._results = None if memory is None else results.attach(memory)
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self._requests, self._replies = self.popen.stdin.fileno(), self.popen.stdout.fileno()
        wire.widen(self._requests)
        wire.widen(self._replies)

    @property
    def group(self) -> str | None:
        """Give the folder of its control group."""
        return str(self._group.folder) if self._group else None

    def ask(
        self, frame: Sequence[wire.Buffer], timeout_s: float, feeding: Feeding | None = None
    ) -> Reply:
        """Send a request, feed what it starts, and give the reply with the raw report behind it.

        timeout_s: for the feeding, and for the reply after it.
        Raises: WarmDied; Fault when it answers with one; whatever the feed raises.
        """
        if feeding is None:
            self._send(frame)
            return self._receive(timeout_s)
        with stepwise.Channel(self._limits, self._replies, timeout_s) as channel:
            with self._hearing():
                channel.hand_over(self._hand)
            self._send(frame)
            fed = channel.serve(feeding.feed, feeding.taken)
            reply = self._receive(timeout_s)
            if fed.finished and channel.has_more():
                fed = fed._replace(fault="it answered more often than it was asked")
        return reply._replace(fed=fed)

    def end(self) -> None:
        """Hang up, so that it ends what it runs and itself; kill it if it does not."""
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()
        self._hand.close()
        if self._results is not None:
            self._results.close()
        try:
            self.popen.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.returncode != 0:
            # Killed, it could end nobody. Its forks have its command line: at level landlock, where
            # no pid namespace ends them all, this is how to find those that it did not.
            process.end_all_of(("sandbox.warm", *self._mark))
        if self._group:
            self._group.remove()
        self._errors.close()

    def _send(self, frame: Sequence[wire.Buffer]) -> None:
        with self._hearing():
            wire.write_all(self._requests, frame)

    def _receive(self, timeout_s: float) -> Reply:
        with self._hearing():
            facts = wire.receive(self._replies, timeout_s=timeout_s)
            report = wire.receive_raw(self._replies, facts.get("report", 0), timeout_s)
        if self._results and (size := facts.get("shared", 0)):  # all who could write there are dead
            report = np.frombuffer(self._results, np.uint8, size).copy().data
        if "fault" in facts:
            raise Fault(facts["fault"])
        return Reply(facts, report, None)

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Take a broken pipe for what it says of the process. Raises: WarmDied."""
        try:
            yield
        except (wire.WireError, BrokenPipeError) as error:
            raise WarmDied(f"{error}; {self._last_words()}") from error

    def _last_words(self) -> str:
        """Give the end of what it wrote to standard error."""
        self._errors.seek(0)
        said = self._errors.read()[-_MAX_LAST_WORDS:].decode(errors="replace").strip()
        return said or "it said nothing"
