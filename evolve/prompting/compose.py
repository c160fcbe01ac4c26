"""A step's first question to a model: the stable part, then where the search stands and what to write.

In reading order: ideas tried, the parents, the best so far, failures, the instruction. What does
not fit is left out from the least important part first, and the prompt says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from evolve.briefing import Briefing
from evolve.messages import Message
from evolve.prompting import sections
from evolve.prompting.forms import Section
from evolve.prompting.stable import stable_part
from evolve.prompting.words import filled, listed
from evolve.view import View

if TYPE_CHECKING:
    from evolve.operators.base import ParentProgram

# An estimate that holds for English and code; no tokenizer is asked, each model has its own.
CHARACTERS_PER_TOKEN = 4

Asked = Literal["diff", "rewrite", "ideate", "crossover", "repair"]
KINDS: tuple[Asked, ...] = get_args(Asked)


def compose(
    kind: Asked,
    briefing: Briefing,
    view: View,
    parents: Sequence[ParentProgram],
    *,
    limit_tokens: int,
    target: float | None = None,
) -> tuple[Message, ...]:
    """Write the question of a step.

    parents: the first is the one to change; `crossover` joins the first two, for other kinds a
    second one is told in short. target: the fitness that a crossover should reach.
    limit_tokens: of the whole prompt, estimated. The stable part, the parents in full and the
    instruction are never cut, so a prompt may be longer by as much.
    Raises: ValueError if there are too few parents.
    """
    if len(parents) < sections.num_joined(kind):
        raise ValueError(f"{kind} needs {sections.num_joined(kind)} parents, not {len(parents)}")
    stable = stable_part(briefing)
    room = CHARACTERS_PER_TOKEN * limit_tokens - len(stable)
    parts = sections.all_of(kind, briefing, view, parents, target)
    return (Message("user", stable, stable=True), Message("user", fit(parts, room)))


def estimated_tokens(messages: Iterable[Message]) -> int:
    """Estimate the tokens of messages, from their characters alone."""
    return math.ceil(sum(len(message.text) for message in messages) / CHARACTERS_PER_TOKEN)


@dataclass
class _Fitting:
    """Sections with the form that each has come to."""

    sections: Sequence[Section]
    chosen: list[int]

    def text(self) -> str:
        forms = [part.forms[i] for part, i in zip(self.sections, self.chosen, strict=True)]
        lacking = [form.lacks for form in forms if form.lacks]
        texts = [form.text for form in forms if form.text]
        if lacking:
            # Just before the instruction, which is the last section and never left out.
            texts.insert(-1, filled("left_out", names=listed(lacking)))
        return "\n\n".join(texts)

    def shrink(self) -> bool:
        """Shorten the least important section that still can be; False if none can."""
        able = [
            (part.forms[i].rank, place)
            for place, (part, i) in enumerate(zip(self.sections, self.chosen, strict=True))
            if i + 1 < len(part.forms)
        ]
        if able:
            self.chosen[min(able)[1]] += 1
        return bool(able)


def fit(parts: Sequence[Section], room: int) -> str:
    """Join sections in their order, shortened until they have at most `room` characters."""
    fitting = _Fitting(parts, [0] * len(parts))
    text = fitting.text()
    while len(text) > room and fitting.shrink():
        text = fitting.text()
    return text
