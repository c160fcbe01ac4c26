"""Anthropic's Messages, with prompt caching, a budget for thinking, and tools."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic import BaseModel, Field, NonNegativeInt

from evolve.messages import Message, Reply, Request, Usage
from evolve.models import wire
from evolve.models.attempt import Scrub, SdkModel
from evolve.models.refusals import Json, cut, filtered, malformed, truncated

ANTHROPIC_URL = "https://api.anthropic.com"
# The API takes no smaller budget.
MIN_THINKING = 1024
CACHED_UP_TO_HERE = {"cache_control": {"type": "ephemeral"}}


class AnthropicMessages(SdkModel):
    """A model behind Messages.

    model: as the service calls it; name: as written on the command line. url: where the service
    is, None for Anthropic's. stream: what the service asks for where answers are long.
    """

    CLIENT = "AsyncAnthropic"

    def __init__(
        self,
        model: str,
        *,
        name: str,
        key: str | None = None,
        url: str | None = None,
        stream: bool = True,
        scrub: Scrub = str,
    ) -> None:
        import anthropic  # three seconds: only where it is used

        super().__init__(
            anthropic,
            model,
            name=name,
            key=key,
            url=url or ANTHROPIC_URL,
            stream=stream,
            scrub=scrub,
        )

    def _create(self, client: Any) -> Any:
        return client.messages.with_streaming_response.create

    def _body(self, request: Request) -> Json:
        thinking = _thinking(request)
        asked: Json = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "messages": turns(request.messages),
            "stream": self._stream,
        }
        if thinking:
            asked["thinking"] = thinking
        # No model takes both; and the SDK knows no temperature any more, though older models do.
        if request.temperature is not None and thinking.get("type") != "enabled":
            asked["extra_body"] = {"temperature": request.temperature}
        if request.tools:
            asked["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": dict(tool.parameters),
                }
                for tool in request.tools
            ]
        return asked

    async def _gather(self, events: AsyncIterator[Json | str]) -> Json:
        return await gather(events)

    def _read(self, answer: Json) -> Reply:
        return read(answer)


def turns(messages: Sequence[Message]) -> list[Json]:
    """Write messages as turns of blocks, the last stable one marked as the end of what is cached.

    What tools answer is the user's turn here.
    """
    stable = max((at for at, message in enumerate(messages) if message.stable), default=None)
    blocks = [
        (_role(message), _blocks(message, marked=at == stable))
        for at, message in enumerate(messages)
    ]
    return [
        {"role": role, "content": [block for _, group in pairs for block in group]}
        for role, pairs in itertools.groupby(blocks, key=lambda pair: pair[0])
    ]


def _role(message: Message) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _blocks(message: Message, marked: bool) -> list[Json]:
    text = {"type": "text", "text": message.text}
    if message.role == "tool":
        answer = {"tool_use_id": message.answers or "", "content": [text] if message.text else []}
        blocks: list[Json] = [{"type": "tool_result", **answer}]
    else:
        calls = [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}
            for call in message.calls
        ]
        # The API refuses a block without text.
        blocks = [text, *calls] if message.text else calls
    if marked and blocks:
        blocks[-1] |= CACHED_UP_TO_HERE
    return blocks


def _thinking(request: Request) -> Json:
    """Give the budget for thinking, {} for the model's own way."""
    if request.thinking is None:
        return {}
    budget = max(request.thinking, MIN_THINKING)
    if request.thinking == 0 or budget >= request.max_tokens:
        return {"type": "disabled"}
    if request.messages[-1].role == "tool":
        # A turn that was thought must come back with its thoughts, which are not kept.
        return {}
    return {"type": "enabled", "budget_tokens": budget}


class _Block(BaseModel):
    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: str | Json = ""


class _Answer(BaseModel):
    content: list[_Block]
    stop_reason: str | None = None


class _Details(BaseModel):
    thinking_tokens: NonNegativeInt | None = None


class _Usage(BaseModel):
    input_tokens: NonNegativeInt
    output_tokens: NonNegativeInt
    cache_read_input_tokens: NonNegativeInt | None = None
    cache_creation_input_tokens: NonNegativeInt | None = None
    output_tokens_details: _Details | None = None


def read(answer: Json) -> Reply:
    """Read a whole answer. Raises: FailedCall for every end but a clean one."""
    usage = read_usage(answer.get("usage"))
    told = wire.shaped(_Answer, answer, usage)
    _refuse_stop(told.stop_reason, usage)
    calls = [
        wire.tool_call(block.id, block.name, block.input, usage)
        for block in told.content
        if block.type == "tool_use"
    ]
    text = "".join(block.text for block in told.content if block.type == "text")
    return wire.finished(text, calls, usage)


def read_usage(value: object) -> Usage | None:
    """Read the tokens of an answer; None where they are not told, or not to be understood.

    `input_tokens` are those after the cached part: all of the input is the sum of three.
    """
    told = wire.shaped_or_none(_Usage, value)
    if told is None:
        return None
    cached = told.cache_read_input_tokens or 0
    written = told.cache_creation_input_tokens or 0
    details = told.output_tokens_details or _Details()
    return Usage(
        told.input_tokens + cached + written,
        told.output_tokens,
        cached,
        written,
        details.thinking_tokens or 0,
    )


def _refuse_stop(stop: str | None, usage: Usage | None) -> None:
    if stop in ("max_tokens", "model_context_window_exceeded"):
        raise truncated(usage)
    if stop == "refusal":
        raise filtered(usage, "by the model")
    if stop not in ("end_turn", "tool_use"):
        raise malformed(f"stop reason {stop!r}", usage)


class _Delta(BaseModel):
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Message(BaseModel):
    usage: Json = Field(default_factory=dict)


class _Event(BaseModel):
    type: str
    index: int = 0
    message: _Message = Field(default_factory=_Message)
    content_block: Json = Field(default_factory=dict)
    delta: _Delta = Field(default_factory=_Delta)
    usage: Json = Field(default_factory=dict)


async def gather(stream: AsyncIterator[Json | str]) -> Json:
    """Put a streamed answer together. Raises: FailedCall if the stream ends before the answer."""
    blocks: dict[int, Json] = {}
    usage: Json = {}
    stop: str | None = None
    async for data in stream:
        event = wire.shaped(_Event, data)
        match event.type:
            case "message_start":
                usage |= _told(event.message.usage)
            case "content_block_start":
                # What a tool is called with comes in pieces of text, after an empty object.
                blocks[event.index] = {**event.content_block, "input": ""}
            case "content_block_delta" if event.index in blocks:
                block = blocks[event.index]
                block["text"] = block.get("text", "") + event.delta.text
                block["input"] += event.delta.partial_json
            case "message_delta":
                stop = event.delta.stop_reason or stop
                usage |= _told(event.usage)
            case "message_stop":
                content = [blocks[index] for index in sorted(blocks)]
                return {"content": content, "stop_reason": stop, "usage": usage}
    raise cut()


def _told(usage: Json) -> Json:
    """Give what an event tells of the tokens; it is counted from the start, not from the last."""
    return {name: value for name, value in usage.items() if value is not None}
