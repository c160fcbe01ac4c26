"""The three wires as a provider writes them: whole answers, streamed answers, and errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
# How many pieces a streamed text comes in.
PIECES = 5


@dataclass(frozen=True)
class Said:
    """What the model says, and what it costs. calls: names of tools with their arguments.

    input: all tokens of the request, cached and written ones among them; output: all of the answer,
    reasoning among them. arguments may be text, to be sent as it is.
    """

    text: str = ""
    calls: tuple[tuple[str, Json | str], ...] = ()
    input: int = 1
    output: int = 1
    cached: int = 0
    written: int = 0
    reasoning: int = 0


class Chat:
    """Chat Completions."""

    PATH = "/v1/chat/completions"
    FINISHES = {"length": "length", "filtered": "content_filter"}  # noqa: RUF012

    def answer(self, said: Said, finish: str | None = None) -> Json:
        calls = [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": _text(a)},
            }
            for n, (name, a) in enumerate(said.calls)
        ]
        message: Json = {"role": "assistant", "content": said.text or None}
        if calls:
            message["tool_calls"] = calls
        if finish == "refusal":
            message |= {"content": None, "refusal": said.text or "I cannot help with that."}
        reason = self.FINISHES.get(finish or "", "tool_calls" if calls else "stop")
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "stub",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": self.usage(said),
        }

    def usage(self, said: Said) -> Json:
        return {
            "prompt_tokens": said.input,
            "completion_tokens": said.output,
            "total_tokens": said.input + said.output,
            "prompt_tokens_details": {
                "cached_tokens": said.cached,
                "cache_write_tokens": said.written,
            },
            "completion_tokens_details": {"reasoning_tokens": said.reasoning},
        }

    def without_content(self, answer: Json) -> Json:
        return answer | {"choices": []}

    def without_end(self, answer: Json) -> Json:
        choices = [choice | {"finish_reason": None} for choice in answer["choices"]]
        return answer | {"choices": choices}

    def events(self, answer: Json) -> list[bytes]:
        deltas: list[Json] = []
        finish = None
        for choice in answer["choices"]:
            message, finish = choice["message"], choice["finish_reason"]
            deltas.append({"role": "assistant", "content": ""})
            deltas += [{"content": piece} for piece in _pieces(message.get("content") or "")]
            deltas += [{"refusal": message["refusal"]}] if message.get("refusal") else []
            for number, call in enumerate(message.get("tool_calls", ())):
                first = {"name": call["function"]["name"], "arguments": ""}
                deltas.append({"tool_calls": [call | {"index": number, "function": first}]})
                deltas += [
                    {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}
                    for piece in _pieces(call["function"]["arguments"])
                ]
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "s"}
        part = {"index": 0, "finish_reason": None}
        chunks = [chunk | {"choices": [part | {"delta": delta}]} for delta in deltas]
        if finish is not None:
            end = {"index": 0, "delta": {}, "finish_reason": finish}
            chunks.append(chunk | {"choices": [end]})
        chunks.append(chunk | {"choices": [], "usage": answer["usage"]})
        return [*map(_event, chunks), b"data: [DONE]\n\n"]

    def error(self, message: str, kind: str, code: str | None = None) -> Json:
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def error_event(self, message: str) -> bytes:
        return _event(self.error(message, "server_error"))


class Responses:
    """The Responses API."""

    PATH = "/v1/responses"
    REASONS = {"length": "max_output_tokens", "filtered": "content_filter"}  # noqa: RUF012

    def answer(self, said: Said, finish: str | None = None) -> Json:
        part: Json = {"type": "output_text", "text": said.text, "annotations": []}
        if finish == "refusal":
            part = {"type": "refusal", "refusal": said.text or "I cannot help with that."}
        output: list[Json] = [{"type": "reasoning", "id": "rs_1", "summary": []}]
        if said.text or finish == "refusal" or not said.calls:
            output.append(
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [part],
                }
            )
        for n, (name, a) in enumerate(said.calls):
            call = {"call_id": f"call_{n}", "name": name, "arguments": _text(a)}
            output.append({"type": "function_call", "id": f"fc_{n}", **call})
        reason = self.REASONS.get(finish or "")
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "stub",
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "error": None,
            "output": output,
            "usage": self.usage(said),
        }

    def usage(self, said: Said) -> Json:
        return {
            "input_tokens": said.input,
            "input_tokens_details": {
                "cached_tokens": said.cached,
                "cache_write_tokens": said.written,
            },
            "output_tokens": said.output,
            "output_tokens_details": {"reasoning_tokens": said.reasoning},
            "total_tokens": said.input + said.output,
        }

    def without_content(self, answer: Json) -> Json:
        return answer | {"output": []}

    def without_end(self, answer: Json) -> Json:
        return {name: value for name, value in answer.items() if name != "status"}

    def events(self, answer: Json) -> list[bytes]:
        begun = answer | {"status": "in_progress", "output": [], "usage": None}
        texts = [
            part["text"]
            for item in answer["output"]
            for part in item.get("content") or ()
            if part["type"] == "output_text"
        ]
        events: list[Json] = [{"type": "response.created", "response": begun}]
        events += [
            {"type": "response.output_text.delta", "item_id": "msg_1", "delta": piece}
            for text in texts
            for piece in _pieces(text)
        ]
        events.append({"type": f"response.{answer.get('status', 'completed')}", "response": answer})
        return [
            _event(event | {"sequence_number": number}, event["type"])
            for number, event in enumerate(events)
        ]

    def error(self, message: str, kind: str, code: str | None = None) -> Json:
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def error_event(self, message: str) -> bytes:
        event = {"type": "error", "code": "server_error", "message": message, "param": None}
        return _event(event, "error")


class Messages:
    """Anthropic's Messages."""

    PATH = "/v1/messages"
    REASONS = {"length": "max_tokens", "filtered": "refusal", "refusal": "refusal"}  # noqa: RUF012

    def answer(self, said: Said, finish: str | None = None) -> Json:
        content: list[Json] = []
        if said.reasoning:
            content.append({"type": "thinking", "thinking": "Hm.", "signature": "s"})
        if said.text:
            content.append({"type": "text", "text": said.text})
        content += [
            {"type": "tool_use", "id": f"call_{n}", "name": name, "input": a}
            for n, (name, a) in enumerate(said.calls)
        ]
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "stub",
            "content": content,
            "stop_reason": self.REASONS.get(finish or "", "tool_use" if said.calls else "end_turn"),
            "stop_sequence": None,
            "usage": self.usage(said),
        }

    def usage(self, said: Said) -> Json:
        return {
            "input_tokens": said.input - said.cached - said.written,
            "cache_read_input_tokens": said.cached,
            "cache_creation_input_tokens": said.written,
            "output_tokens": said.output,
            "output_tokens_details": {"thinking_tokens": said.reasoning},
        }

    def without_content(self, answer: Json) -> Json:
        return answer | {"content": []}

    def without_end(self, answer: Json) -> Json:
        return answer | {"stop_reason": None}

    def events(self, answer: Json) -> list[bytes]:
        usage = answer["usage"]
        begun = answer | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
        events: list[Json] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
        for index, block in enumerate(answer["content"]):
            start, deltas = self._streamed(block)
            at = {"index": index}
            events.append({"type": "content_block_start", **at, "content_block": start})
            events += [{"type": "content_block_delta", **at, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", **at})
        delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": usage})
        events.append({"type": "message_stop"})
        return [_event(event, event.get("type")) for event in events]

    def _streamed(self, block: Json) -> tuple[Json, list[Json]]:
        if block["type"] == "tool_use":
            pieces = _pieces(_text(block["input"]))
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            return block | {"input": {}}, deltas
        kind = block["type"]
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in _pieces(block[kind])]
        return {"type": kind, kind: ""}, deltas

    def error(self, message: str, kind: str, code: str | None = None) -> Json:
        return {"type": "error", "error": {"type": code or kind, "message": message}}

    def error_event(self, message: str) -> bytes:
        return _event(self.error(message, "overloaded_error"), "error")


DIALECTS = {"chat": Chat(), "responses": Responses(), "messages": Messages()}


def _event(data: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _pieces(text: str) -> list[str]:
    size = max(1, -(-len(text) // PIECES))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _text(arguments: Json | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
