"""What runs on a node of a Ray cluster: one grader, with its warm process, per slot.

It never sees the archive or a key. What it is asked and what it answers are plain values; outputs of
candidates stay in the grader that ran them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import ray

from evolve.errors import EvolveError, TaskError, WorldError
from evolve.executor import DeviceLost, SlotLost
from evolve.local import LocalSlot
from evolve.ray_line import Address, Entrance
from evolve.shipping import Shipment, pack_artefacts, unpack_artefacts
from evolve.world import HOME, code_digest, world


class PlaceLost(SlotLost):
    """A place is of no use any more: its process or node is gone, or refuses it what it needs."""


# How an answer says what came of a question: these are raised again where it was asked. The first
# that fits is taken, so the narrow ones come first.
ERRORS: dict[str, type[EvolveError]] = {
    "place": PlaceLost,
    "device": DeviceLost,
    "lost": SlotLost,
    "task": TaskError,
    "world": WorldError,
}
DONE = "done"
# The group of methods that do not wait for the question that is being answered.
BESIDE = "beside"
# So much of a node's id tells it from the others.
NODE_CHARS = 12
T = TypeVar("T")
Told = tuple[str, Any]
"""(DONE, the answer), or (a key of ERRORS, the message)."""


class RayPlace:
    """A slot of a Ray cluster, seen from inside; Ray makes an actor of it.

    Questions are answered one at a time, in the order in which they come: one that nobody waits for
    any more delays the next, and mixes with none. They come through Ray, or on a line once that is
    served; `news` and `artefacts` are told beside them.
    """

    def __init__(self) -> None:
        self._slot: LocalSlot | None = None
        self._digest = ""
        self._news: tuple[int, int, str] | None = None
        self._entrance: Entrance | None = None
        # No method is a coroutine: in an actor that has one Ray hands every question from thread to
        # thread and back, twice as often. A loop of our own waits for the grader instead.
        self._loop = asyncio.new_event_loop()

    def where(self) -> Told:
        """Give where the place is, {"machine", "pid"}."""
        node = str(ray.get_runtime_context().get_node_id())
        return DONE, {"machine": node[:NODE_CHARS], "pid": os.getpid()}

    def open(
        self,
        shipment: Shipment,
        artefacts: bytes | None,
        opening: Mapping[str, Any],
        expected_world: str,
        expected_code: str,
        line: bool,
    ) -> Told:
        """Unpack the task and start its grader. Gives {"level", "address"}.

        address: where the driver can call, if it wants a line and there is one; see `serve`.
        """

        async def opened() -> dict[str, Any]:
            if code_digest() != expected_code:
                raise WorldError(
                    f"its evolve, in {HOME}, is another than this run's, so results could differ; "
                    "install the same there"
                )
            here = world(expected_world.rpartition(" ")[2])
            if here != expected_world:
                raise WorldError(
                    f"it has {here}, this run {expected_world}: last digits could differ; install "
                    "the same versions there"
                )
            folder, settings = shipment.unpack()
            self._digest = opening["digest"]
            if artefacts is not None:
                unpack_artefacts(self._digest, artefacts)
            its_own = {**opening, "folder": str(folder), "settings": settings}
            self._slot = LocalSlot(its_own, self._note)
            await self._slot.open()
            return {"level": self._slot.level, "address": self._listening() if line else None}

        return self._awaited(_told(_or_refused(opened())))

    def ask(self, op: str, arguments: Mapping[str, Any]) -> Told:
        """Ask the grader, or a fresh one if it is lost."""
        return self._awaited(_told(self._opened().ask(op, arguments)))

    def ask_once(self, op: str, arguments: Mapping[str, Any]) -> Told:
        """Ask the very grader that was asked before."""
        return self._awaited(_told(self._opened().ask_once(op, arguments)))

    def serve(self) -> bool:
        """Answer the driver on a line of its own until it hangs up; then end the grader.

        Gives False if nobody came: then it is asked through Ray.
        """
        entrance, slot = self._entrance, self._opened()
        assert entrance is not None

        async def answered(op: str, arguments: Mapping[str, Any], once: bool) -> Told:
            return await _told((slot.ask_once if once else slot.ask)(op, arguments))

        was_called = self._awaited(entrance.serve(answered))
        if was_called:
            self.close()
        return was_called

    @ray.method(concurrency_group=BESIDE)
    def artefacts(self) -> Told:
        """Give what was built for the task on this node, to be sent to others: bytes or None."""
        try:
            return DONE, pack_artefacts(self._digest)
        except (OSError, MemoryError) as error:
            return _unable(error)

    def close(self) -> None:
        """End the grader."""
        if self._slot is not None:
            self._awaited(self._slot.close())

    @ray.method(concurrency_group=BESIDE)
    def news(self) -> tuple[int, int, str] | None:
        """Give what long work has last reported, (done, total, what), once."""
        news, self._news = self._news, None
        return news

    def _listening(self) -> Address | None:
        try:
            self._entrance = Entrance(_own_address())
        except OSError:
            return None  # the node is known by an address that it does not have itself
        return self._entrance.address

    def _note(self, done: int, total: int, what: str) -> None:
        self._news = done, total, what
        if self._entrance is not None:
            self._entrance.report(done, total, what)

    def _opened(self) -> LocalSlot:
        assert self._slot is not None
        return self._slot

    def _awaited(self, answer: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(answer)


def raise_told(kind: str, message: str) -> None:
    """Raise what an answer says, unless it is one. Raises: one of ERRORS."""
    if kind != DONE:
        raise ERRORS[kind](message)


async def _told(answer: Coroutine[Any, Any, Any]) -> Told:
    try:
        return DONE, await answer
    except (OSError, MemoryError) as error:
        return _unable(error)
    except EvolveError as error:
        kinds = (kind for kind, known in ERRORS.items() if isinstance(error, known))
        return next(kinds, "world"), str(error)


async def _or_refused(opening: Coroutine[Any, Any, T]) -> T:
    """Refuse what the node does not let a place do before it is open: another node may."""
    try:
        return await opening
    except (OSError, MemoryError) as error:
        raise WorldError(
            f"a place cannot be opened there: {type(error).__name__}: {error}"
        ) from error


def _unable(error: OSError | MemoryError) -> Told:
    """Say that the node has no process, no memory or no disk to give: others may have."""
    return "place", f"{type(error).__name__}: {error}"


def _own_address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
