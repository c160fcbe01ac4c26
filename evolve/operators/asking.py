"""What all operators with a model share: a question, the reading of its answer, one more chance."""

from __future__ import annotations

from collections.abc import Callable

from evolve.errors import Unparsable, Unwritten
from evolve.messages import Message, Request
from evolve.operators.base import Desk, Written
from evolve.prompting import Asked, compose, duplicate, refused
from evolve.reading import Unreadable, idea_of, protected, whole_program, without_thinking
from evolve.screen import screen

# From an answer's text to a program; raises Unreadable with a reason that the model can act on.
Read = Callable[[str], str]


async def ask_for(desk: Desk, kind: Asked, read: Read, target: float | None = None) -> Written:
    """Ask the step's model for a program, and give what it wrote.

    An answer that cannot be read, or whose program the screen refuses, goes back once with the
    exact reason. A program that equals a known one, or seems to, is told which, and one different
    attempt is asked for; what seemed to be a duplicate is given where nothing better came, since a
    prediction proves nothing. Raises: Unwritten.
    """
    limit = desk.settings.prompt_tokens
    talk = list(
        compose(kind, desk.briefing, desk.view, desk.parents, limit_tokens=limit, target=target)
    )
    seeming: Written | None = None
    refusals = 0
    while True:
        try:
            said = (await desk.ask(_request(desk, talk))).text
        except Unwritten:
            if seeming is not None:
                return seeming
            raise
        answer = without_thinking(said)
        written, reason = _read(answer, read, desk)
        if reason is not None:
            if seeming is not None:
                return seeming
            if refusals:
                return _last(written, reason)
            refusals += 1
            talk += [Message("assistant", said), refused(reason)]
            continue
        assert written is not None
        twin = None if seeming else await desk.twin(written.source)
        if twin is None:
            return written
        seeming = written
        talk += [Message("assistant", said), duplicate(*twin)]


def whole(desk: Desk) -> Read:
    """Give what reads an answer that holds a whole program."""

    def read(text: str) -> str:
        program = whole_program(text, desk.task.entry)
        return protected(desk.parents[0].source, program)

    return read


def _request(desk: Desk, talk: list[Message]) -> Request:
    settings = desk.settings
    return Request(
        tuple(talk),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        thinking=settings.thinking,
    )


def _read(answer: str, read: Read, desk: Desk) -> tuple[Written | None, str | None]:
    """Read an answer; give its program if there is one, and why it cannot be taken if so."""
    try:
        source = read(answer)
    except Unreadable as error:
        return None, str(error)
    written = Written(source, idea_of(answer))
    try:
        screen(source, desk.task)
    except Unparsable as error:
        return written, str(error)
    return written, None


def _last(written: Written | None, reason: str) -> Written:
    """Give a program that the screen refused twice, so that the step keeps it and the reason."""
    if written is None:
        raise Unwritten(f"the answer could not be read, twice: {reason}")
    return written
