"""What the calls of models cost a run, by model and by operator, and what its arms get for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from archive import views
from archive.records import RunRecord
from archive.store import Archive
from archive.views import EMBEDDER, JUDGE, Calls
from evolve.config import SearchSettings
from evolve.credit import Arm, Credit, Terms, mean_chances
from evolve.recording import REPLAY_OF
from evolve.totals import TAKEN, Totals

Document = dict[str, Any]

# Steps further back count for less than rounding, DISCOUNT to this power is below 1e-17; only whether
# every price is known may be told otherwise than to the search, for models that were once without one.
REMEMBERED = 4_000
NOTHING_SPENT: Document = {"calls": 0, "usd": 0.0, "tokens": 0, "unpriced": 0}


def settled_calls(archive: Archive, run: RunRecord) -> list[Calls]:
    """Count the calls that a run paid for. A replay made none: its answers are copies."""
    if REPLAY_OF in run.settings:
        return []
    search = SearchSettings.of(run.settings)
    reviewing = {JUDGE: search.judge, EMBEDDER: search.embedder}
    return [
        replace(call, model=reviewing.get(call.operator) or call.model)
        for call in views.calls(archive, run.id)
    ]


class Spent(NamedTuple):
    """Dollars and tokens of calls."""

    usd: float
    tokens: int


def unsettled(calls: Iterable[Calls], cut: Spent) -> Spent:
    """Give the worst case of all calls whose bill nobody knows. cut: of those that were cut off."""
    unknown = [call for call in calls if call.unsettled]
    return Spent(
        sum(call.usd for call in unknown) + cut.usd,
        sum(call.tokens for call in unknown) + cut.tokens,
    )


def cut_off(archive: Archive, run: RunRecord) -> Spent:
    """Give the reserves of calls that were cut off since the run was opened last."""
    if archive.writer(run) is not None:
        return Spent(0.0, 0)
    # Sums of what was added and taken away again end a hair beside zero.
    return Spent(round(run.reserved_usd, 9), run.reserved_tokens)


def by_model(calls: Iterable[Calls], run: RunRecord) -> dict[str, Document]:
    """Add up per model, those included that were never asked; {} for a run that asks none.

    usd, tokens: unsettled calls at their worst included; unpriced: calls that are not in it, since nobody
    knows their price.
    """
    if REPLAY_OF in run.settings:
        return {}
    own = {"failed": 0, "usd_unsettled": 0.0, "tokens_unsettled": 0}
    models = {name: {**NOTHING_SPENT, **own} for name in run.settings.get("models", ())}
    for call in calls:
        row = models.setdefault(call.model, {**NOTHING_SPENT, **own})
        _add(row, call)
        row["failed"] += call.number if call.failed else 0
        row["usd_unsettled"] += call.usd if call.unsettled else 0.0
        row["tokens_unsettled"] += call.tokens if call.unsettled else 0
    return models


def by_operator(calls: Iterable[Calls]) -> dict[str, Document]:
    """Add up per operator that asked a model."""
    operators: dict[str, Document] = {}
    for call in calls:
        _add(operators.setdefault(call.operator, {**NOTHING_SPENT}), call)
    return operators


def arms(
    archive: Archive, run: RunRecord, totals: Totals, calls: Iterable[Calls]
) -> list[Document]:
    """Give what each pair of operator and model did and gets; [] where no bandit decides.

    steps: told; taken: of these, by the grid. share: of the steps to come, 0 to 1, all together 1.
    """
    if SearchSettings.of(run.settings).credit != "bandit":
        return []
    terms = _terms(run)
    credit = Credit()
    for step in views.credited_steps(archive, run.id, REMEMBERED):
        arm, took = (step.operator, step.model), step.placement in TAKEN
        credit = credit.told(arm, taken=took, usd=step.usd, tokens=step.tokens)
    spent: dict[Arm, Document] = {arm: {**NOTHING_SPENT} for arm in terms}
    for call in calls:
        _add(spent.setdefault((call.operator, call.model), {**NOTHING_SPENT}), call)
    return [
        {
            "operator": arm[0],
            "model": arm[1],
            "steps": totals.count("arm", arm[0], arm[1] or "", "steps"),
            "taken": totals.count("arm", arm[0], arm[1] or "", "taken"),
            **spent[arm],
            "share": float(share),
        }
        for arm, share in zip(terms, mean_chances(credit, terms), strict=True)
    ]


def _terms(run: RunRecord) -> dict[Arm, Terms]:
    # Loads the operators, for which only a run with a bandit waits.
    from evolve.operators import ALL
    from evolve.selection import Means, terms_of

    operators = {name: ALL[name] for name in run.settings["operators"]}
    models: Sequence[str] = run.settings.get("models", ())
    return terms_of(Means(operators, models), sorted(operators))


def _add(row: Document, call: Calls) -> None:
    row["calls"] += call.number
    row["usd"] += call.usd
    row["tokens"] += call.tokens
    row["unpriced"] += call.unpriced
