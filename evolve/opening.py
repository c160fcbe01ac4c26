"""Opens runs for writing: new ones, those that go on, and replays."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from archive.errors import RunBusy
from archive.journal import Journal
from archive.records import RunRecord, TaskRecord
from archive.store import Archive
from evolve.bounds import check_bounds
from evolve.briefing import Briefing, references, signature
from evolve.config import RunLimits, SearchSettings
from evolve.embedding import embedder_named
from evolve.errors import UsageError
from evolve.likeness import is_service
from evolve.loader import Task, load_moved, load_task
from evolve.models.keys import read_keys
from evolve.operators import ASKING, OFFLINE, offered
from evolve.operators.base import Operator
from evolve.recording import REPLAY_OF
from evolve.replay import Replay, read_recording
from evolve.run import Run
from evolve.world import world_of
from sandbox.levels import MIN_LEVEL


def open_run(
    task: Task | str | Path,
    *,
    archive: Archive,
    rng_seed: int = 0,
    limits: RunLimits | None = None,
    name: str | None = None,
    operators: Sequence[str] | None = None,
    initial: Mapping[str, str] | None = None,
    models: Sequence[str] = (),
    min_level: str = MIN_LEVEL,
) -> Run:
    """Start a run and become its writer.

    limits: 200 steps unless told. operators: names; all that the task offers unless told.
    initial: {name: source}, the task's programs unless told. models: names of those that write,
    which `search` is given later.
    Raises: UsageError, TaskError, ArchiveError.
    """
    task = task if isinstance(task, Task) else load_task(task)
    limits = limits or RunLimits(steps=200)
    programs = dict(initial) if initial is not None else task.programs()
    chosen = choose_operators(task, operators, models)
    asking = any(operator.uses_model for operator in chosen.values())
    if models and not asking:
        raise UsageError(
            f"none of the operators {', '.join(chosen)} asks a model: leave out {models[0]}"
        )
    search = task.search.where_models_write(task.model.concurrency) if asking else task.search
    _check_review(search, models)
    if search.islands and name not in search.islands:
        raise UsageError(
            f"--set search.islands={','.join(search.islands)}: --name must say which of them this is"
        )
    check_bounds(limits, models if asking else (), task.model, services_of(search))
    record = archive.create_run(
        task=TaskRecord(task.digest, task.name, task.spec.model_dump(mode="json")),
        world=world_of(task),
        settings={
            "task": dict(task.settings),
            "search": search.model_dump(),
            "models": list(models) if asking else [],
            "model": task.model.model_dump(),
            "briefing": _briefing(task, programs).plain() if asking else None,
            "folder": str(task.folder),
            "operators": sorted(chosen),
            # In the run's own row, so that a kill right after it loses none of them.
            "initial": [[key, source] for key, source in programs.items()],
            "min_level": min_level,
        },
        rng_seed=rng_seed,
        lookahead=search.lookahead,
        order=search.order,
        limits=limits.record(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        name=name,
    )
    with _closed_on_error(archive.write(record)) as journal:
        return Run(task, archive, journal, chosen)


def resume_run(
    record: RunRecord,
    *,
    archive: Archive,
    limits: RunLimits | None = None,
) -> Run:
    """Open a run again where it stands, with new limits if told; a replay goes on as a replay.

    Raises: UsageError if the task or the world has changed since, or for new limits of a replay;
    RunBusy if it is running.
    """
    if REPLAY_OF in record.settings:
        return _resume_replay(record, archive, limits)
    islands = SearchSettings.of(record.settings).islands
    if islands and record.name not in islands:  # it failed, and gave its name up
        raise UsageError(
            f"{record.name} is none of the islands {', '.join(islands)}: another run has its name now"
        )
    task = _unchanged_task(record)
    models = record.settings.get("models", ())
    chosen = choose_operators(task, record.settings["operators"], models)
    check_bounds(limits or RunLimits(**record.limits), models, task.model, services_of(task.search))
    with _closed_on_error(archive.write(record)) as journal:
        if limits is not None:
            journal.reopen(limits.record())
        return Run(task, archive, journal, chosen)


def replay_run(record: RunRecord, *, archive: Archive) -> Replay:
    """Start a new run that does a run's told steps again; of a replay, the run that it replays.

    It is named NAME-replay (then NAME-replay-2, ...) and needs no model: answers are as recorded.
    `search` raises Differs at the first step that comes to something else.
    Raises: UsageError if the task or the world has changed since, or nothing was told; RunBusy if
    the run is being written.
    """
    if REPLAY_OF in record.settings:
        record = archive.run(record.settings[REPLAY_OF])
    task = _unchanged_task(record)
    if (writer := archive.writer(record)) is not None:
        raise RunBusy(
            f"{archive.where}: run {record.name} is being written by {writer}; replay it when it "
            "has ended"
        )
    if record.told == 0:
        raise UsageError(f"{record.name} has told no step yet: there is nothing to replay")
    replay = archive.create_run(
        task=archive.task(record.task),
        world=record.world,
        settings={**record.settings, REPLAY_OF: record.name},
        rng_seed=record.rng_seed,
        lookahead=record.lookahead,
        order=record.order,
        limits=RunLimits(steps=record.told).record(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        name=_replay_name(archive, record),
    )
    return _open_replay(task, replay, archive)


def _resume_replay(record: RunRecord, archive: Archive, limits: RunLimits | None) -> Replay:
    if limits is not None and limits.record() != dict(record.limits):
        original = record.settings[REPLAY_OF]
        raise UsageError(
            f"{record.name} replays {original} and has as many steps as that one had: it takes no "
            f"new limits; `evolve resume {original}` goes on with the search"
        )
    return _open_replay(_unchanged_task(record), record, archive)


def _open_replay(task: Task, record: RunRecord, archive: Archive) -> Replay:
    original = archive.run(record.settings[REPLAY_OF])
    recording = read_recording(archive, original, record.limits["steps"])
    models = record.settings.get("models", ())
    chosen = choose_operators(task, record.settings["operators"], models)
    with _closed_on_error(archive.write(record)) as journal:
        return Replay(task, archive, journal, chosen, recording)


def _replay_name(archive: Archive, record: RunRecord) -> str:
    taken = {run.name for run in archive.runs()}
    first = f"{record.name}-replay"
    names = (f"{first}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([first], names) if name not in taken)


@contextlib.contextmanager
def _closed_on_error(journal: Journal) -> Iterator[Journal]:
    """Let go of a run that could not be opened; whoever opened one closes it."""
    try:
        yield journal
    except BaseException:
        journal.close()
        raise


def _unchanged_task(record: RunRecord) -> Task:
    """Load a run's task. Raises: UsageError if it, or this world, is not what the run knew."""
    task = task_of(record)
    if task.digest != record.task:
        raise UsageError(
            f"the task {task.name} has changed since {record.name} began ({task.folder}): its "
            "scores could not be compared. Undo the change, or start a new run with `--from "
            f"{record.name}`"
        )
    if world_of(task) != record.world:
        raise UsageError(
            f"{record.name} was begun under {record.world} and this is {world_of(task)}: last digits may "
            f"differ. Resume there, or start a new run with `--from {record.name}`"
        )
    return task


def task_of(record: RunRecord) -> Task:
    """Load the task of a run with the settings that it was begun with, though it was moved since."""
    pairs = [f"{key}={value}" for key, value in record.settings["task"].items()]
    task = load_moved(record.settings["folder"], pairs, record.task)
    return replace(
        task,
        search=SearchSettings.of(record.settings),
        model=task.model.model_validate(record.settings.get("model", {})),
    )


def choose_operators(
    task: Task, names: Sequence[str] | None, models: Sequence[str] = ()
) -> dict[str, Operator]:
    """Give the operators of these names, or all that work on the task with these models or none.

    Raises: UsageError for a name that there is not, or one that this task cannot use.
    """
    known = offered(task.spec, with_model=bool(models))
    if names is None:
        return dict(known)
    chosen: dict[str, Operator] = {}
    for name in names:
        if name not in known:
            why = "is no operator"
            if name in OFFLINE:
                why = "needs a vocabulary in task.toml"
            elif name in ASKING:
                why = "needs a language model (--model)"
            raise UsageError(f"--operators {name}: {why}; there are: {', '.join(sorted(known))}")
        chosen[name] = known[name]
    if chosen and all(operator.pairing == "failed" for operator in chosen.values()):
        raise UsageError(
            f"--operators {','.join(chosen)}: mends what others wrote; add one that writes"
        )
    return chosen


def _briefing(task: Task, programs: Mapping[str, str]) -> Briefing:
    """Give what models will be told for the whole run."""
    known = {**task.programs(), **task.controls()}
    return Briefing(
        brief=task.brief,
        spec=task.spec,
        references=references(task.baselines(), known),
        signature=signature(next(iter(programs.values()), ""), task.spec.entry),
    )


def _check_review(search: SearchSettings, models: Sequence[str]) -> None:
    """Refuse an embedder that cannot be had, and a judge that is not there. Raises: UsageError."""
    if search.embedder is not None:
        embedder_named(search.embedder, keys=read_keys(Path()))
    if search.judge is not None and search.judge not in models:
        there = ", ".join(models) or "none: give one with --model"
        raise UsageError(
            f"--set search.judge={search.judge}: must be one of the run's models; there are {there}"
        )


def services_of(search: SearchSettings) -> tuple[str, ...]:
    """Name what is asked and paid like a model, and writes nothing."""
    return (search.embedder,) if search.embedder and is_service(search.embedder) else ()
