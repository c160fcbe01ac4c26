"""What the wires share: answers as JSON, whole or streamed, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from evolve.messages import Reply, ToolCall, Usage
from evolve.models.refusals import Json, empty, malformed, refuse_error

Shape = TypeVar("Shape", bound=BaseModel)

# The last event of a stream of Chat Completions.
DONE = "[DONE]"
# More than any answer; only so that an endless one cannot fill the memory.
MAX_ANSWER_BYTES = 64 * 2**20
# The share of an answer's tokens up to which a model is told to think so hard.
EFFORTS = ((0.0, "none"), (0.25, "low"), (0.5, "medium"), (1.0, "high"))


async def whole(response: Any) -> Json:
    """Read an answer that is not streamed. Raises: FailedCall if it is no JSON object."""
    _expect(response, "json")
    body = b"".join([piece async for piece in _pieces(response)])
    answer = _object(body)
    refuse_error(answer)
    return answer


async def events(response: Any) -> AsyncIterator[Json | str]:
    """Read a stream of server-sent events: the JSON object of each, or DONE.

    Not by the SDKs, which end a stream that was cut as if it were whole.
    """
    _expect(response, "event-stream")
    data: list[bytes] = []
    async for line in _lines(response):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            body, data = b"\n".join(data), []
            if body.strip() == DONE.encode():
                yield DONE
                continue
            event = _object(body)
            refuse_error(event)
            yield event


def is_stream(response: Any) -> bool:
    """Tell whether an answer is streamed, which some servers do not do though they are asked to."""
    return "event-stream" in response.headers.get("content-type", "")


def shaped(shape: type[Shape], value: object, usage: Usage | None = None) -> Shape:
    """Give the fields that are needed of an answer. Raises: FailedCall, naming the one missing."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        raise malformed(f"not as the protocol says: {place}: {first['msg']}", usage) from None


def shaped_or_none(shape: type[Shape], value: object) -> Shape | None:
    """Give the same of what an answer can do without."""
    try:
        return shape.model_validate(value)
    except ValidationError:
        return None


def tool_call(id: str, name: str, arguments: object, usage: Usage | None) -> ToolCall:
    """Read a tool call. arguments: JSON values, or the text of some; nothing at all for none."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise malformed(f"arguments of the tool {name!r} are no JSON", usage) from None
    if not isinstance(arguments, dict):
        raise malformed(f"arguments of the tool {name!r} are no JSON object", usage)
    return ToolCall(id, name, arguments)


def finished(text: str, calls: list[ToolCall], usage: Usage | None) -> Reply:
    """Make the reply of an answer that came to a clean end. Raises: FailedCall if it is empty."""
    if not text.strip() and not calls:
        raise empty(usage)
    return Reply(text, tuple(calls), usage)


def effort(thinking: int, max_tokens: int) -> str:
    """Say in a word how many of its tokens a model may think with; 0 for none."""
    return next(word for share, word in EFFORTS if thinking <= share * max_tokens)


def _expect(response: Any, kind: str) -> None:
    found = response.headers.get("content-type", "")
    if kind not in found.partition(";")[0]:
        raise malformed(f"the answer is {found.partition(';')[0] or 'of no type'}, not {kind}")


def _object(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise malformed("the answer is no JSON") from None
    if not isinstance(value, dict):
        raise malformed("the answer is no JSON object")
    return value


async def _lines(response: Any) -> AsyncIterator[bytes]:
    """Give the whole lines of a stream. At line ends only: JSON may hold other kinds of breaks."""
    rest = b""
    async for piece in _pieces(response):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")


async def _pieces(response: Any) -> AsyncIterator[bytes]:
    size = 0
    async for piece in response.iter_bytes():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise malformed(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        yield piece
