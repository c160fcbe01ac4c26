"""What is said when an answer is of no use: asked once, with the exact reason."""

from __future__ import annotations

from typing import Literal

from evolve.messages import Message
from evolve.prompting.words import fenced, filled, number, one_line


def refused(reason: str) -> Message:
    """Ask again because the answer could not be read or its program was refused; say why."""
    return Message("user", filled("refused", reason=fenced(reason, "text")))


def duplicate(
    step: int, how: Literal["syntax", "behaviour"], fitness: float | None, idea: str | None
) -> Message:
    """Ask for one different attempt, because the program equals a step, or seems to.

    how: "syntax" if it is the same program but for names and layout, "behaviour" if it gave the
    same on small trial inputs, which proves nothing. fitness, idea: that step's.
    """
    return Message(
        "user",
        filled(
            f"duplicate_{how}",
            step=step,
            fitness="" if fitness is None else f", whose fitness is {number(fitness)}",
            idea=f" The idea of that step: {one_line(idea)}" if idea else "",
        ),
    )
