"""How attempts at a model's answer look in the journal: sent with its reserve, then settled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from archive.records import CUT_OFF, Answer
from evolve.calls import Then
from evolve.hashing import plain_digest
from evolve.messages import FailedCall, Price, Reply, Request, ToolCall, Usage
from evolve.prices import cost, worst_cost, worst_tokens

# Characters that no program needs and not every database and prompt can hold: NUL, half a surrogate.
ODD = re.compile(r"[\x00\ud800-\udfff]")
# No answer takes more tokens.
MOST_TOKENS = 10**9


def request_digest(kind: str, request: Mapping[str, Any]) -> str:
    """Give what identifies an effect. kind: of an `Answer`; request: JSON values."""
    return plain_digest(kind, json.dumps(dict(request), sort_keys=True))


def with_reserve(answer: Answer, request: Request, price: Price | None) -> Answer:
    """Give an answer that is about to be asked for, with the most that it can cost."""
    return replace(
        answer,
        state="sent",
        reserved_usd=0.0 if price is None else worst_cost(price, request),
        reserved_tokens=worst_tokens(request).total,
    )


def received(sent: Answer, reply: Reply, price: Price | None) -> Answer:
    """Settle a call that was answered; where nobody says for how many tokens, at its reserve."""
    usage = reply.usage if reply.usage and _plausible(reply.usage) else None
    response = {
        "text": ODD.sub("\N{REPLACEMENT CHARACTER}", reply.text),
        "calls": [asdict(call) for call in reply.calls],
        "usage": None if usage is None else asdict(usage),
        "seconds": round(reply.seconds, 3),
    }
    if usage is None:
        return _at_reserve(replace(sent, state="received", response=CUT_OFF | response), price)
    settled = replace(sent, state="received", response=response)
    return replace(settled, usd=reply.usd, tokens=usage.total)


def failed(sent: Answer, failure: FailedCall, then: Then, price: Price | None) -> Answer:
    """Settle a call that failed: at what it was billed, or at its reserve where nobody knows."""
    response = {"fault": failure.fault, "reason": str(failure), "then": then}
    if failure.maybe_billed:
        return _at_reserve(replace(sent, state="failed", response=CUT_OFF | response), price)
    usage = failure.usage if failure.usage and _plausible(failure.usage) else Usage(0, 0)
    usd = 0.0 if usage.total == 0 else None if price is None else cost(price, usage)
    return replace(sent, state="failed", response=response, usd=usd, tokens=usage.total)


def reply_of(answer: Answer) -> Reply:
    """Read an answer that was received."""
    response: Mapping[str, Any] = answer.response or {}
    usage = response.get("usage")
    return Reply(
        text=str(response["text"]),
        calls=tuple(ToolCall(**call) for call in response.get("calls", ())),
        usage=None if usage is None else Usage(**usage),
        usd=answer.usd,
        seconds=response.get("seconds", 0.0),
    )


def _plausible(usage: Usage) -> bool:
    """Refuse figures that no bill can hold: what is not told rightly is charged at its reserve."""
    return all(0 <= tokens <= MOST_TOKENS for tokens in asdict(usage).values())


def _at_reserve(answer: Answer, price: Price | None) -> Answer:
    """Charge the worst case; without a price the dollars stay unknown."""
    usd = None if price is None else answer.reserved_usd
    return replace(answer, usd=usd, tokens=answer.reserved_tokens)
