"""A place of a Ray cluster, seen from the driver: questions go there, and losses are told from here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from evolve.errors import EvolveError, WorldError
from evolve.executor import DeviceLost, Progress, SlotLost
from evolve.grader_slot import GraderSlot
from evolve.ray_actor import PlaceLost, RayPlace, raise_told
from evolve.ray_line import Address, Line, LineBroken

# A question that takes longer is asked how far it is, so often.
NEWS_EVERY_S = 1.0
# How long a place may take to end its grader before its process is killed.
CLOSE_S = 10.0
# A line ends at once with its place; so long it may take Ray to know why.
CAUSE_S = 5.0
# What Ray says of an actor that could not even begin, as where evolve is not installed.
CREATION = "error raised in its creation task"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class RaySlot(GraderSlot):
    """A place of a Ray cluster, seen from here. Once lost it stays so: another takes its turn.

    lost: called when its line ends while it is asked nothing; without a line nobody hears of it before
    it is asked. proven: tells whether some place of the run has answered: what another cannot do is its
    node's fault then. has_worked: whether it has answered a question itself.
    """

    def __init__(
        self,
        actor: ActorHandle[RayPlace],
        report: Progress | None,
        lost: Callable[[], None],
        proven: Callable[[], bool],
    ) -> None:
        self._actor, self._report, self._tell_loss, self._proven = actor, report, lost, proven
        self.is_open = self.is_lost = self._is_closing = False
        self.machine, self.pid = "", 0
        self._line: Line | None = None
        # Done when the place has ended its line; breaks when the place is lost.
        self._serving: asyncio.Future[bool] | None = None
        self.has_worked = False
        # Whether the place may be busy with a question to Ray that was given up.
        self._owes_answer = False

    async def open(self, *arguments: Any) -> None:
        """Open the place. Raises: SlotLost if it is lost before; TaskError, WorldError."""
        found = await self._answer(self._actor.where.remote())
        self.machine, self.pid = found["machine"], found["pid"]
        found = await self._answer(self._actor.open.remote(*arguments))
        self.level = found["level"]
        if found["address"] is not None:
            await self._call(found["address"])
        self.is_open = True

    async def close(self) -> None:
        """End what runs in the place, and the place."""
        self._is_closing = True
        is_busy = self._owes_answer or (self._line is not None and self._line.is_busy)
        with suppress(RayError, TimeoutError):
            # Whoever gives up does not wait for a candidate to end.
            if self.is_open and not self.is_lost and not is_busy:
                async with asyncio.timeout(CLOSE_S):
                    await self._ended()
        if self._line is not None:
            self._line.hang_up()
        with suppress(RayError):
            ray.kill(self._actor)

    async def artefacts(self) -> bytes | None:
        """Give what was built for the task on this node. Raises: SlotLost, WorldError."""
        try:
            kind, content = await self._actor.artefacts.remote()
        except RayError as error:
            self.is_lost = True
            raise self._loss(error) from error
        found: bytes | None = self._told(kind, content)
        return found

    async def answers(self) -> bool:
        """Tell whether the place is still there, and its line if it had one."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._actor.news.remote()
        except (RayError, TimeoutError):
            self.is_lost = True
        return not self.is_lost

    async def ask(self, op: str, arguments: Mapping[str, Any]) -> Any:
        return await self._asked(op, arguments, once=False)

    async def ask_once(self, op: str, arguments: Mapping[str, Any]) -> Any:
        return await self._asked(op, arguments, once=True)

    async def _asked(self, op: str, arguments: Mapping[str, Any], *, once: bool) -> Any:
        """Ask over the line if there is one. A place that cannot do what another could is lost."""
        try:
            if self._line is not None:
                answer = await self._over(self._line, op, arguments, once=once)
            else:
                method: Any = self._actor.ask_once if once else self._actor.ask
                answer = await self._answer(method.remote(op, dict(arguments)))
        except SlotLost:
            raise
        except WorldError as error:
            if not self._proven():
                raise
            self.is_lost = True
            raise PlaceLost(str(error)) from error
        self.has_worked = True
        return answer

    async def _call(self, address: Address) -> None:
        """Have a line to the place. If none comes about, it is asked through Ray."""
        serving = self._serving = asyncio.wrap_future(self._actor.serve.remote().future())
        try:
            with suppress(LineBroken):
                self._line = await Line.connect(address, self._report)
                # Nobody who comes in is to find out by asking.
                self._line.tell_end(self._gone)
        finally:
            serving.add_done_callback(self._served)

    def _served(self, serving: asyncio.Future[bool]) -> None:
        """End the line: Ray tells of a node that is gone, where the line might wait for ever."""
        if self._line is not None:
            self._line.hang_up()
        if not serving.cancelled() and serving.exception() is not None:
            self._gone()

    def _gone(self) -> None:
        if not self._is_closing and not self.is_lost:
            self.is_lost = True
            self._tell_loss()

    async def _ended(self) -> None:
        if self._line is None or self._serving is None:
            await self._actor.close.remote()
        else:
            self._line.hang_up()
            await self._serving

    async def _over(self, line: Line, op: str, arguments: Mapping[str, Any], *, once: bool) -> Any:
        """Ask over the line."""
        try:
            kind, value = await line.ask(op, arguments, once=once)
        except LineBroken as broken:
            self.is_lost = True
            assert self._serving is not None
            await asyncio.wait({self._serving}, timeout=CAUSE_S)
            cause = self._serving.exception() if self._serving.done() else None
            raise self._loss(cause if isinstance(cause, RayError) else broken) from broken
        return self._told(kind, value)

    async def _answer(self, asked: ray.ObjectRef[Any]) -> Any:
        """Wait for an answer through Ray, and draw what long work reports meanwhile."""
        answer = asyncio.wrap_future(asked.future())
        self._owes_answer = True
        try:
            while not (await asyncio.wait({answer}, timeout=NEWS_EVERY_S))[0]:
                news = await self._actor.news.remote() if self._report is not None else None
                if news is not None and self._report is not None:
                    self._report(*news)
            kind, value = answer.result()
        except RayError as error:
            self.is_lost = True
            raise self._loss(error) from error
        finally:
            answer.cancel()
        self._owes_answer = False
        return self._told(kind, value)

    def _told(self, kind: str, value: Any) -> Any:
        """Give what a place answers, or raise what it says went wrong, with its node."""
        try:
            raise_told(kind, value)
        except DeviceLost:
            raise  # the reason of a step may be made of it, which tells of no node
        except EvolveError as error:
            self.is_lost |= isinstance(error, PlaceLost)
            raise type(error)(f"{self._name}: {error}") from error
        return value

    def _loss(self, error: RayError | LineBroken) -> WorldError:
        """Tell whether the place is lost, or cannot do its work anywhere."""
        if isinstance(error, RayTaskError) or CREATION in str(error):
            return WorldError(f"the place on {self._name} cannot do its work: {cause_of(error)}")
        return PlaceLost(f"the place on {self._name} is lost: {cause_of(error)}")

    @property
    def _name(self) -> str:
        return f"node {self.machine}" if self.machine else "a node that is not known"


def cause_of(error: Exception) -> str:
    """Give the line that says most: the last of a traceback from a node, else the first."""
    lines = [line for line in COLOURS.sub("", str(error)).strip().splitlines() if line.strip()]
    at = -1 if isinstance(error, RayTaskError) or CREATION in str(error) else 0
    return lines[at].strip() if lines else type(error).__name__
