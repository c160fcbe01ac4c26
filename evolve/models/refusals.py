"""Failed attempts told by their kind, in a provider's own words, with what they may have cost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from evolve.messages import FailedCall, Fault, Usage

Json = dict[str, Any]

# Enough of a provider's message to act on.
MAX_REASON = 500

RATE_LIMITED = 429
# A wrong key, no money, no right, no such model: whatever is asked.
FORBIDDEN_STATUSES = frozenset({401, 402, 403, 404})
# Asking again later may help.
SERVER_STATUSES = frozenset({408, 409})
# A gateway gave up waiting: what stands behind it may have answered, and been paid.
GATEWAY_TIMEOUTS = frozenset({408, 504, 524})
# How errors are named where no HTTP status comes with them: in an answer, or within a stream.
ERROR_FAULTS: Mapping[str, Fault] = {
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "invalid_request_error": "rejected",
    "authentication_error": "forbidden",
    "billing_error": "forbidden",
    "permission_error": "forbidden",
    "not_found_error": "forbidden",
    "request_too_large": "rejected",
    "insufficient_quota": "forbidden",
    "content_filter": "filtered",
}
# With status 400, and another wording may help.
FILTERED = "content_filter"
# With status 429, and still no waiting helps.
NO_MONEY = "insufficient_quota"
# Nothing was sent where one of these is the cause. By name: openai brings httpx, or its successor.
NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})


def late(timeout_s: float) -> FailedCall:
    """Tell of a deadline that passed."""
    reason = f"no whole answer within {timeout_s:g} s"
    return FailedCall("timeout", reason, maybe_billed=True)


def lost(cause: BaseException) -> FailedCall:
    """Tell of a connection that broke, or never was."""
    what = type(cause).__name__
    if what in NOT_SENT:
        return FailedCall("connection", f"no connection ({what})")
    return FailedCall("connection", f"the connection broke ({what})", maybe_billed=True)


def unsendable() -> FailedCall:
    """Tell of a request that cannot be sent at all: half a pair of surrogates is no text."""
    return FailedCall("rejected", "the request holds characters that UTF-8 cannot carry")


def cut() -> FailedCall:
    """Tell of a stream that ended before its answer did."""
    return FailedCall("connection", "the stream ended before the answer did", maybe_billed=True)


def malformed(reason: str, usage: Usage | None = None) -> FailedCall:
    """Tell of an answer that came and cannot be read."""
    return FailedCall("malformed", reason, usage=usage, maybe_billed=usage is None)


def refused(status: int, headers: Mapping[str, str], body: object) -> FailedCall:
    """Tell of an answer with an HTTP status that says no. body: JSON values, or its text."""
    fault: Fault = "rejected"
    kind = error_kind(body)
    if kind == FILTERED:
        fault = "filtered"
    elif status in FORBIDDEN_STATUSES or kind == NO_MONEY:
        fault = "forbidden"
    elif status == RATE_LIMITED:
        fault = "rate_limited"
    elif status in SERVER_STATUSES or status >= 500:
        fault = "server"
    return FailedCall(
        fault,
        f"HTTP {status}: {said(body)}",
        retry_after=retry_after(headers, datetime.now(UTC)),
        maybe_billed=status in GATEWAY_TIMEOUTS,
    )


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Give the seconds that a provider asks to wait: in milliseconds, in seconds, or until a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name) or "nan") / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        until = parsedate_to_datetime(headers.get("retry-after") or "")
    except ValueError:
        return None
    # A date without a zone is in that of the standard.
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def refuse_error(answer: Json) -> None:
    """Raise what an answer with status 200 says went wrong; some gateways answer so."""
    error = answer.get("error")
    if not error:
        return
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and code >= 400:
        failed = refused(code, {}, answer)
    else:
        failed = FailedCall(ERROR_FAULTS.get(error_kind(answer) or "", "server"), said(answer))
    failed.maybe_billed = True
    raise failed


def error_kind(body: object) -> str | None:
    """Give the name that an error has in an answer's body, if it has one."""
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    names = [name for name in (error.get("code"), error.get("type")) if isinstance(name, str)]
    return next((name for name in names if name in ERROR_FAULTS), names[0] if names else None)


def said(body: object) -> str:
    """Give what a person wrote in an error's body: providers put it in different places."""
    while isinstance(body, dict):
        body = next((body[key] for key in ("error", "message", "detail") if body.get(key)), None)
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body, default=str)
    if text.lstrip().startswith("<"):
        return "a web page, where JSON was expected"
    return " ".join(text.split())[:MAX_REASON] or "without a message"


def truncated(usage: Usage | None) -> FailedCall:
    """Tell of an answer that ended where its tokens did."""
    reason = "the model ran out of its tokens"
    return FailedCall("truncated", reason, usage=usage, maybe_billed=usage is None)


def filtered(usage: Usage | None, words: str = "by the filter of the service") -> FailedCall:
    """Tell of a refusal. words: the model's own, if it gave some."""
    reason = f"refused: {said(words)}"
    return FailedCall("filtered", reason, usage=usage, maybe_billed=usage is None)


def empty(usage: Usage | None) -> FailedCall:
    """Tell of an answer that came to a clean end and says nothing."""
    reason = "an answer without text"
    return FailedCall("empty", reason, usage=usage, maybe_billed=usage is None)
