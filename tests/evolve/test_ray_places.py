"""Places of a cluster that are lost, refuse or are sick: what a run makes of them, without a Ray."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

from ray.exceptions import ActorDiedError, RayError, RaySystemError, RayTaskError

from evolve import ray_actor, ray_executor, ray_slot
from evolve.errors import WorldError
from evolve.executor import SlotLost
from evolve.loader import Task, load_task
from evolve.local import opening_of
from evolve.ray_actor import DONE, RayPlace, Told, raise_told
from evolve.ray_executor import RayExecutor
from evolve.ray_line import Entrance
from evolve.shipping import pack
from evolve.world import code_digest, world

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
# Nothing here waits for anything: who is not done by then hangs.
HANGS_S = 600


class Place:
    """A place as the driver knows it: one that does its work, unless a test says otherwise."""

    def __init__(self, node: str = "a") -> None:
        self.node, self.is_killed = node, False

    def where(self) -> Told:
        return DONE, {"machine": self.node, "pid": 1}

    def open(self, *_: object) -> Told:
        return DONE, {"level": "weak", "address": None}

    def ask(self, op: str, arguments: object) -> Told:
        return DONE, op

    def news(self) -> None: ...

    def artefacts(self) -> Told:
        return DONE, b"nets"

    def close(self) -> None: ...


class Answer:
    """What Ray gives for a call to an actor."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._answer: Future[Any] = Future()
        try:
            answer = call()
        except (RayError, AssertionError) as error:
            self._answer.set_exception(error)
        else:
            if isinstance(answer, Future):
                self._answer = answer  # given later
            else:
                self._answer.set_result(answer)

    def future(self) -> Future[Any]:
        return self._answer

    def __await__(self) -> Iterator[Any]:
        return asyncio.wrap_future(self._answer).__await__()


class Actor:
    """A place, called as Ray has it."""

    def __init__(self, place: Any) -> None:
        self.place = place

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.place, name)
        return SimpleNamespace(remote=lambda *arguments: Answer(lambda: method(*arguments)))


class FakeCluster:
    """Gives the places of a test, in turn, and then waits for ever, as a full cluster does."""

    needs, has = "1 CPU", "2 CPU"
    nodes = ("a", "b")

    def __init__(self, *places: Any) -> None:
        self.places, self.started, self.is_connected = [*places], 0, False

    def connect(self, _: int) -> None:
        self.is_connected = True

    def disconnect(self) -> None:
        self.is_connected = False

    def lacks(self) -> str:
        return ""

    def start(self, *_: object) -> Actor:
        self.started += 1
        return Actor(self.places.pop(0))


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeCluster]:
    """Have the executor find the places of a test in place of a cluster's."""

    def put(*places: Any) -> FakeCluster:
        cluster = FakeCluster(*places)
        monkeypatch.setattr(ray_executor, "Cluster", lambda *_, **__: cluster)
        return cluster

    def kill(actor: Actor) -> None:
        actor.place.is_killed = True

    monkeypatch.setattr(ray_executor, "ray", SimpleNamespace(put=lambda value: value))
    monkeypatch.setattr(ray_slot, "ray", SimpleNamespace(kill=kill))
    monkeypatch.setattr(ray_executor, "NEWS_EVERY_S", 0.01)
    return put


@asynccontextmanager
async def opened(slots: int, task: Task | None = None) -> AsyncIterator[RayExecutor]:
    task = task or load_task(TOY, [])
    async with asyncio.timeout(HANGS_S), RayExecutor(task, world(), slots, task.ray) as executor:
        yield executor


async def nothing_else(slots: int = 1) -> None:
    async with opened(slots):
        pass


class DiesOfItsNets(Place):
    def ask(self, op: str, arguments: object) -> Told:
        raise ActorDiedError


def test_what_kills_whoever_builds_artefacts_is_told_after_three_places(on: Any) -> None:
    cluster = on(*(DiesOfItsNets() for _ in range(9)))
    with pytest.raises(WorldError, match=r"3 places .* built what the task needs"):
        asyncio.run(nothing_else())
    assert cluster.started == 3
    assert not cluster.is_connected


def test_one_place_that_dies_of_its_nets_is_followed_by_another(on: Any) -> None:
    dead = DiesOfItsNets()
    cluster = on(dead, Place())
    asyncio.run(nothing_else())
    assert cluster.started == 2
    assert dead.is_killed


class CannotPack(Place):
    def artefacts(self) -> Told:
        raise RayTaskError("artefacts", "Traceback\nKeyError: 'no such folder'\n", KeyError())


def test_an_error_of_the_code_in_a_place_is_told_at_once(on: Any) -> None:
    cluster = on(CannotPack(), Place())
    with pytest.raises(WorldError, match="no such folder"):
        asyncio.run(nothing_else())
    assert cluster.started == 1


class OnALine(Place):
    """A place with a line, in this process."""

    def __init__(self, node: str = "a") -> None:
        super().__init__(node)
        self.entrance = Entrance("127.0.0.1")
        self.serving: Future[bool] = Future()
        self.served: asyncio.Task[bool] | None = None

    def open(self, *_: object) -> Told:
        _, found = super().open()
        self.served = asyncio.create_task(self.entrance.serve(self.answered))
        return DONE, {**found, "address": self.entrance.address}

    async def answered(self, op: str, arguments: object, once: bool) -> Told:
        return self.ask(op, arguments)

    def serve(self) -> Future[bool]:
        assert self.served is not None
        self.served.add_done_callback(
            lambda _: self.serving.done() or self.serving.set_result(True)
        )
        return self.serving

    def cut_line(self) -> None:
        assert self.served is not None
        self.served.cancel()

    def die(self) -> None:
        self.serving.set_exception(ActorDiedError())


@pytest.mark.parametrize("end", [OnALine.die, OnALine.cut_line])
def test_places_that_are_lost_while_they_are_idle_are_lent_to_nobody(on: Any, end: Any) -> None:
    dying = [OnALine("b"), OnALine("c"), OnALine("d")]
    stays, fresh = OnALine("a"), [OnALine("e"), OnALine("f"), OnALine("g")]
    cluster = on(stays, *dying, *fresh)

    async def lose_three() -> list[str]:
        async with opened(4) as slots:
            await until(lambda: len(slots.places) == 4)
            for place in dying:
                end(place)
            # Nobody has asked for a slot: who is lost is replaced all the same.
            await until(lambda: cluster.started == 7 and len(slots.places) == 4)
            machines = []
            async with AsyncExitStack() as stack:
                for step in range(4):
                    slot = await stack.enter_async_context(slots.slot(step))
                    assert await slot.ask("describe", {}) == "describe"
                    machines.append(slot.machine)
            return sorted(machines)

    assert asyncio.run(lose_three()) == ["a", "e", "f", "g"]


class FallsSick(Place):
    """Does its first piece of work and no other."""

    says: Told = "place", "BlockingIOError: [Errno 11] Resource temporarily unavailable"
    has_worked = False

    def ask(self, op: str, arguments: object) -> Told:
        if self.has_worked:
            return self.says
        self.has_worked = True
        return DONE, op


class FallsSickInItsGrader(FallsSick):
    says: Told = "world", "the wall does not stand: no process can be started"


class FallsSickInItsCode(FallsSick):
    @property
    def says(self) -> Told:  # type: ignore[override]
        raise RayTaskError("ask", "Traceback\nRuntimeError: cannot start a thread\n", KeyError())


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (FallsSick, "Resource temporarily unavailable"),
        (FallsSickInItsGrader, "no process can be started"),
        (FallsSickInItsCode, "cannot start a thread"),
    ],
)
def test_a_node_that_falls_sick_loses_its_place_and_not_the_run(
    on: Any, kind: Any, cause: str
) -> None:
    sick = kind("b")
    on(sick, Place("a"))

    async def ask_twice() -> str:
        async with opened(1) as slots:
            with pytest.raises(SlotLost, match=f"node b.*{cause}"):
                async with slots.slot(0) as slot:
                    await slot.ask("run", {})
            async with slots.slot(0) as slot:
                await slot.ask("run", {})
                return slot.machine

    assert asyncio.run(ask_twice()) == "a"
    assert sick.is_killed


def test_a_sick_node_that_is_chosen_again_loses_its_places_and_not_the_run(
    on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_executor, "SICK_PAUSE_S", 0.05)

    class AlwaysSick(FallsSickInItsGrader):
        has_worked = True

    on(Place("a"), *(AlwaysSick("b") for _ in range(4)), Place("c"))

    async def work_on() -> None:
        async with opened(2) as slots, slots.slot(0) as busy:
            assert busy.machine == "a"
            for _ in range(4):
                with pytest.raises(SlotLost, match="node b"):
                    async with slots.slot(1) as slot:
                        await slot.ask("run", {})
            async with slots.slot(2) as slot:
                assert await slot.ask("run", {}) == "run"
                assert slot.machine == "c"

    asyncio.run(work_on())


def test_a_node_that_is_chosen_again_and_again_speaks_for_no_other(on: Any) -> None:
    """Where evolve is missing Ray does not even tell which node it was."""

    class Missing(Place):
        def where(self) -> Told:
            raise RayTaskError("where", "Traceback\nAttributeError: no where\n", KeyError())

    cluster = on(Missing("b"), Missing("b"), Missing("b"), Place("a"))
    asyncio.run(nothing_else())
    assert cluster.started == 4


def test_a_node_without_processes_to_give_says_so_and_others_are_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(asyncio, "create_subprocess_exec", refused)
    task = load_task(TOY, [])
    opening = opening_of(task, world(), level="auto", min_level="weak")
    told = RayPlace().open(pack(task), None, opening, world(), code_digest(), False)
    cause = f"BlockingIOError: [Errno 11] {os.strerror(errno.EAGAIN)}"
    assert told == ("world", f"a place cannot be opened there: {cause}")
    with pytest.raises(WorldError):
        raise_told(*told)


def test_a_cluster_that_gives_no_more_places_is_told_to_who_waits_for_one(
    on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = OnALine("a")
    cluster = on(only)

    def refused(*_: object) -> Actor:
        raise RaySystemError("the head is gone")

    async def ask() -> None:
        async with opened(1) as slots:
            monkeypatch.setattr(cluster, "start", refused)
            only.die()
            await until(lambda: not slots.places)
            async with slots.slot(0):
                pass

    with pytest.raises(WorldError, match="the head is gone"):
        asyncio.run(ask())
    assert not cluster.is_connected


class CannotClose(Place):
    def close(self) -> None:
        raise AssertionError("a mistake of ours")


def test_a_place_that_cannot_close_keeps_nothing_else_open(on: Any) -> None:
    other = Place("b")
    cluster = on(CannotClose("a"), other)

    async def use() -> None:
        async with opened(2) as slots:
            await until(lambda: len(slots.places) == 2)

    with pytest.raises(AssertionError, match="a mistake of ours"):
        asyncio.run(use())
    assert other.is_killed
    assert not cluster.is_connected


class Refuses(Place):
    def open(self, *_: object) -> Told:
        return "world", "it has numpy1.0, this run numpy2.0"


def test_a_node_that_refuses_the_first_place_leaves_it_to_others(on: Any) -> None:
    on(Refuses("b"), Refuses("b"), Place("a"))

    async def where() -> list[tuple[str, int]]:
        async with opened(1) as slots:
            return slots.places

    assert asyncio.run(where()) == [("a", 1)]


def test_when_every_node_refuses_the_run_ends_with_the_last_refusal(on: Any) -> None:
    cluster = on(Refuses("b"), Refuses("b"), Refuses("a"), Place("a"))
    with pytest.raises(WorldError, match=r"node a: it has numpy1\.0"):
        asyncio.run(nothing_else())
    assert cluster.started == 3


def test_who_waits_in_vain_beside_a_node_that_refuses_is_told_of_it(on: Any) -> None:
    on(*(Refuses("b") for _ in range(99)))
    task = load_task(TOY, ["ray.patience_s=2"])

    async def wait() -> None:
        async with opened(1, task):
            pass

    with pytest.raises(WorldError, match=r"within 2 s.*node b: it has numpy1\.0"):
        asyncio.run(wait())


def test_another_place_for_a_lost_one_is_sought_past_a_node_that_refuses(on: Any) -> None:
    only = OnALine("a")
    cluster = on(only, Refuses("b"), Place("a"))

    async def ask() -> str:
        async with opened(1) as slots:
            only.die()
            await until(lambda: cluster.started == 3)
            async with slots.slot(0) as slot:
                return slot.machine

    assert asyncio.run(ask()) == "a"


class WithOlderCode(Place):
    """A place that opens as a real one does, on a node where our files are others."""

    def open(self, *arguments: Any) -> Told:
        with pytest.MonkeyPatch.context() as here, ThreadPoolExecutor(1) as its_process:
            here.setattr(ray_actor, "code_digest", lambda: "older")
            return its_process.submit(RayPlace().open, *arguments).result()


def test_a_node_with_another_evolve_is_refused(on: Any) -> None:
    older = WithOlderCode("b")
    on(older, Place("a"))

    async def where() -> list[tuple[str, int]]:
        async with opened(1) as slots:
            return slots.places

    assert asyncio.run(where()) == [("a", 1)]
    assert older.is_killed


def test_one_changed_line_of_ours_is_other_code_and_other_files_are_not(tmp_path: Path) -> None:
    for copy in ("one", "other", "longer"):
        for package in ("evolve", "sandbox"):
            (tmp_path / copy / package / "inner").mkdir(parents=True)
            (tmp_path / copy / package / "inner" / "a.py").write_text("A = 1\n")
    (tmp_path / "other" / "evolve" / "notes.txt").write_text("not code")
    (tmp_path / "other" / "evolve" / "_tasks").mkdir()  # as a wheel has them
    (tmp_path / "other" / "evolve" / "_tasks" / "task.py").write_text("A = 3\n")
    (tmp_path / "longer" / "sandbox" / "inner" / "a.py").write_text("A = 2\n")
    one, other, longer = (code_digest(tmp_path / copy) for copy in ("one", "other", "longer"))
    assert one == other != longer


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; whoever waits for ever is ended by the limit of `opened`."""
    while not holds():
        await asyncio.sleep(0.005)
