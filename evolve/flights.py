"""Single flight inside a process: who wants what is being found out waits for it instead."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

Key = tuple[str, ...]


class Flights:
    """Work under way, by key. Between asking and holding nothing may be awaited."""

    def __init__(self) -> None:
        self._landed: dict[Key, asyncio.Event] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._landed

    async def landing(self, key: Key) -> bool:
        """Wait for a flight; give whether there was one, so that its result is to be looked for."""
        if (landed := self._landed.get(key)) is None:
            return False
        await landed.wait()
        return True

    @contextmanager
    def holding(self, key: Key) -> Iterator[None]:
        """Hold a key while its work is under way; whoever waits looks again afterwards."""
        self._landed[key] = asyncio.Event()
        try:
            yield
        finally:
            self._landed.pop(key).set()
