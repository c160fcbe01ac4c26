"""A model service on this machine: speaks three wires, misbehaves on a script, and keeps the bill.

In a test: `with TalkServer(answer, faults) as server: ... server.url, server.heard, server.bill`.
As a process that outlives the runs it serves: `python tests/talk/server.py --answers FILE.json
--faults 0.3`; it prints its URL, and tells its bill at `GET /bill`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib.util
import json
import math
import random
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from dialects import DIALECTS, Json, Said

HOST = "127.0.0.1"
# About as many characters make a token; only so that longer texts cost more.
CHARACTERS_A_TOKEN = 4
# Between two bytes of a slow answer: some seconds for the shortest one.
PACE_S = 0.05
# What nobody waits for.
FOREVER_S = 3600.0
PAGE = b"<!DOCTYPE html><html><body><h1>Sign in to continue</h1></body></html>"

# Troubles that are a status: status, kind of the error, headers, message.
STATUSES: dict[str, tuple[int, str, dict[str, str], str]] = {
    "rate_limited": (429, "rate_limit_error", {}, "too many requests"),
    "rate_limited_seconds": (429, "rate_limit_error", {"retry-after": "2"}, "too many requests"),
    "rate_limited_ms": (429, "rate_limit_error", {"retry-after-ms": "20"}, "too many requests"),
    "rate_limited_date": (429, "rate_limit_error", {"retry-after": "DATE"}, "too many requests"),
    "no_money": (429, "insufficient_quota", {}, "you exceeded your current quota"),
    "broken_500": (500, "api_error", {}, "internal error"),
    "unavailable_503": (503, "api_error", {"retry-after": "3"}, "try again later"),
    "overloaded_529": (529, "overloaded_error", {}, "overloaded"),
    "gateway_504": (504, "timeout_error", {}, "upstream gave no answer"),
    "conflict_409": (409, "api_error", {}, "conflict"),
    "unauthorized_401": (401, "authentication_error", {}, "Incorrect API key provided: KEY"),
    "no_temperature_400": (400, "invalid_request_error", {}, "temperature is not supported"),
}
RETRY_DATE_IN_S = 30
# Whole answers, and billed, that are of no use.
USELESS = ("truncated", "filtered", "refusal", "empty_choices", "blank", "no_end",
           "bad_arguments")  # fmt: skip
# No answer, or not the whole of it.
BROKEN = ("html", "html_502", "bad_json", "wrong_type", "redirect", "error_inside", "cut",
          "cut_politely", "reset", "reset_midway", "slow", "silent")  # fmt: skip
TROUBLES = (*STATUSES, *USELESS, *BROKEN)
# What is drawn at a rate: all that is over at once, and that asking again can mend.
PASSING = ("rate_limited", "rate_limited_ms", "broken_500", "overloaded_529", "truncated", "blank",
           "empty_choices", "html", "bad_json", "wrong_type", "error_inside", "cut",
           "cut_politely", "reset", "reset_midway")  # fmt: skip


@dataclass(frozen=True)
class Heard:
    """A request as it came. digest: of its body; attempt: how many of the same came before."""

    wire: str
    path: str
    headers: dict[str, str]
    body: Json
    digest: str
    attempt: int

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def tokens(self) -> int:
        return 1 + len(json.dumps(self.body)) // CHARACTERS_A_TOKEN


Answer = Callable[[Heard], Said | str]
Faults = Callable[[Heard], str | None]
Latency = Callable[[Heard], float]


@dataclass
class Bill:
    """What was charged: the tokens of answers that were sent whole. troubles: made so far."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    heard: int = 0
    troubles: Counter[str] = field(default_factory=Counter)

    def charge(self, said: Said) -> None:
        self.calls += 1
        for name in ("input", "output", "cached", "written", "reasoning"):
            setattr(self, name, getattr(self, name) + getattr(said, name))


class TalkServer:
    """A service in a thread of its own.

    answer: what to say to a request, in order or by a function of it; text is priced by its length.
    faults: the trouble to make, or None, in the same two ways. latency: seconds before it answers.
    """

    def __init__(
        self,
        answer: Answer | Sequence[Said | str] = ("Hello.",),
        faults: Faults | Sequence[str | None] = (),
        latency: Latency | None = None,
        port: int = 0,
    ) -> None:
        self._answer: Answer = answer if callable(answer) else in_order(answer)
        self._faults: Faults = faults if callable(faults) else in_order([*faults, None])
        self._latency = latency
        self._port = port
        self._seen: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop = asyncio.Event()
        self.heard: list[Heard] = []
        self.bill = Bill()
        # Conversations under way, the most there were at once, and those that clients left.
        self.talking = self.most_talking = self.left = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def __enter__(self) -> TalkServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._converse, HOST, self._port)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after another."""
        try:
            while request := await _read_request(reader):
                await self._reply(*request, Line(reader, writer))
        except (Left, ConnectionError):
            self.left += 1
        except (Hung, asyncio.CancelledError):
            pass  # over, as it was to be
        finally:
            writer.close()

    async def _reply(self, method: str, path: str, headers: dict, body: bytes, line: Line) -> None:
        if (method, path) == ("GET", "/bill"):
            await line.json(200, vars(self.bill) | {"left": self.left})
            return
        wires = {f"{dialect.PATH}": name for name, dialect in DIALECTS.items()}
        if method != "POST" or path not in wires:
            await line.json(404, {"error": {"message": f"no such place: {method} {path}"}})
            return
        heard = self._hear(wires[path], path, headers, json.loads(body))
        self.talking += 1
        self.most_talking = max(self.most_talking, self.talking)
        try:
            if self._latency is not None:
                await line.pause(self._latency(heard))
            said = _priced(self._answer(heard), heard)
            trouble = self._faults(heard)
            self.bill.troubles[trouble or "none"] += 1
            await Exchange(line, heard, said, self.bill).reply(trouble)
        finally:
            self.talking -= 1

    def _hear(self, wire: str, path: str, headers: dict[str, str], body: Json) -> Heard:
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        heard = Heard(wire, path, headers, body, digest, self._seen[digest])
        self._seen[digest] += 1
        self.heard.append(heard)
        self.bill.heard += 1
        return heard


class Exchange:
    """One request and what it gets: an answer, or a trouble."""

    def __init__(self, line: Line, heard: Heard, said: Said, bill: Bill) -> None:
        self._line, self._heard, self._said, self._bill = line, heard, said, bill
        self._dialect = DIALECTS[heard.wire]

    async def reply(self, trouble: str | None) -> None:
        if trouble is None or trouble in USELESS:
            await self._send(self._useless(trouble) if trouble else self._answer())
        elif trouble in STATUSES:
            await self._status(*STATUSES[trouble])
        elif trouble in BROKEN:
            await getattr(self, f"_{trouble}")()
        else:
            raise ValueError(f"no such trouble: {trouble}")

    def _answer(self) -> Json:
        return self._dialect.answer(self._said)

    def _useless(self, trouble: str) -> Json:
        dialect, said = self._dialect, self._said
        match trouble:
            case "truncated":
                return dialect.answer(
                    replace(said, text=said.text[: len(said.text) // 2]), "length"
                )
            case "filtered" | "refusal":
                return dialect.answer(replace(said, text="", calls=()), trouble)
            case "empty_choices":
                return dialect.without_content(dialect.answer(said))
            case "blank":
                return dialect.answer(replace(said, text=" \n", calls=()))
            case "no_end":
                return dialect.without_end(dialect.answer(said))
            case _:
                return dialect.answer(replace(said, calls=(("look", '{"at": '),)))

    async def _send(self, answer: Json) -> None:
        """Send an answer whole, and charge for it before its last bytes."""
        if not self._heard.streamed:
            self._bill.charge(self._said)
            await self._line.json(200, answer)
            return
        *events, last = self._dialect.events(answer)
        await self._line.stream(events)
        self._bill.charge(self._said)
        await self._line.piece(last)
        await self._line.end()

    async def _status(self, status: int, kind: str, headers: dict[str, str], message: str) -> None:
        told = {name: value.replace("DATE", _date()) for name, value in headers.items()}
        key = self._heard.headers.get("x-api-key") or self._heard.headers.get("authorization", "")
        code = kind if status == 429 else None
        error = self._dialect.error(message.replace("KEY", key), kind, code)
        await self._line.json(status, error, **told)

    async def _html(self) -> None:
        await self._line.body(200, PAGE, "text/html; charset=utf-8")

    async def _html_502(self) -> None:
        await self._line.body(502, PAGE, "text/html; charset=utf-8")

    async def _bad_json(self) -> None:
        if not self._heard.streamed:
            await self._line.body(200, b'{"choices": [{"mess', "application/json")
            return
        await self._line.stream([*self._half(), b'data: {"choices": [{"del\n\n'])
        await self._line.end()

    async def _wrong_type(self) -> None:
        await self._line.body(200, json.dumps(self._answer()).encode(), "text/plain")

    async def _redirect(self) -> None:
        await self._line.body(307, b"", "text/plain", location=f"{self._heard.path}?elsewhere")

    async def _error_inside(self) -> None:
        """An error with status 200, or in the middle of a stream."""
        if not self._heard.streamed:
            await self._line.json(200, self._dialect.error("upstream is overloaded", "api_error"))
            return
        await self._line.stream(
            [*self._half(), self._dialect.error_event("upstream is overloaded")]
        )
        await self._line.end()

    async def _cut(self) -> None:
        await self._begin()
        raise Hung

    async def _cut_politely(self) -> None:
        """End in the middle as if that were the end: what HTTP has to say is in order."""
        if self._heard.streamed:
            await self._line.stream(self._half())
            await self._line.end()
        else:
            body = json.dumps(self._answer()).encode()
            await self._line.body(200, body[: len(body) // 2], "application/json")

    async def _reset(self) -> None:
        self._line.reset()

    async def _reset_midway(self) -> None:
        await self._begin()
        await asyncio.sleep(PACE_S)  # so that what was sent is there before the reset
        self._line.reset()

    async def _slow(self) -> None:
        """Send byte by byte, so that something always comes; charged for whoever waits for it."""
        self._line.pace_s = PACE_S
        await self._send(self._answer())

    async def _silent(self) -> None:
        await self._line.pause(FOREVER_S)

    async def _begin(self) -> None:
        """Send half of an answer, as one that goes on."""
        if self._heard.streamed:
            await self._line.stream(self._half())
            return
        body = json.dumps(self._answer()).encode()
        await self._line.head(200, "application/json", **{"content-length": str(len(body))})
        await self._line.send(body[: len(body) // 2])

    def _half(self) -> list[bytes]:
        events = self._dialect.events(self._answer())
        return events[: len(events) // 2]


class Left(Exception):
    """The client has closed the connection."""


class Hung(Exception):
    """The server closes the connection."""


class Line:
    """One side of a connection, as HTTP/1.1. pace_s: between two bytes, 0 for all at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.pace_s = 0.0

    async def json(self, status: int, value: Json, **headers: str) -> None:
        await self.body(status, json.dumps(value).encode(), "application/json", **headers)

    async def body(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        await self.head(status, kind, **{"content-length": str(len(body))}, **headers)
        await self.send(body)

    async def stream(self, events: Sequence[bytes]) -> None:
        await self.head(200, "text/event-stream", **{"transfer-encoding": "chunked"})
        for event in events:
            await self.piece(event)

    async def piece(self, event: bytes) -> None:
        """Send one chunk of a stream. Slow ones come in chunks of a byte."""
        size = 1 if self.pace_s else len(event)
        for start in range(0, len(event), size):
            chunk = event[start : start + size]
            await self.pause(self.pace_s)
            await self._write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    async def end(self) -> None:
        await self._write(b"0\r\n\r\n")

    async def head(self, status: int, kind: str, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"content-type: {kind}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self._write("\r\n".join([*lines, "", ""]).encode())

    async def send(self, body: bytes) -> None:
        size = 1 if self.pace_s else max(1, len(body))
        for start in range(0, len(body), size):
            await self.pause(self.pace_s)
            await self._write(body[start : start + size])

    async def pause(self, seconds: float) -> None:
        """Wait, and notice a client that leaves meanwhile. Raises: Left."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                if not await self._reader.read(1):
                    raise Left
        except TimeoutError:
            return
        raise RuntimeError("the client speaks before it was answered")

    def reset(self) -> None:
        """Break the connection off without a word of farewell."""
        connection = self._writer.get_extra_info("socket")
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()
        raise Hung

    async def _write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise Left
        self._writer.write(data)
        await self._writer.drain()


def in_order(script: Sequence[Any]) -> Callable[[Heard], Any]:
    """Give what a script says, its last word for ever after."""
    rest = list(script)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


def by_digest(texts: Sequence[str]) -> Answer:
    """Answer equal requests equally, whoever asks and how often: with one of these texts."""
    return lambda heard: texts[int(heard.digest[:12], 16) % len(texts)]


def drawn(rate: float, rng_seed: int = 0, kinds: Sequence[str] = PASSING) -> Faults:
    """Make trouble at a rate, by digest and attempt: the same for equal requests in any order."""

    def fault(heard: Heard) -> str | None:
        rng = random.Random(f"{rng_seed}/{heard.digest}/{heard.attempt}")
        return rng.choice(kinds) if rng.random() < rate else None

    return fault


def log_normal(median_s: float, sigma: float, rng_seed: int = 0) -> Latency:
    """Take log-normal times, by digest and attempt."""

    def seconds(heard: Heard) -> float:
        rng = random.Random(f"{rng_seed}/latency/{heard.digest}/{heard.attempt}")
        return rng.lognormvariate(math.log(median_s), sigma)

    return seconds


async def _read_request(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str], bytes] | None:
    """Read a request: method, path, headers in small letters, body. None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    try:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except asyncio.IncompleteReadError:
        return None
    return method, path.partition("?")[0], headers, body


def _priced(said: Said | str, heard: Heard) -> Said:
    if isinstance(said, Said):
        return said
    return Said(said, input=heard.tokens, output=1 + len(said) // CHARACTERS_A_TOKEN)


def _date() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=RETRY_DATE_IN_S), usegmt=True)


def _answers(path: Path | None) -> Answer:
    """Load answers: a JSON list of texts, or a Python file with `answer(heard)`."""
    if path is None:
        return by_digest(["Hello."])
    if path.suffix == ".json":
        return by_digest(json.loads(path.read_text()))
    spec = importlib.util.spec_from_file_location("answers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer: Answer = module.answer
    return answer


def main() -> None:
    """Serve until standard input ends, so that no server outlives who started it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answers", type=Path, help="a JSON list of texts, or FILE.py: answer()")
    parser.add_argument("--faults", type=float, default=0.0, help="how many requests meet trouble")
    parser.add_argument("--kinds", default=",".join(PASSING), help="troubles to draw from")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="median in seconds")
    parser.add_argument("--sigma", type=float, default=0.5, help="of the logarithm of latency")
    said = parser.parse_args()
    latency = log_normal(said.latency, said.sigma, said.rng_seed) if said.latency else None
    faults = drawn(said.faults, said.rng_seed, said.kinds.split(","))
    with TalkServer(_answers(said.answers), faults, latency, said.port) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
