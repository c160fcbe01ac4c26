"""Chat Completions: the wire of OpenAI that vLLM, Ollama, llama.cpp and many services speak too."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, NonNegativeInt

from evolve.messages import Message, Reply, Request, Tool, ToolCall, Usage
from evolve.models import wire
from evolve.models.attempt import Scrub, SdkModel
from evolve.models.refusals import Json, cut, empty, filtered, malformed, truncated

OPENAI_URL = "https://api.openai.com/v1"
# Hosts that know `max_completion_tokens`, and refuse `max_tokens` for their newer models.
OFFICIAL_HOSTS = (".openai.com", ".azure.com")


class OpenAIChat(SdkModel):
    """A model behind Chat Completions.

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
        return client.chat.completions.with_streaming_response.create

    def _body(self, request: Request) -> Json:
        asked: Json = {"model": self._model, "messages": chat_messages(request.messages)}
        host = f".{urlsplit(self._url).hostname}"
        room = "max_completion_tokens" if host.endswith(OFFICIAL_HOSTS) else "max_tokens"
        asked[room] = request.max_tokens
        if request.temperature is not None:
            asked["temperature"] = request.temperature
        if request.thinking is not None:
            asked["reasoning_effort"] = wire.effort(request.thinking, request.max_tokens)
        if request.tools:
            asked["tools"] = chat_tools(request.tools)
        if self._stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return asked

    async def _gather(self, events: AsyncIterator[Json | str]) -> Json:
        return await gather(events)

    def _read(self, answer: Json) -> Reply:
        return read(answer)


def chat_messages(messages: Sequence[Message]) -> list[Json]:
    """Write messages as turns: those of one role that follow each other become one."""
    turns: list[Json] = []
    for role, group in itertools.groupby(messages, key=lambda message: message.role):
        if role == "tool":
            turns += [
                {"role": "tool", "tool_call_id": each.answers or "", "content": each.text}
                for each in group
            ]
        else:
            turns.append(_turn(role, list(group)))
    return turns


def chat_tools(tools: Sequence[Tool]) -> list[Json]:
    """Write the tools that a model may call."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]


def _turn(role: str, messages: list[Message]) -> Json:
    texts = [message.text for message in messages if message.text]
    calls = [call for message in messages for call in message.calls]
    # One text as plain text: not every server knows parts.
    content: Any = [{"type": "text", "text": text} for text in texts]
    turn: Json = {"role": role, "content": content if len(texts) > 1 else "".join(texts)}
    if calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for call in calls
        ]
    return turn


class _Function(BaseModel):
    name: str
    arguments: str | Json | None = ""


class _Call(BaseModel):
    id: str | None = None
    function: _Function


class _Said(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Said


class _Answer(BaseModel):
    choices: list[_Choice]
    usage: Any = None


class _InputDetails(BaseModel):
    cached_tokens: NonNegativeInt | None = None
    cache_write_tokens: NonNegativeInt | None = None
    cache_creation_tokens: NonNegativeInt | None = None  # as litellm has it


class _OutputDetails(BaseModel):
    reasoning_tokens: NonNegativeInt | None = None


class _Usage(BaseModel):
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt = 0
    total_tokens: NonNegativeInt | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


def read(answer: Json) -> Reply:
    """Read a whole answer. Raises: FailedCall for every end but a clean one."""
    usage = read_usage(answer.get("usage"))
    choices = wire.shaped(_Answer, answer, usage).choices
    if not choices:
        raise empty(usage)
    said, finish = choices[0].message, choices[0].finish_reason
    refuse_finish(finish, said.refusal, usage)
    calls = [_read_call(number, call, usage) for number, call in enumerate(said.tool_calls or ())]
    return wire.finished(said.content or "", calls, usage)


def refuse_finish(finish: str | None, refusal: str | None, usage: Usage | None) -> None:
    """Raise FailedCall for a finish reason that is not clean."""
    if finish == "length":
        raise truncated(usage)
    if finish == "content_filter" or refusal:
        raise filtered(usage, refusal) if refusal else filtered(usage)
    if finish not in ("stop", "tool_calls"):
        raise malformed(f"finish reason {finish!r}", usage)


def read_usage(value: object) -> Usage | None:
    """Read the tokens of an answer; None where they are not told, or not to be understood."""
    told = wire.shaped_or_none(_Usage, value)
    if told is None:
        return None
    inputs = told.prompt_tokens_details or _InputDetails()
    outputs = told.completion_tokens_details or _OutputDetails()
    # Some services leave what was thought out of the tokens of the answer, not out of the total.
    unsaid = (told.total_tokens or 0) - told.prompt_tokens
    return Usage(
        told.prompt_tokens,
        max(told.completion_tokens, unsaid),
        inputs.cached_tokens or 0,
        inputs.cache_write_tokens or inputs.cache_creation_tokens or 0,
        outputs.reasoning_tokens or 0,
    )


def _read_call(number: int, call: _Call, usage: Usage | None) -> ToolCall:
    return wire.tool_call(
        call.id or f"call_{number}", call.function.name, call.function.arguments, usage
    )


class _PartOfFunction(BaseModel):
    name: str | None = None
    arguments: str | None = None


class _PartOfCall(BaseModel):
    index: int | None = None
    id: str | None = None
    function: _PartOfFunction = Field(default_factory=_PartOfFunction)


class _Delta(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_PartOfCall] | None = None


class _PartOfChoice(BaseModel):
    index: int = 0
    finish_reason: str | None = None
    delta: _Delta = Field(default_factory=_Delta)


class _Chunk(BaseModel):
    choices: list[_PartOfChoice] | None = None
    usage: Any = None


async def gather(chunks: AsyncIterator[Json | str]) -> Json:
    """Put a streamed answer together. Raises: FailedCall if the stream ends before the answer.

    It has ended once it said so; or gave both finish reason and usage, which come last.
    """
    texts: list[str] = []
    refusals: list[str] = []
    calls: dict[int, Json] = {}
    finish, usage, begun, done = None, None, False, False
    async for event in chunks:
        if event == wire.DONE:
            done = True
            break
        chunk = wire.shaped(_Chunk, event)
        usage = chunk.usage or usage
        for part in chunk.choices or ():
            if part.index != 0:  # one was asked for
                continue
            begun = True
            finish = part.finish_reason or finish
            texts.append(part.delta.content or "")
            refusals.append(part.delta.refusal or "")
            _add_calls(calls, part.delta.tool_calls or [])
    if not done and not (finish and usage):
        raise cut()
    message = {
        "content": "".join(texts),
        "refusal": "".join(refusals) or None,
        "tool_calls": [calls[number] for number in sorted(calls)],
    }
    choice = {"finish_reason": finish, "message": message}
    return {"choices": [choice] if begun else [], "usage": usage}


def _add_calls(calls: dict[int, Json], parts: list[_PartOfCall]) -> None:
    for part in parts:
        # A server that numbers no calls sends each whole.
        number = part.index if part.index is not None else len(calls)
        call = calls.setdefault(number, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = part.id or call["id"]
        call["function"]["name"] = part.function.name or call["function"]["name"]
        call["function"]["arguments"] += part.function.arguments or ""
