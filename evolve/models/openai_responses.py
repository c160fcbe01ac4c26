"""The Responses API: the wire on which OpenAI offers its newest models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic import BaseModel, Field, NonNegativeInt

from evolve.messages import Message, Reply, Request, ToolCall, Usage
from evolve.models import wire
from evolve.models.attempt import Scrub, SdkModel
from evolve.models.openai_chat import OPENAI_URL
from evolve.models.refusals import Json, cut, filtered, malformed, refuse_error, truncated

# The API takes no fewer.
MIN_OUTPUT_TOKENS = 16
# What ends a stream; each carries the whole answer.
ENDS = ("response.completed", "response.incomplete", "response.failed")
ERROR = "error"


class OpenAIResponses(SdkModel):
    """A model behind the Responses API; nothing of a conversation is kept there.

    model: as the service calls it; name: as written on the command line. url: where the service
    is, None for OpenAI's. key: None for a server that asks for none.
    """

    CLIENT = "AsyncOpenAI"

    def __init__(
        self,
        model: str,
        *,
        name: str,
        key: str | None = None,
        url: str | None = None,
        stream: bool = False,
        scrub: Scrub = str,
    ) -> None:
        import openai  # a second: only where it is used

        super().__init__(
            openai, model, name=name, key=key, url=url or OPENAI_URL, stream=stream, scrub=scrub
        )

    def _create(self, client: Any) -> Any:
        return client.responses.with_streaming_response.create

    def _body(self, request: Request) -> Json:
        asked: Json = {
            "model": self._model,
            "input": items(request.messages),
            "max_output_tokens": max(MIN_OUTPUT_TOKENS, request.max_tokens),
            "store": False,
        }
        if request.temperature is not None:
            asked["temperature"] = request.temperature
        if request.thinking is not None:
            asked["reasoning"] = {"effort": wire.effort(request.thinking, request.max_tokens)}
        if request.tools:
            asked["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                    "strict": False,
                }
                for tool in request.tools
            ]
        if self._stream:
            asked["stream"] = True
        return asked

    async def _gather(self, events: AsyncIterator[Json | str]) -> Json:
        return await last(events)

    def _read(self, answer: Json) -> Reply:
        return read(answer)


def items(messages: Sequence[Message]) -> list[Json]:
    """Write messages as input items: texts of one role that follow each other become one."""
    written: list[Json] = []
    for message in messages:
        if message.role == "tool":
            output = {"call_id": message.answers or "", "output": message.text}
            written.append({"type": "function_call_output", **output})
            continue
        if message.text:
            kind = "input_text" if message.role == "user" else "output_text"
            part = {"type": kind, "text": message.text}
            if written and written[-1].get("role") == message.role:
                written[-1]["content"].append(part)
            else:
                written.append({"role": message.role, "content": [part]})
        written += [
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": json.dumps(dict(call.arguments)),
            }
            for call in message.calls
        ]
    return written


class _Part(BaseModel):
    type: str
    text: str = ""
    refusal: str = ""


class _Item(BaseModel):
    type: str
    content: list[_Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str | Json = ""


class _Why(BaseModel):
    reason: str | None = None


class _Answer(BaseModel):
    status: str
    incomplete_details: _Why | None = None
    output: list[_Item] = Field(default_factory=list)


class _InputDetails(BaseModel):
    cached_tokens: NonNegativeInt | None = None
    cache_write_tokens: NonNegativeInt | None = None


class _OutputDetails(BaseModel):
    reasoning_tokens: NonNegativeInt | None = None


class _Usage(BaseModel):
    input_tokens: NonNegativeInt
    output_tokens: NonNegativeInt
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def read(answer: Json) -> Reply:
    """Read a whole answer. Raises: FailedCall for every end but a clean one."""
    usage = read_usage(answer.get("usage"))
    told = wire.shaped(_Answer, answer, usage)
    if told.status == "incomplete":
        _refuse_incomplete(told.incomplete_details or _Why(), usage)
    if told.status != "completed":
        raise malformed(f"status {told.status!r}", usage)
    messages = [item for item in told.output if item.type == "message"]
    parts = [part for item in messages for part in item.content or ()]
    refusal = "".join(part.refusal for part in parts if part.type == "refusal")
    if refusal:
        raise filtered(usage, refusal)
    calls = [_read_call(item, usage) for item in told.output if item.type == "function_call"]
    text = "".join(part.text for part in parts if part.type == "output_text")
    return wire.finished(text, calls, usage)


def read_usage(value: object) -> Usage | None:
    """Read the tokens of an answer; None where they are not told, or not to be understood."""
    told = wire.shaped_or_none(_Usage, value)
    if told is None:
        return None
    inputs = told.input_tokens_details or _InputDetails()
    outputs = told.output_tokens_details or _OutputDetails()
    return Usage(
        told.input_tokens,
        told.output_tokens,
        inputs.cached_tokens or 0,
        inputs.cache_write_tokens or 0,
        outputs.reasoning_tokens or 0,
    )


def _refuse_incomplete(why: _Why, usage: Usage | None) -> None:
    if why.reason == "max_output_tokens":
        raise truncated(usage)
    if why.reason == "content_filter":
        raise filtered(usage)
    raise malformed(f"incomplete for the reason {why.reason!r}", usage)


def _read_call(item: _Item, usage: Usage | None) -> ToolCall:
    if not item.call_id or not item.name:
        raise malformed("a tool call without call_id or name", usage)
    return wire.tool_call(item.call_id, item.name, item.arguments, usage)


async def last(stream: AsyncIterator[Json | str]) -> Json:
    """Give the answer that ends a stream. Raises: FailedCall if there is none, or an error."""
    async for event in stream:
        if isinstance(event, str):
            break
        kind = event.get("type")
        if kind == ERROR:
            refuse_error({"error": event})
        if kind in ENDS:
            answer = event.get("response")
            if not isinstance(answer, dict):
                raise malformed(f"{kind} without a response")
            refuse_error(answer)
            return answer
    raise cut()
