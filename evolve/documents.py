"""What the commands know about runs and programs, as plain values: the documents of `--json`.

Keys are stable and scripts rely on them; more may be added. Tables are drawn from these, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archive import queries, views
from archive.errors import Misnamed
from archive.records import Kind, RunRecord, Status
from archive.store import Archive
from evolve import spending
from evolve.believed import (
    believed_fields,
    best_document,
    challenger_document,
    confirmations_document,
    elite_of,
)
from evolve.config import SearchSettings
from evolve.grid import Grid, grid_stats
from evolve.hits import hashing_document
from evolve.hurdle_document import hurdle_document
from evolve.loader import Task
from evolve.spec import TaskSpec
from evolve.totals import Totals, run_totals
from evolve.variety import diversity_document

if TYPE_CHECKING:
    from evolve.recording import Difference
    from evolve.replay import Replay

Document = dict[str, Any]

# The state of a run that a broken world ended, and its reason to stop.
FAILED_RUN = "failed"


def runs_document(archive: Archive) -> list[Document]:
    """Give all runs, the latest first."""
    best, failures = queries.best_fitness(archive), queries.why_failed(archive)
    names = {digest: archive.task(digest).name for digest in {run.task for run in archive.runs()}}
    return [
        {
            "run": run.id,
            "name": run.name,
            "task": names[run.task],
            "state": (state := state_of(archive, run)),
            "failure": failures.get(run.id) if state == FAILED_RUN else None,
            "steps": run.told,
            "best_fitness": best.get(run.id),
            "started": run.started,
            "seconds": round(run.seconds, 3),
            "usd": run.usd + spending.cut_off(archive, run).usd,
        }
        for run in reversed(archive.runs())
    ]


def state_of(archive: Archive, run: RunRecord) -> str:
    """Tell whether a run is running, finished, interrupted or failed.

    A run that rests without a reason was killed: it is interrupted, and can be resumed.
    """
    return state_name(run, written=archive.writer(run) is not None)


def state_name(run: RunRecord, *, written: bool) -> str:
    """Name the state of a run. written: whether someone writes it at this moment."""
    if written:
        return "running"
    if run.stop_reason in (None, "interrupted"):
        return "interrupted"
    return FAILED_RUN if run.stop_reason == FAILED_RUN else "finished"


def status_document(archive: Archive, run: RunRecord) -> Document:
    """Give all that can be counted about a run, from told steps only."""
    totals, spec = run_totals(archive, run), spec_of(archive, run)
    kinds = {kind.value: totals.count("kind", kind.value) for kind in Kind}
    stats = grid_stats(shown_grid(archive, run, spec), spec.qd_offset)
    calls, cut = spending.settled_calls(archive, run), spending.cut_off(archive, run)
    unsettled = spending.unsettled(calls, cut)
    state = state_of(archive, run)
    return {
        "run": run.id,
        "name": run.name,
        "task": spec.name,
        "state": state,
        "stop_reason": run.stop_reason,
        "failure": queries.why_failed(archive).get(run.id) if state == FAILED_RUN else None,
        "started": run.started,
        "rng_seed": run.rng_seed,
        "lookahead": run.lookahead,
        "order": run.order,
        "limits": dict(run.limits),
        "world": run.world,
        "level": views.level(archive, run.id) or run.settings["min_level"],
        "steps": sum(kinds.values()),
        "steps_by_kind": {kind: kinds[kind] for kind in sorted(kinds) if kinds[kind]},
        "islands": _islands(archive, run),
        "evaluations": totals.count("evaluations"),
        "gradings": run.gradings,
        "statuses": {status.value: totals.count("status", status.value) for status in Status},
        "near_limits": totals.count("near limit"),
        "duplicates": {by: totals.count("duplicate", by) for by in ("syntax", "behaviour")},
        "hashing": hashing_document(totals, trusts_probes=spec.probes == "trust"),
        "hurdle": hurdle_document(archive, run, totals),
        "rejections": _rejections(run, totals),
        "diversity": diversity_document(archive, run),
        "operators": _operators(totals, calls),
        "models": spending.by_model(calls, run),
        "arms": spending.arms(archive, run, totals, calls),
        "best_fitness": queries.best_fitness(archive).get(run.id),
        "best": best_document(archive, run),
        "challenger": challenger_document(archive, run),
        "confirmations": confirmations_document(archive, run, kinds[Kind.CONFIRM]),
        "mean_fitness": stats.obj_mean,
        "num_elites": stats.num_elites,
        "coverage": stats.coverage,
        "qd_score": stats.qd_score,
        "norm_qd_score": stats.norm_qd_score,
        "usd": run.usd + cut.usd,
        "usd_unsettled": unsettled.usd,
        "tokens": run.tokens + cut.tokens,
        "tokens_unsettled": unsettled.tokens,
        "seconds": round(run.seconds, 3),
    }


def _islands(archive: Archive, run: RunRecord) -> Document | None:
    """Give what a run took over from other islands; None for a run that is none."""
    if not SearchSettings.of(run.settings).islands:
        return None
    from evolve.islands_document import islands_document

    return islands_document(archive, run)


def _rejections(run: RunRecord, totals: Totals) -> Document | None:
    """Give how programs were rejected by text and behaviour; None for a run that rejects none."""
    if SearchSettings.of(run.settings).embedder is None:
        return None
    from evolve.rejection import rejections_document

    return rejections_document(totals)


def replay_document(replay: Replay, difference: Difference | None = None) -> Document:
    """Give what a replay has shown: whether all recorded steps were told again, the same."""
    recorded = len(replay.recording.steps)
    return {
        "run": replay.record.name,
        "replay_of": replay.recording.run.name,
        "steps": replay.state.told,
        "recorded_steps": recorded,
        "same": replay.state.told == recorded,
        "first_difference": asdict(difference) if difference else None,
    }


def elites_document(archive: Archive, run: RunRecord) -> list[Document]:
    """Give the elites that a run's cells show, the best first by what is believed of them.

    incumbent: the best confirmed elite of the cell where the one shown is not confirmed, else None.
    """
    held = views.held_elites(archive, run.id)
    confirmed: dict[tuple[int, ...], views.ShownElite] = {}
    for each in held:
        if each.elite.confirmed:
            confirmed.setdefault(each.elite.cell, each)
    return [
        {
            **_elite(run, shown),
            "incumbent": _elite(run, confirmed[shown.elite.cell])
            if not shown.elite.confirmed and shown.elite.cell in confirmed
            else None,
        }
        for shown in held
        if shown.elite.slot == 0
    ]


def tasks_document(tasks: Iterable[tuple[Path, Task | None]]) -> list[Document]:
    """Give the tasks at hand; what their baselines.json does not tell is None.

    seconds_per_evaluation: of running and grading the best published program on `train`, wall time beside
    other work. published: the best published program. evolved: what searches from the published ones found, the mean over
    their rng_seeds on the hidden test.
    """
    return [_task(path, task) for path, task in tasks]


def map_document(grid: Grid, title: str) -> Document:
    """Give the cells of a map with the elites that they show."""
    return {
        "axes": [measure.model_dump(mode="json") for measure in grid.measures],
        "about": title,
        "cells": [
            {
                "cell": list(cell),
                "program": elite.program,
                **believed_fields(elite),
                "step": elite.step,
            }
            for cell, elite in grid.shown()
        ],
    }


def initial_name(run: RunRecord, step: int) -> str | None:
    """Give the name of the initial program that a step told; None for any later step."""
    initial = run.settings["initial"]
    return initial[step][0] if step < len(initial) else None


def spec_of(archive: Archive, run: RunRecord) -> TaskSpec:
    """Give the task.toml that a run began with."""
    return TaskSpec.model_validate(archive.task(run.task).spec)


def shown_grid(archive: Archive, run: RunRecord, spec: TaskSpec) -> Grid:
    """Give a run's grid with the first elite of every cell, which is what statistics see."""
    cells = {row.cell: (elite_of(row),) for row in queries.elites(archive, run.id) if row.slot == 0}
    depth = SearchSettings.of(run.settings).depth
    return Grid.of(spec.measures, depth, cells)


def run_by_id(archive: Archive, run: int) -> RunRecord:
    """Give the record of a run by its number."""
    for record in archive.runs():
        if record.id == run:
            return record
    raise Misnamed(f"{archive.where}: no run number {run}")


def _elite(run: RunRecord, held: views.ShownElite) -> Document:
    elite = held.elite
    return {
        "program": elite.program,
        "cell": list(elite.cell),
        **believed_fields(elite_of(elite)),
        "measures": dict(held.measures),
        "operator": held.operator,
        "model": held.model,
        "idea": held.idea,
        "step": elite.step,
        "parents": list(held.parents),
        "lines": len(held.source.splitlines()),
        "name": initial_name(run, elite.step),
    }


def _operators(totals: Totals, calls: Sequence[views.Calls]) -> dict[str, Document]:
    """Count per operator: steps told, programs that were new and valid, and that took a place.

    With what its calls of models cost, those of steps that are not told included.
    """
    told = sorted({name for name, _ in totals.under("operator")})
    spent = spending.by_operator(calls)
    return {
        name: {
            **{key: totals.count("operator", name, key) for key in ("steps", "ok", "placed")},
            **spent.get(name, spending.NOTHING_SPENT),
        }
        for name in dict.fromkeys((*told, *spent))
    }


def _task(path: Path, task: Task | None) -> Document:
    if task is None:
        unread = dict.fromkeys(("family", "seconds_per_evaluation", "published", "evolved"))
        return {"task": path.name, "path": str(path), **unread, "about": "its task.toml is wrong"}
    baselines = task.baselines()
    published = baselines.get("published")
    seconds = None
    if published is not None:
        best = baselines.get("programs", {}).get(published["name"], {})
        seconds = best.get("train", {}).get("seconds")
    return {
        "task": task.name,
        "path": str(path),
        "family": task.spec.family,
        "seconds_per_evaluation": seconds,
        "published": published,
        "evolved": baselines.get("evolved"),
        "about": task.spec.about,
    }
