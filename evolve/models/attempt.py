"""One attempt over HTTP through an SDK: one deadline, no retries, no redirects, no key in errors."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from evolve.messages import FailedCall, Reply, Request
from evolve.models import wire
from evolve.models.refusals import Json, late, lost, refused, unsendable

Scrub = Callable[[str], str]

# Servers of one's own ask for no key, and the SDKs do.
NO_KEY = "no-key"


class SdkModel(ABC):
    """A model behind an SDK, of which only requests and connections are used.

    Answers are read from their bytes: the SDKs take a stream that was cut, or a web page, for an
    answer. A subclass knows one wire.
    """

    CLIENT: ClassVar[str]

    def __init__(
        self,
        sdk: ModuleType,
        model: str,
        *,
        name: str,
        key: str | None,
        url: str,
        stream: bool,
        scrub: Scrub,
    ) -> None:
        self.name = name
        self._sdk, self._model, self._key, self._url = sdk, model, key, url
        self._stream, self._scrub = stream, scrub
        self._client: Any = None

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        began = time.monotonic()
        async with attempt(self._sdk, timeout_s, self._scrub):
            create = self._create(self._connected())
            async with create(**self._body(request), timeout=None) as response:
                if wire.is_stream(response):
                    answer = await self._gather(wire.events(response))
                else:
                    answer = await wire.whole(response)
            reply = self._read(answer)
        # A gateway may echo what it was sent.
        text = self._scrub(reply.text)
        return replace(reply, text=text, seconds=time.monotonic() - began)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _connected(self) -> Any:
        if self._client is None:
            self._client = getattr(self._sdk, self.CLIENT)(
                api_key=self._key or NO_KEY,
                base_url=self._url,
                max_retries=0,
                timeout=None,
                http_client=http_client(self._sdk, self._url),
            )
        return self._client

    @abstractmethod
    def _create(self, client: Any) -> Any:
        """Give the client's function that sends a request and leaves its answer to be read."""

    @abstractmethod
    def _body(self, request: Request) -> Json:
        """Write the request as that function takes it."""

    @abstractmethod
    async def _gather(self, events: AsyncIterator[Json | str]) -> Json:
        """Put a streamed answer together as if it had come whole. Raises: FailedCall if cut."""

    @abstractmethod
    def _read(self, answer: Json) -> Reply:
        """Read a whole answer. Raises: FailedCall for every end but a clean one."""


@asynccontextmanager
async def attempt(sdk: ModuleType, timeout_s: float, scrub: Scrub) -> AsyncIterator[None]:
    """Hold one attempt: end it at its deadline, and tell any failure as a FailedCall without a key.

    sdk: openai or anthropic, whose errors have the same names.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except FailedCall as error:
        raise scrubbed(error, scrub) from None
    except TimeoutError:
        raise late(timeout_s) from None
    except sdk.APIStatusError as error:
        failed = refused(error.status_code, error.response.headers, error.body)
        # Without what the SDK raised: a printed chain would show its text, and a key in it.
        raise scrubbed(failed, scrub) from None
    except sdk.APIConnectionError as error:
        raise lost(error.__cause__ or error) from None
    except sdk.APIError as error:
        reason = f"the SDK could not read the answer ({type(error).__name__})"
        raise FailedCall("malformed", reason, maybe_billed=True) from None
    except _transport_errors() as error:
        raise lost(error) from None
    except UnicodeEncodeError:
        raise unsendable() from None


def scrubbed(failed: FailedCall, scrub: Scrub) -> FailedCall:
    """Take keys out of what a failure says."""
    failed.args = (scrub(str(failed)),)
    return failed


def http_client(sdk: ModuleType, url: str) -> Any:
    """Make an SDK's HTTP client: one that follows no redirect, since keys would go with it."""
    parts = urlsplit(url)
    # A proxy of the environment does not lead to this machine.
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    direct = {f"all://{host}": None} if _is_loopback(parts.hostname or "") else {}
    return sdk.DefaultAsyncHttpxClient(follow_redirects=False, mounts=direct)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _transport_errors() -> tuple[type[Exception], ...]:
    """Give what reading a body may raise, of whichever HTTP library the SDK has brought."""
    loaded = (sys.modules.get(name) for name in ("httpx", "httpx2"))
    return tuple(module.HTTPError for module in loaded if module is not None)
