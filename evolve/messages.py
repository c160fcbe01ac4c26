"""What is said to a language model and what comes back: requests, replies, and failed attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

Role = Literal["user", "assistant", "tool"]

Fault = Literal[
    "timeout",  # no whole answer within the deadline
    "connection",  # refused, reset, or closed before the answer was whole
    "rate_limited",  # HTTP 429
    "server",  # HTTP 408, 409, 5xx, 529
    "rejected",  # HTTP 400, 413, 422: this request, and asking it again will not help
    "forbidden",  # HTTP 401, 402, 403, 404, or no money left: any request to this model
    "truncated",  # the model ran out of its tokens
    "filtered",  # the provider's filter, or the model's own refusal
    "empty",  # a finished answer without text or tool calls
    "malformed",  # no JSON, HTML with status 200, fields missing, unreadable tool arguments
]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that a model wants called. id: as the provider named it; arguments: JSON values."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model may call. parameters: a JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    stable: equal in many requests of a run, as is all before it: a provider may cache up to here.
    calls: tools that an assistant's turn wants called. answers: of a tool's turn, the call's id.
    """

    role: Role
    text: str
    stable: bool = False
    calls: tuple[ToolCall, ...] = ()
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model.

    max_tokens: of the whole answer, thinking included. temperature: None for the model's own.
    thinking: how many of max_tokens it may think with; 0 for none, None for the model's own way.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    thinking: int | None = None
    tools: tuple[Tool, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Give it as JSON values, as the archive keeps it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer.

    input: all of the request; cached, written: the parts of it read from and written to a cache.
    output: all of the answer; reasoning: the part of it that was thought and not said.
    """

    input: int
    output: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole, clean answer. usage: None where the provider does not tell it.

    usd: what it cost, None where unknown. seconds: from request to last byte, only to be shown.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    usd: float | None = None
    seconds: float = 0.0


class FailedCall(Exception):
    """One attempt gave no clean answer; `str(error)` says why, without a key in it.

    fault: its kind. retry_after: seconds the provider asked to wait, if it did.
    usage: tokens it was billed for all the same. maybe_billed: nobody can know whether it was,
    as where an answer was cut off under way.
    """

    def __init__(
        self,
        fault: Fault,
        reason: str,
        *,
        retry_after: float | None = None,
        usage: Usage | None = None,
        maybe_billed: bool = False,
    ) -> None:
        super().__init__(reason)
        self.fault: Fault = fault
        self.retry_after, self.usage, self.maybe_billed = retry_after, usage, maybe_billed


class Model(Protocol):
    """A language model behind one call.

    name: as written on the command line and kept with the step.
    Laws: one attempt a call, no retries of its own; only a clean finish is a Reply; whatever else
    happens is a FailedCall, never half an answer; no error text holds a key. Many calls may be
    under way at once. Passed by a contract suite of its own.
    """

    name: str

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        """Answer within so many seconds, all in all. Raises: FailedCall."""

    async def close(self) -> None:
        """Let its connections go; it may be called again."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens. cached: read from a cache; written: written to one.

    None for the plain price of input.
    """

    input: float
    output: float
    cached: float | None = None
    written: float | None = None
