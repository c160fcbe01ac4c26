"""Rewrite: a language model writes the whole program anew."""

from __future__ import annotations

import re
from importlib import resources

from evolve.errors import Unwritten
from evolve.operators.base import Desk

FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


class Rewrite:
    """Asks the step's model for a whole new program; the last fenced block of its answer counts."""

    name = "rewrite"
    num_parents = 1
    share = 1.0
    uses_model = True

    def suits(self, source: str) -> bool:
        """Any program will do."""
        return True

    async def write(self, desk: Desk) -> str:
        answer = await desk.ask(rewrite_prompt(desk))
        blocks: list[str] = FENCED.findall(answer)
        if not blocks:
            raise Unwritten("the answer holds no fenced block of code")
        return blocks[-1]


def rewrite_prompt(desk: Desk) -> str:
    """Give the whole prompt, in the order in which the model reads it."""
    template = resources.files("evolve").joinpath("prompts/rewrite.md").read_text(encoding="utf-8")
    parent = desk.parents[0]
    return template.format(
        brief=desk.brief.strip(),
        fitness=parent.fitness,
        source=parent.source.strip(),
        entry=desk.task.entry,
        imports=", ".join(desk.task.imports),
    )
