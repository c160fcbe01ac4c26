"""The operators that ask a language model: diff, rewrite, ideate, crossover and repair."""

from __future__ import annotations

from evolve.operators.asking import ask_for, whole
from evolve.operators.base import Desk, Operator, Pairing, Written
from evolve.reading import changed_program

# In two trial searches with a strong model, ideate and rewrite gave 84 % and 55 % of all gain with
# a third and half of the calls; diffs paid on parents of the top third, crossover between parents
# that are strong on different subgroups, repair hardly. So half of the calls to begin with are
# ideate and rewrite, and diff has about the share of each of these.
IDEATE_SHARE = REWRITE_SHARE = DIFF_SHARE = 240.0
CROSSOVER_SHARE = 140.0
REPAIR_SHARE = 70.0
# A crossover is asked for what is better than both parents by this part of what lies between them,
# as in LLEGO (Liu et al. 2025, arXiv 2503.14217).
TARGET_BEYOND = 0.1


class _Asking:
    """What these operators have in common."""

    num_parents = 1
    cost = 1.0
    uses_model = True
    pairing: Pairing = "any"

    def suits(self, source: str) -> bool:
        """Any program will do."""
        return True


class Diff(_Asking):
    """Changes a strong parent by SEARCH/REPLACE blocks."""

    name = "diff"
    share = DIFF_SHARE
    pairing: Pairing = "strong"

    async def write(self, desk: Desk) -> Written:
        def read(text: str) -> str:
            return changed_program(text, desk.parents[0].source, desk.task.entry)

        return await ask_for(desk, "diff", read)


class Rewrite(_Asking):
    """Writes the whole program anew."""

    name = "rewrite"
    share = REWRITE_SHARE

    async def write(self, desk: Desk) -> Written:
        return await ask_for(desk, "rewrite", whole(desk))


class Ideate(_Asking):
    """Tells three ideas apart in words, then codes the one least like what has been tried.

    Source: PlanSearch, Wang et al. 2024, arXiv 2409.03733.
    """

    name = "ideate"
    share = IDEATE_SHARE

    async def write(self, desk: Desk) -> Written:
        return await ask_for(desk, "ideate", whole(desk))


class Crossover(_Asking):
    """Joins two parents that are good at different things, for a fitness that is stated."""

    name = "crossover"
    num_parents = 2
    share = CROSSOVER_SHARE
    pairing: Pairing = "complementary"

    async def write(self, desk: Desk) -> Written:
        fitness = [parent.fitness for parent in desk.parents if parent.fitness is not None]
        target = max(fitness) + TARGET_BEYOND * (max(fitness) - min(fitness))
        return await ask_for(desk, "crossover", whole(desk), target)


class Repair(_Asking):
    """Mends a program that failed, with what is known of how."""

    name = "repair"
    share = REPAIR_SHARE
    pairing: Pairing = "failed"

    async def write(self, desk: Desk) -> Written:
        return await ask_for(desk, "repair", whole(desk))


ASKING: dict[str, Operator] = {
    operator.name: operator for operator in (Diff(), Rewrite(), Ideate(), Crossover(), Repair())
}
"""The operators that need a model, by name."""
