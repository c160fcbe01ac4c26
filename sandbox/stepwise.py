"""The stepwise channel: a candidate is given one item at a time and answers before the next one.

What is still to come stays in the process that opened the sandbox: the warm process, whose memory
every candidate shares, never holds it. Each job has two pipes of its own, made by the trusted side
and handed over on a socket (man 7 unix, SCM_RIGHTS), so that nothing one candidate wrote can reach
another job. Items and answers are frames of the wire; a closed pipe of items says that there are
no more.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

from sandbox import wire
from sandbox.job import MB, Limits

Items = Generator[dict[str, Any], Any, Any]
"""Yields the arguments of the next call, is sent its answer, and returns the value of the job."""

Feed = Callable[[], Items]
"""Starts the items of one job; called again when the warm process died over it."""

_AT_ONCE = 1 << 16  # bytes that one read asks for: what a pipe holds
_TAG = b"f"  # descriptors cannot travel without a byte


class Ends(NamedTuple):
    """The candidate's ends of a channel: descriptors that it reads and writes."""

    items: int
    answers: int


class Fed(NamedTuple):
    """What came of feeding a candidate.

    finished: whether the feed came to its end; value: what it returned then.
    fault: what was wrong with an answer; empty when nothing was, or the candidate ended.
    """

    finished: bool
    value: Any
    fault: str


class _Over(Exception):
    """The candidate has ended or hung up, or gave an answer that is none: then it says why."""


class Channel:
    """The trusted end of the channel of one job. Use it in a `with`.

    Laws: no answer is waited for beyond the end of the job; no length that a candidate declares is
    believed beyond its limits; nothing is sent before the last answer was read.
    """

    def __init__(self, limits: Limits, replies: int, timeout_s: float) -> None:
        """Make the pipes. replies: descriptor that can be read once the job has ended."""
        self._max_bytes = limits.result_mb * MB
        self._replies = replies
        self._deadline = time.monotonic() + timeout_s
        read_items, write_items = os.pipe()
        read_answers, write_answers = os.pipe()
        self._theirs = [_End(read_items), _End(write_answers)]
        self._items, self._answers = _End(write_items), _End(read_answers)
        self._writable = _poll(write_items, select.POLLOUT, replies)
        self._readable = _poll(read_answers, select.POLLIN, replies)

    def hand_over(self, hand: socket.socket) -> None:
        """Send the candidate's ends to the warm process. Raises: OSError when it is gone."""
        socket.send_fds(hand, [_TAG], [end.fd for end in self._theirs])
        for end in self._theirs:
            end.close()

    def serve(self, feed: Feed, taken: set[str]) -> Fed:
        """Feed the candidate until the feed ends or the candidate does.

        taken: names of arguments that no item may give.
        Raises: whatever the feed raises; an item that cannot be sent is thrown into it as a
        TypeError, where it was yielded.
        """
        items = feed()
        try:
            frame = _framed(items, next(items), taken)
            while True:
                answer = self._ask(frame)
                frame = _framed(items, items.send(answer), taken)
        except StopIteration as end:
            self._items.close()
            return Fed(True, end.value, "")
        except _Over as over:
            self.close()  # a candidate that still writes is stopped by it
            return Fed(False, None, str(over))
        finally:
            items.close()

    def has_more(self) -> bool:
        """Tell whether an ended candidate has answered more often than it was asked."""
        try:
            return bool(os.read(self._answers.fd, 1))
        except BlockingIOError:  # a stranger may have been given the writing end
            return False

    def close(self) -> None:
        """Hang up. Closing twice is fine."""
        for end in (*self._theirs, self._items, self._answers):
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, frame: bytes) -> Any:
        """Send an item and give its answer. Raises: _Over."""
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[os.write(self._items.fd, rest) :]
            except BlockingIOError:
                self._wait(self._writable)
            except BrokenPipeError:
                raise _Over from None
        try:
            return _take(self._read, self._max_bytes, wire.MAX_HEADER)
        except wire.WireClosed:
            raise _Over from None
        except wire.WireError as error:
            raise _Over(f"an answer is no frame of the wire: {error}") from None

    def _read(self) -> bytes:
        self._wait(self._readable)
        return os.read(self._answers.fd, _AT_ONCE)

    def _wait(self, poll: select.poll) -> None:
        """Wait until the candidate has moved. Raises: _Over when the job has ended, or is silent."""
        ready = poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000)
        if not ready or (len(ready) == 1 and ready[0][0] == self._replies):
            raise _Over


class _End:
    """One end of a pipe, which may be closed twice."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def receive_ends(hand: socket.socket) -> Ends:
    """Take the candidate's ends that were handed over. Raises: OSError when they cannot come."""
    _, descriptors, _, _ = socket.recv_fds(hand, len(_TAG), len(Ends._fields))
    if len(descriptors) != len(Ends._fields):
        raise OSError(errno.EMFILE, "no descriptors are left for a stepwise channel")
    return Ends(*descriptors)


def items(fd: int) -> Iterator[Mapping[str, Any]]:
    """Give each item as it comes, in the candidate, until there are no more."""
    while True:
        try:
            yield _take(lambda: os.read(fd, _AT_ONCE), None, wire.MAX_TRUSTED_HEADER)
        except wire.WireClosed:
            return


def answer(fd: int, value: Any, limits: Limits) -> None:
    """Send an answer, from the candidate. Raises: wire.WireError when it cannot cross."""
    # joined, since each write would wake the reader
    wire.write_all(fd, [b"".join(wire.encode(value, limits.result_mb * MB, wire.MAX_HEADER))])


def _poll(ours: int, event: int, replies: int) -> select.poll:
    """Watch our end of a pipe, and whether the job has ended."""
    os.set_blocking(ours, False)
    poll = select.poll()
    poll.register(ours, event)
    poll.register(replies, select.POLLIN)
    return poll


def _framed(feed: Items, item: Any, taken: set[str]) -> bytes:
    """Write an item as one frame, or throw into the feed why it is none."""
    try:
        if type(item) is not dict:
            raise wire.WireError("it is no dict of arguments")
        if not taken.isdisjoint(item):
            raise wire.WireError(f"{sorted(taken.intersection(item))[0]!r} is given already")
        return b"".join(wire.encode(item))
    except wire.WireError as error:
        _refuse(feed, f"an item cannot be given to the candidate: {error}")


def _refuse(feed: Items, reason: str) -> NoReturn:
    fault = TypeError(reason)
    feed.throw(fault)
    raise fault  # it was caught there, and something else was yielded


def _take(read: Callable[[], bytes], max_bytes: int | None, max_header: int) -> Any:
    """Read the one frame that may be there; arrays are writable.

    Raises: WireClosed when the pipe ends before the frame does, TooLarge, WireError.
    """
    frame = bytearray()
    while len(frame) < wire.PREFIX_BYTES:
        frame += _some(read)
    size = wire.frame_size(memoryview(frame)[: wire.PREFIX_BYTES], max_bytes, max_header)
    while len(frame) < size:
        frame += _some(read)
    return wire.decode(frame, max_bytes, max_header)


def _some(read: Callable[[], bytes]) -> bytes:
    found = read()
    if not found:
        raise wire.WireClosed("the pipe was closed")
    return found
