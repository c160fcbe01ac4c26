"""Those at work: whoever fails is told once, and nobody's failure is left for Python to print."""

import asyncio
import gc

import pytest

from evolve.crew import Crew


async def fail(name, after=0):
    for _ in range(after):
        await asyncio.sleep(0)
    raise ConnectionError(name)


@pytest.fixture
def said():
    """What a loop says of failures that nobody asked about."""
    return []


def go(body, said):
    async def whole():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        await body(Crew())
        gc.collect()

    asyncio.run(whole())


def test_all_who_failed_are_told_once_in_the_order_they_ended(said):
    async def body(crew):
        for name, after in (("late", 3), ("first", 0), ("second", 1)):
            crew.start(fail(name, after))
        await crew.wait(None)
        while crew.working:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [str(error) for error in crew.failures()] == ["first", "second", "late"]
        assert crew.failures() == []

    go(body, said)
    assert said == []


def test_a_crew_that_is_dismissed_leaves_nothing_to_print(said):
    async def body(crew):
        crew.start(fail("seen"))
        await crew.wait(None)
        assert len(crew.failures()) == 1
        crew.start(fail("ended, and nobody asked"))
        crew.start(fail("at work", after=1_000_000))
        await crew.wait(None)
        await crew.dismiss()
        assert not crew.working

    go(body, said)
    assert said == []
