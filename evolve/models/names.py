"""From `PROVIDER/NAME` on the command line to a model that can be asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from evolve.config import ModelSettings
from evolve.errors import UsageError
from evolve.messages import Model
from evolve.models.keys import Keys

Api = Literal["chat", "responses"]

FORMS = (
    "say anthropic/NAME, openai/NAME, openai/NAME@http://127.0.0.1:11434/v1, "
    "or PROVIDER/NAME for what litellm knows"
)
# A name may hold an @ of its own.
PLACE = re.compile(r"^(?P<model>.+?)(?:@(?P<url>https?://.*))?$", re.IGNORECASE)


def models_for(names: Sequence[str], settings: ModelSettings, keys: Keys) -> list[Model]:
    """Give the models of some names, called as a run's settings say. Raises: UsageError."""
    return [
        model_named(
            name,
            keys=keys,
            # A setting of OpenAI's models alone, in an ensemble too.
            api=settings.api if name.startswith("openai/") else None,
            stream=settings.stream,
        )
        for name in names
    ]


def model_named(
    name: str, *, keys: Keys, stream: bool | None = None, api: Api | None = None
) -> Model:
    """Give the model of a name.

    stream: None for what suits the wire. api: which one of OpenAI's; None for Responses at OpenAI
    and Chat Completions at a URL. Raises: UsageError for an unknown form, a missing key or extra.
    """
    provider, slash, rest = name.partition("/")
    found = PLACE.match(rest)
    if not (provider and slash and found):
        raise UsageError(f"--model {keys.scrub(name)}: {FORMS}")
    model, url = found["model"], found["url"]
    if url is None and "@" in model and provider in ("openai", "anthropic"):
        where = keys.scrub(name)
        raise UsageError(f"--model {where}: behind @ stands a URL: http://HOST:PORT/v1, or https")
    if url is not None:
        check_url(url, f"--model {provider}/{model}")
    if api is not None and provider != "openai":
        raise UsageError(f"--model {name}: `api` is only for openai/NAME")
    if provider == "anthropic":
        return _anthropic(name, model, url, keys, stream)
    if provider == "openai":
        return _openai(name, model, url, keys, stream, api)
    return _litellm(name, f"{provider}/{model}", url, keys, stream)


def check_url(url: str, where: str) -> None:
    """Refuse a URL that is none, or with a secret in it: the name is kept in the archive."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{where}: its URL cannot be read: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{where}: no user or password in the URL: a key goes into a variable")
    written = url.isascii() and url.isprintable() and " " not in url
    if not host or not written or parts.query or parts.fragment:
        raise UsageError(f"{where}: its URL must be http(s)://HOST[:PORT][/PATH], and no more")


def _anthropic(name: str, model: str, url: str | None, keys: Keys, stream: bool | None) -> Model:
    key = _key(name, "ANTHROPIC_API_KEY", url, keys)
    from evolve.models.anthropic_messages import AnthropicMessages

    return AnthropicMessages(
        model,
        name=name,
        key=key,
        # The SDK adds the version itself.
        url=url and url.rstrip("/").removesuffix("/v1"),
        stream=stream is not False,
        scrub=keys.scrub,
    )


def _openai(
    name: str, model: str, url: str | None, keys: Keys, stream: bool | None, api: Api | None
) -> Model:
    key = _key(name, "OPENAI_API_KEY", url, keys)
    stream = bool(stream)
    if (api or ("chat" if url else "responses")) == "chat":
        from evolve.models.openai_chat import OpenAIChat

        return OpenAIChat(model, name=name, key=key, url=url, stream=stream, scrub=keys.scrub)
    from evolve.models.openai_responses import OpenAIResponses

    return OpenAIResponses(model, name=name, key=key, url=url, stream=stream, scrub=keys.scrub)


def _litellm(name: str, model: str, url: str | None, keys: Keys, stream: bool | None) -> Model:
    from evolve.models.litellm_completion import LiteLLMCompletion

    if stream:
        raise UsageError(f"--model {name}: through litellm nothing is streamed")
    return LiteLLMCompletion(model, name=name, keys=keys, url=url)


def _key(name: str, variable: str, url: str | None, keys: Keys) -> str | None:
    """Give a key. One's own server may ask for none."""
    key = keys.get(variable)
    if key is None and url is None:
        raise UsageError(f"--model {name}: set {variable}, in the environment or in .env")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UsageError(f"{variable}: has characters that no key has; was it copied whole?")
    return key
