"""Every other service, through litellm, which knows over a hundred of them."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from evolve.errors import UsageError
from evolve.messages import FailedCall, Reply, Request
from evolve.models import wire
from evolve.models.attempt import NO_KEY, scrubbed
from evolve.models.keys import Keys
from evolve.models.openai_chat import chat_messages, chat_tools, read
from evolve.models.providers import meant
from evolve.models.refusals import Json, late, lost, malformed, refused, said, unsendable

# Read while it is imported, or later. Else it fetches prices and names of headers from the network,
# and puts what `.env` says into the environment.
BEFORE_IMPORT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
# How a variable's value is handed over, by the end of the variable's name; else by all of it.
ARGUMENTS = {
    "_API_KEY": "api_key",
    "_API_TOKEN": "api_key",
    "_API_BASE": "api_base",
    "_API_VERSION": "api_version",
}
# In litellm's errors this comes between its own words and those of the service.
WORDS_OF_THE_SERVICE = "Exception - "


class LiteLLMCompletion:
    """A model behind litellm.

    model: PROVIDER/NAME, as litellm calls it; name: as written on the command line. url: where the
    service is, None for where litellm knows it to be. Raises: UsageError for a service that it does
    not know, or a variable that is missing.
    Where an answer has no finish reason, litellm makes up that of a good one. So nothing is
    streamed: a stream that was cut would pass for a whole answer.
    """

    def __init__(self, model: str, *, name: str, keys: Keys, url: str | None = None) -> None:
        self.name = name
        self._litellm = load(f"--model {name}", model)
        self._model, self._scrub = model, keys.scrub
        self._place = credentials(self._litellm, model, f"--model {name}", keys, url)

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._litellm.acompletion(**self._body(request), timeout=timeout_s)
            reply = read(_with_refusal(answer.model_dump()))
        except FailedCall as failed:
            raise scrubbed(failed, self._scrub) from None
        except TimeoutError:
            raise late(timeout_s) from None
        except Exception as error:  # noqa: BLE001  (litellm raises whatever its many parts raise)
            raise scrubbed(failure(error), self._scrub) from None
        return replace(reply, text=self._scrub(reply.text), seconds=time.monotonic() - began)

    async def close(self) -> None:
        """Let its connections go: all that litellm has, which keeps them for all of its models."""
        await self._litellm.close_litellm_async_clients()
        # Older ones would use what is closed.
        self._litellm.in_memory_llm_clients_cache.flush_cache()

    def _body(self, request: Request) -> Json:
        asked: Json = {
            "model": self._model,
            "messages": chat_messages(request.messages),
            "max_tokens": request.max_tokens,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,  # what a model does not take is told, not dropped
            "caching": False,
            **self._place,
        }
        if request.temperature is not None:
            asked["temperature"] = request.temperature
        if request.thinking is not None:
            asked["reasoning_effort"] = wire.effort(request.thinking, request.max_tokens)
        if request.tools:
            asked["tools"] = chat_tools(request.tools)
        return asked


def load(where: str, model: str) -> ModuleType:
    """Give litellm, made ready. where: what asks for it, for a model of PROVIDER/NAME.

    Raises: UsageError if it is missing.
    """
    try:
        return _library()
    except ImportError:
        other = meant(model)
        hint = f"did you mean {other}? Else " if other else ""
        raise UsageError(
            f"{where}: {hint}it needs litellm: pip install 'evolve-search[litellm]'"
        ) from None


@functools.cache
def _library() -> ModuleType:
    """Import litellm, which takes seconds; it tells nobody of its calls, and makes each once."""
    os.environ.update(BEFORE_IMPORT)
    import litellm
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    for logger in LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    for kind in ("callbacks", "input_callback", "success_callback", "failure_callback"):
        getattr(litellm, kind).clear()
    # The errors of its other HTTP library cannot be told apart.
    litellm.disable_aiohttp_transport = True
    connect = AsyncHTTPHandler.create_client

    def connect_without_redirects(*args: Any, **options: Any) -> Any:
        client = connect(*args, **options)
        client.follow_redirects = False  # keys would go with it
        return client

    # It has no options for these two.
    AsyncHTTPHandler.create_client = connect_without_redirects  # type: ignore[method-assign]
    AsyncHTTPHandler.single_connection_post_request = _no_second_attempt  # type: ignore[method-assign]
    return litellm


async def _no_second_attempt(*_: object, **__: object) -> None:
    """Stand in for what litellm calls when a connection broke: it would send the request again."""
    error = sys.exception()
    assert error is not None, "called where an error is handled"
    raise error


def credentials(
    litellm: ModuleType, model: str, where: str, keys: Keys, url: str | None
) -> dict[str, str]:
    """Give what litellm needs and does not find in the environment by itself. Raises: UsageError."""
    try:
        _, provider, _, _ = litellm.get_llm_provider(model=model, api_base=url)
    except litellm.BadRequestError:
        other = meant(model, (str(known.value) for known in litellm.LlmProviders))
        hint = f"; did you mean {other}?" if other else ""
        raise UsageError(f"{where}: litellm knows no such provider{hint}") from None
    missing = litellm.validate_environment(model=model)["missing_keys"]
    usual = f"{provider.upper()}_API_KEY"
    found = {
        variable: value
        for variable in dict.fromkeys((usual, *missing))
        if (value := keys.get(variable)) is not None
    }
    absent = [variable for variable in missing if variable not in found]
    if absent and url is None:
        raise UsageError(f"{where}: set {' and '.join(absent)}")
    place = {_argument(variable): value for variable, value in found.items()}
    if url is not None:
        place = {"api_key": NO_KEY} | place | {"api_base": url}
    return place


def _argument(variable: str) -> str:
    ends = (argument for end, argument in ARGUMENTS.items() if variable.endswith(end))
    return next(ends, variable.lower())


def _with_refusal(answer: Json) -> Json:
    """Put a model's refusal where the wire has it; litellm keeps it elsewhere."""
    for choice in answer["choices"]:
        message = choice["message"]
        message["refusal"] = (message.get("provider_specific_fields") or {}).get("refusal")
    return answer


def failure(error: Exception) -> FailedCall:
    """Tell what litellm raised by its kind. Its classes are those of openai, with more in them."""
    import httpx
    import openai

    for cause in _chain(error):
        if isinstance(cause, UnicodeEncodeError):
            return unsendable()
        if isinstance(cause, httpx.TransportError) and not isinstance(cause, httpx.DecodingError):
            return lost(cause)
    headers = _headers(error)
    if isinstance(error, openai.APITimeoutError) and not headers:
        return FailedCall("timeout", "litellm gave up waiting", maybe_billed=True)
    status = getattr(error, "status_code", None)
    body = _body_of(str(error))
    if isinstance(error, openai.APIError) and status is None:  # an error within a good answer
        return FailedCall("server", said(body), maybe_billed=True)
    unread = isinstance(error, openai.APIConnectionError) and not headers
    if unread or not isinstance(status, int) or status < 300:
        return malformed(f"litellm could not read the answer ({type(error).__name__})")
    return refused(status, headers, body)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _headers(error: Exception) -> Mapping[str, str]:
    headers = getattr(error, "litellm_response_headers", None)
    return headers or getattr(getattr(error, "response", None), "headers", None) or {}


def _body_of(text: str) -> object:
    """Give what the service said, as JSON values where it is some."""
    _, found, words = text.partition(WORDS_OF_THE_SERVICE)
    try:
        return json.loads(words) if found else text
    except (ValueError, RecursionError):
        return words
