"""The line to a place of a cluster: who may call, what a lost end means, and whose an answer is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from evolve import ray_line
from evolve.ray_line import Answer, Entrance, Line, LineBroken
from sandbox.wire import WireError

LOOPBACK = "127.0.0.1"
T = TypeVar("T")


async def echo(op: str, arguments: Mapping[str, Any], once: bool) -> Answer:
    return "done", [op, dict(arguments), once]


def on_a_line(
    use: Callable[[Line, Entrance], Awaitable[T]],
    answered: Callable[[str, Any, bool], Awaitable[Answer]] = echo,
    report: Any = None,
) -> T:
    async def both() -> T:
        entrance = Entrance(LOOPBACK)
        serving = asyncio.create_task(entrance.serve(answered))
        line = await Line.connect(entrance.address, report)
        found = await use(line, entrance)
        line.hang_up()
        assert await serving
        return found

    return asyncio.run(both())


def test_a_question_comes_back_answered() -> None:
    async def ask(line: Line, entrance: Entrance) -> Answer:
        return await line.ask("run", {"source": "x", "record": b"\0\1"}, once=True)

    assert on_a_line(ask) == ("done", ["run", {"source": "x", "record": b"\0\1"}, True])


def test_an_answer_that_nobody_waits_for_goes_to_nobody() -> None:
    given_up = asyncio.Event()

    async def late(op: str, arguments: Any, once: bool) -> Answer:
        await given_up.wait()
        return "done", op

    async def ask(line: Line, entrance: Entrance) -> tuple[bool, Answer, bool]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await line.ask("first", {}, once=False)
        given_up.set()
        return line.is_busy, await line.ask("second", {}, once=False), line.is_busy

    assert on_a_line(ask, late) == (True, ("done", "second"), False)


def test_long_work_says_how_far_it_is_before_it_answers() -> None:
    seen = []

    async def ask(line: Line, entrance: Entrance) -> Answer:
        entrance.report(1, 2, "pools")
        return await line.ask("describe", {}, once=False)

    on_a_line(ask, report=lambda *news: seen.append(news))
    assert seen == [(1, 2, "pools")]


def test_who_shows_no_token_is_sent_away_and_the_driver_still_gets_in() -> None:
    async def call() -> Answer:
        entrance = Entrance(LOOPBACK)
        serving = asyncio.create_task(entrance.serve(echo))
        with pytest.raises(LineBroken):
            await Line.connect(replace(entrance.address, shown=bytes(32)), None)
        line = await Line.connect(entrance.address, None)
        answer = await line.ask("run", {}, once=False)
        line.hang_up()
        await serving
        return answer

    assert asyncio.run(call())[0] == "done"


def test_a_driver_tells_nothing_to_a_stranger_at_the_address() -> None:
    async def call() -> None:
        entrance = Entrance(LOOPBACK)
        serving = asyncio.create_task(entrance.serve(echo))
        with pytest.raises(LineBroken, match="somebody else"):
            await Line.connect(replace(entrance.address, expected=bytes(32)), None)
        await serving

    asyncio.run(call())


def test_nobody_listens_once_the_driver_is_in() -> None:
    async def call_again(line: Line, entrance: Entrance) -> None:
        await line.ask("run", {}, once=False)
        with pytest.raises(LineBroken) as broken:
            await Line.connect(entrance.address, None)
        assert isinstance(broken.value.__cause__, ConnectionRefusedError)

    on_a_line(call_again)


def test_a_silent_stranger_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_line, "SHOW_S", 0.05)

    async def call() -> None:
        entrance = Entrance(LOOPBACK)
        serving = asyncio.create_task(entrance.serve(echo))
        _, stranger = await asyncio.open_connection(LOOPBACK, entrance.address.port)
        line = await Line.connect(entrance.address, None)
        await line.ask("run", {}, once=False)
        line.hang_up()
        assert await serving
        stranger.close()

    asyncio.run(call())


def test_a_question_that_cannot_be_sent_is_not_waited_for() -> None:
    async def ask(line: Line, entrance: Entrance) -> None:
        with pytest.raises(WireError):
            await line.ask("run", {"what": object()}, once=False)
        assert not line.is_busy

    on_a_line(ask)


def test_a_place_that_is_never_called_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_line, "CONNECT_S", 0.05)
    assert not asyncio.run(_served())


async def _served() -> bool:
    return await Entrance(LOOPBACK).serve(echo)


def test_a_question_in_flight_breaks_with_its_line() -> None:
    async def never(op: str, arguments: Any, once: bool) -> Answer:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async def lose() -> None:
        entrance = Entrance(LOOPBACK)
        serving = asyncio.create_task(entrance.serve(never))
        line = await Line.connect(entrance.address, None)
        asked = asyncio.create_task(line.ask("run", {}, once=False))
        await asyncio.sleep(0.05)
        serving.cancel()  # the place is killed: the system closes its end
        with pytest.raises(LineBroken):
            await asked
        with pytest.raises(LineBroken):
            await line.ask("run", {}, once=False)

    asyncio.run(lose())
