"""Calls of models: what follows a failed attempt, who may call when, and that no wait is for ever."""

import asyncio
from typing import get_args

import pytest

from evolve import calls as module
from evolve.calls import Calls, CallsStopped, next_move
from evolve.config import ModelSettings
from evolve.messages import FailedCall, Fault, Message, Reply, Request, Usage

PATIENCE_S = 60.0  # of a loaded machine; what is awaited takes milliseconds
REQUEST = Request((Message("user", "hello"),), 100)


class Model:
    """Answers by a script of faults and texts, and counts who calls at once."""

    name = "test/model"

    def __init__(self, *script, seconds=0.0):
        self.script, self.seconds = list(script), seconds
        self.calls = self.under_way = self.most = 0

    async def complete(self, request, timeout_s):
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.seconds)
        self.under_way -= 1
        said = self.script.pop(0) if self.script else "yes"
        if said in get_args(Fault):
            raise FailedCall(said, "as told")
        return Reply(said, usage=Usage(10, 5))

    async def close(self):
        pass


@pytest.fixture
def quick(monkeypatch):
    """Make all waits a thousandth as long."""
    for name in ("FIRST_WAIT_S", "FIRST_BREAK_S", "MAX_BREAK_S", "MAX_WAIT_S"):
        monkeypatch.setattr(module, name, getattr(module, name) / 1000)


async def ask(calls, priority=0):
    async with calls.turn("test/model", priority, REQUEST):
        return await calls.complete("test/model", REQUEST)


@pytest.mark.parametrize(
    ("faults", "alone", "move"),
    [
        (["server"], True, "again"),
        (["server"] * 3, True, "give_up"),
        (["server"] * 9, False, "again"),
        (["rate_limited", "connection"], True, "again"),
        (["timeout"], True, "again"),
        (["timeout", "timeout"], True, "give_up"),
        (["truncated"], True, "more_room"),
        (["empty"], True, "more_room"),
        (["malformed"], True, "again"),
        (["truncated", "truncated"], True, "give_up"),
        (["server", "malformed"], True, "again"),
        (["malformed", "server", "empty"], True, "give_up"),
        (["filtered"], True, "give_up"),
    ],
)
def test_what_follows_a_failed_attempt(faults, alone, move):
    assert next_move(faults, retries=2, alone=alone) == move


def test_so_many_calls_are_in_flight_and_no_more_and_the_lowest_step_goes_first():
    async def story():
        model = Model(seconds=0.01)
        calls = Calls([model], ModelSettings(concurrency=3))
        done = []

        async def one(n):
            await ask(calls, n)
            done.append(n)

        await asyncio.gather(*(one(n) for n in reversed(range(12))))
        return model.most, done

    most, done = asyncio.run(story())
    assert most == 3
    assert set(done[:3]) == {9, 10, 11}  # there was nobody else to go first
    assert done[3:] == sorted(done[3:])


def test_a_model_that_only_fails_is_left_alone_and_then_tried_by_one(quick):
    async def story():
        model = Model(*["server"] * 8, seconds=0.002)
        calls = Calls([model], ModelSettings(concurrency=8))

        async def one():
            while True:
                try:
                    return await ask(calls)
                except FailedCall:
                    model.most = 0

        await asyncio.gather(*(one() for _ in range(8)))
        return model

    model = asyncio.run(story())
    assert model.calls <= 8 + 8 + 1


def test_a_model_that_is_silent_for_too_long_stops_the_run_and_one_that_refuses_at_once():
    now = [0.0]
    model = Model(*["server"] * module.BREAK_AFTER)
    calls = Calls([model], ModelSettings(patience_s=60), clock=lambda: now[0])

    async def story():
        for _ in range(module.BREAK_AFTER):
            with pytest.raises(FailedCall):
                await ask(calls)
        return calls.then("test/model", ["server"], 0), calls.then("test/model", ["rejected"], 0)

    assert asyncio.run(story()) == ("again", "stop")
    assert calls.then("test/model", ["forbidden"], 0) == "stop"
    now[0] = 61.0
    assert calls.then("test/model", ["server"] * 2, 0) == "stop"
    # The step on which a sitting ended does not end the next one too.
    assert calls.then("test/model", ["server"] * 9, 0, stopped=True) == "give_up"
    assert calls.then("test/model", ["rejected"], 0, stopped=True) == "give_up"


def test_one_bad_request_to_a_model_that_answers_others_ends_its_step_only():
    async def story():
        calls = Calls([Model("yes")], ModelSettings())
        await ask(calls)
        return calls.then("test/model", ["rejected"], 0)

    assert asyncio.run(story()) == "give_up"


def test_a_service_that_only_sends_what_no_one_can_read_is_not_asked_for_ever(quick):
    async def story():
        model = Model(*["malformed"] * 99)
        calls, moves = Calls([model], ModelSettings()), []
        while "stop" not in moves and len(moves) < 99:
            with pytest.raises(FailedCall):
                await ask(calls)
            moves.append(calls.then("test/model", ["malformed"] * 2, 0))
        return moves

    assert len(asyncio.run(story())) == module.STOP_AFTER


def test_an_answer_of_any_kind_ends_the_silence():
    now = [0.0]
    script = [*["server"] * 4, "truncated", *["server"] * 4]
    calls = Calls([Model(*script)], ModelSettings(patience_s=60), clock=lambda: now[0])

    async def story():
        for _ in script:
            now[0] += 40
            with pytest.raises(FailedCall):
                await ask(calls)
        return calls.then("test/model", ["server"], 0)

    assert asyncio.run(story()) == "again"


def test_what_an_adapter_stumbles_over_is_a_failed_call_without_its_text():
    class Odd(Model):
        async def complete(self, request, timeout_s):
            raise ValueError("sk-secret")

    async def story():
        with pytest.raises(FailedCall, match="could not be read") as raised:
            await ask(Calls([Odd()], ModelSettings()))
        return raised.value

    failed = asyncio.run(story())
    assert (failed.fault, failed.maybe_billed) == ("malformed", True)
    assert "secret" not in str(failed)


def test_one_model_that_hangs_leaves_places_for_the_other():
    async def story():
        slow, quick = Model(seconds=PATIENCE_S), Model()
        slow.name = "test/slow"
        calls = Calls([slow, quick], ModelSettings(concurrency=3))

        async def hang():
            async with calls.turn("test/slow", 0, REQUEST):
                await calls.complete("test/slow", REQUEST)

        hanging = [asyncio.create_task(hang()) for _ in range(9)]
        await asyncio.sleep(0.01)
        await asyncio.wait_for(ask(calls, 99), PATIENCE_S / 2)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        return slow.most

    assert asyncio.run(story()) == 2


def test_requests_a_minute_are_kept():
    async def story():
        calls = Calls([Model()], ModelSettings(requests_per_minute=1200, concurrency=9))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(ask(calls) for _ in range(5)))
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(story()) >= 4 * 60 / 1200 * 0.9


def test_who_waits_is_told_at_once_when_the_run_stops():
    async def story():
        calls = Calls([Model(seconds=0.05)], ModelSettings(concurrency=1))
        running = asyncio.create_task(ask(calls))
        await asyncio.sleep(0.01)
        waiting = [
            asyncio.create_task(ask(calls)),
            asyncio.create_task(calls.pause(["server"], 99)),
        ]
        await asyncio.sleep(0)
        calls.stop()
        ended = await asyncio.gather(running, *waiting, return_exceptions=True)
        return [type(each) for each in ended]

    assert asyncio.run(story()) == [Reply, CallsStopped, CallsStopped]


def test_a_provider_may_ask_for_a_wait_but_not_for_a_year(monkeypatch):
    slept = []

    async def story():
        calls = Calls([Model()], ModelSettings())

        async def sleep(seconds):
            slept.append(seconds)

        monkeypatch.setattr(calls, "_sleep", sleep)
        await calls.pause(["rate_limited"], 7.5)
        await calls.pause(["rate_limited"], 1e9)
        await calls.pause(["truncated"], None)

    asyncio.run(story())
    assert slept == [7.5, module.MAX_RETRY_AFTER_S, 0.0]
