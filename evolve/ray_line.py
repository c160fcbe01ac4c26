"""A line from the driver to a place of a Ray cluster, beside Ray: questions go and answers come.

Ray finds a place, watches over it and says when it is lost. But a question through Ray passes from
thread to thread twenty times; through a line of its own it passes as through the pipe of a local
slot. Ray introduces the two: each shows a token that it knows from there, and the place, once the
driver is in, listens no more. What crosses is in the checked wire format, and not encrypted.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evolve.errors import WorldError
from evolve.executor import Progress
from evolve.local import receive
from sandbox import wire

TOKEN_BYTES = 32
# Who is there connects at once; whoever does not come within this is asked through Ray.
CONNECT_S = 5.0
# The driver shows its token as soon as it is there; who does not is not waited for.
SHOW_S = 1.0
# On a way that forgets connections on which nothing is said for minutes, while a candidate runs, a line
# is kept up by the kernel; and an end that is gone is known within two minutes.
KEEPALIVE_S, KEEPALIVE_PROBES = 30, 4
# How a place says how far it is, before it answers.
PROGRESS = "progress"
Answer = tuple[str, Any]
"""A kind, and what is said: see `ray_actor.Told`."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LineBroken(WorldError):
    """The other end is gone, or was never there."""


@dataclass(frozen=True)
class Address:
    """Where a place listens; the token that the driver shows there, and the one that it is shown."""

    host: str
    port: int
    shown: bytes
    expected: bytes


class Line:
    """The driver's end. report: told of long work."""

    def __init__(self, streams: Streams, report: Progress | None) -> None:
        self._reader, self._writer = streams
        self._report = report
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, address: Address, report: Progress | None) -> Line:
        """Call a place. Raises: LineBroken if it is not there, or is another."""
        try:
            async with asyncio.timeout(CONNECT_S):
                streams = await asyncio.open_connection(address.host, address.port)
                await _introduce(streams, address)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise LineBroken(f"{address.host} does not answer: {error}") from error
        return cls(streams, report)

    async def ask(self, op: str, arguments: Mapping[str, Any], *, once: bool) -> Answer:
        """Ask, and wait for the answer. once: of the very grader that was asked before.

        A question that is given up is answered all the same, to nobody. Raises: LineBroken.
        """
        if self._listening.done():
            raise LineBroken("the line has ended")
        self._number += 1
        question = {"n": self._number, "op": op, "arguments": dict(arguments), "once": once}
        frame = wire.encode(question)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        self._writer.writelines(frame)
        return await answer

    @property
    def is_busy(self) -> bool:
        """Whether the place has not yet answered all that it was asked."""
        return bool(self._waiting)

    def tell_end(self, tell: Callable[[], None]) -> None:
        """Call `tell` once the line has ended, whoever ended it."""
        self._listening.add_done_callback(lambda _: tell())

    def hang_up(self) -> None:
        """End the line: who waits for an answer gets none, and the place ends its grader."""
        self._listening.cancel()
        self._writer.close()

    async def _listen(self) -> None:
        ended = "the line was ended"
        try:
            while True:
                message = await receive(self._reader)
                if message["kind"] != PROGRESS:
                    answer = self._waiting.pop(message["n"])
                    if not answer.done():
                        answer.set_result((message["kind"], message["value"]))
                elif self._report is not None:
                    self._report(*message["value"])
        except (asyncio.IncompleteReadError, OSError, WorldError) as error:
            ended = f"the line has ended: {error}"
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(LineBroken(ended))


async def _introduce(streams: Streams, address: Address) -> None:
    reader, writer = streams
    try:
        _keep_alive(writer)
        writer.write(address.shown)
        shown = await reader.readexactly(TOKEN_BYTES)
        if not secrets.compare_digest(shown, address.expected):
            raise LineBroken(f"somebody else answers at {address.host}")
    except BaseException:
        writer.close()
        raise


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    end: socket.socket = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    patience_ms = 1000 * KEEPALIVE_S * KEEPALIVE_PROBES
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)


class Entrance:
    """The place's end: lets the driver in, once, and answers it."""

    def __init__(self, host: str) -> None:
        """Listen at an address of this machine. Raises: OSError if it has no such address."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family, backlog=1)
        self._socket.setblocking(False)
        port = self._socket.getsockname()[1]
        tokens = secrets.token_bytes(TOKEN_BYTES), secrets.token_bytes(TOKEN_BYTES)
        self.address = Address(host, port, *tokens)
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, answered: Callable[[str, Any, bool], Awaitable[Answer]]) -> bool:
        """Answer questions, (op, arguments, once), until the driver hangs up; False if it never came."""
        with self._socket:
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, self._writer = await self._let_in()
            except (TimeoutError, OSError):
                return False
        try:
            while True:
                question = await receive(reader)
                kind, value = await answered(
                    question["op"], question["arguments"], question["once"]
                )
                self._tell(question["n"], kind, value)
                await self._writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            return True
        finally:
            self._writer.close()

    def report(self, done: int, total: int, what: str) -> None:
        """Tell the driver, if it is there, how far the work is."""
        if self._writer is not None:
            self._tell(0, PROGRESS, [done, total, what])

    async def _let_in(self) -> Streams:
        """Wait for whoever shows the token; others are sent away."""
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._socket)
            reader, writer = await asyncio.open_connection(sock=connection)
            known = False
            try:
                async with asyncio.timeout(SHOW_S):
                    shown = await reader.readexactly(TOKEN_BYTES)
                if known := secrets.compare_digest(shown, self.address.shown):
                    _keep_alive(writer)
                    writer.write(self.address.expected)
                    return reader, writer
            except (asyncio.IncompleteReadError, OSError, TimeoutError):
                pass  # gone already, or silent: the next one may be the driver
            finally:
                if not known:
                    writer.close()

    def _tell(self, number: int, kind: str, value: Any) -> None:
        assert self._writer is not None
        self._writer.writelines(wire.encode({"n": number, "kind": kind, "value": value}))
