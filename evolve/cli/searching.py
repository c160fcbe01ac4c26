"""Commands that search: run and resume."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from evolve.cli.asking import check_asking, check_spent, models_of
from evolve.cli.options import (
    MODEL_OPERATORS,
    OFFLINE_OPERATORS,
    ArchivePlace,
    AsJson,
    Evaluations,
    ExecutorName,
    Hours,
    MinLevel,
    RunName,
    Tokens,
    Usd,
    Workers,
    complete_operators,
    complete_task,
    open_archive,
    show_json,
    wall_level,
)
from evolve.executor import LOCAL

if TYPE_CHECKING:
    from archive.records import RunRecord
    from archive.store import Archive
    from evolve.config import RaySettings
    from evolve.messages import Model
    from evolve.run import Run

DEFAULT_STEPS = 200
INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (run, resume):
        app.command()(command)


def run(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="A task's folder or name.", autocompletion=complete_task
        ),
    ],
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"End after so many steps, initial programs included. [{DEFAULT_STEPS}, "
            "if no other limit is told]",
        ),
    ] = None,
    operators: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help=f"Operators to use, of {', '.join(OFFLINE_OPERATORS)}; "
            f"with --model: {', '.join(MODEL_OPERATORS)}. [all that the task offers]",
            autocompletion=complete_operators,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="A language model that writes programs; told several times, an ensemble. "
            "anthropic/NAME, openai/NAME, openai/NAME@URL for a server of one's own, or "
            "PROVIDER/NAME for what litellm knows. Keys are read from the environment or .env.",
        ),
    ] = None,
    usd: Usd = None,
    tokens: Tokens = None,
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ORIGIN",
            help="Initial programs: published, trivial, a run (its elites), a folder or FILE.py.",
        ),
    ] = "published",
    workers: Workers = None,
    executor: ExecutorName = LOCAL,
    rng_seed: Annotated[
        int,
        typer.Option(min=0, metavar="S", help="Equal numbers give equal runs, with any workers."),
    ] = 0,
    hours: Hours = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's name. [TASK-1, TASK-2, ...]")
    ] = None,
    evaluations: Evaluations = None,
    min_level: MinLevel = None,
    archive: ArchivePlace = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the task, search.KEY, model.KEY or ray.KEY.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search for programs that do a task better.

    Ctrl-C once finishes what is running and ends; `evolve resume` goes on.

    Example: evolve run data_selection --steps 400 --rng-seed 1

    With a language model, for 5 dollars at most, or with one that a server on this machine runs
    (vLLM, Ollama, llama.cpp):

    \b
    evolve run data_selection --model anthropic/claude-sonnet-5 --usd 5
    evolve run data_selection --model openai/qwen3@http://127.0.0.1:11434/v1

    Keys of --set, beside those of the task's own (`evolve run TASK --set ?` lists them with defaults):

    \b
    search.  order lookahead parents depth share_grades confirm hurdle
             embedder similarity judge credit islands migrate
    model.   concurrency timeout_s retries patience_s max_tokens temperature
             thinking prompt_tokens requests_per_minute tokens_per_minute
             price api stream
    ray.     address cpus gpus memory_mb patience_s line   (with --executor ray)
    """
    from archive.store import Archive
    from evolve.build import check_executor, num_slots
    from evolve.config import RunLimits, archive_place
    from evolve.initial import initial_programs
    from evolve.loader import load_task
    from evolve.opening import open_run

    loaded = load_task(task, settings or ())
    check_executor(executor, loaded.ray)
    lowest = wall_level(min_level, loaded.spec.device)
    limits = RunLimits(steps=steps, evaluations=evaluations, hours=hours, usd=usd, tokens=tokens)
    names = model or []
    chosen = operators.split(",") if operators is not None else None
    check_asking(names, chosen, limits, loaded.model)
    # Before there is a run: one without its key, or its GPU, could not begin.
    models = models_of(names, loaded.model)
    if executor == LOCAL:
        workers = num_slots(loaded, workers)
    with Archive.open(archive_place(archive)) as opened:
        opened_run = open_run(
            loaded,
            archive=opened,
            rng_seed=rng_seed,
            limits=limits if limits.record() else RunLimits(steps=DEFAULT_STEPS),
            name=name,
            operators=chosen,
            initial=initial_programs(loaded, origin, opened),
            models=names,
            min_level=lowest,
        )
        _work(opened_run, models, _Place(executor, workers, None), archive, as_json)


def resume(
    run: RunName = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="The new total of steps, those that are told included."
        ),
    ] = None,
    evaluations: Evaluations = None,
    hours: Hours = None,
    usd: Usd = None,
    tokens: Tokens = None,
    workers: Workers = None,
    executor: ExecutorName = LOCAL,
    min_level: MinLevel = None,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Do the told steps again in a new run, NAME-replay, and compare."
        ),
    ] = False,
    archive: ArchivePlace = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="ray.KEY=VALUE", help="Where --executor ray finds places."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run, give it more to do, or prove it by doing it again.

    200 steps and then --steps 400 give the same run as 400 at once.

    --replay takes what models answered, what drafts gave and what ran into a limit from the
    journal, and makes no call. All programs are written, run and graded anew, even where the
    archive knows them. The first step that differs is named, with exit code 1.

    --usd and --tokens bound the whole run: what it spent before counts. --executor and ray.* are not
    kept with a run: tell them again, or go on elsewhere.

    Example: evolve resume data_selection-1 --steps 400, or evolve resume data_selection-1 --replay
    """
    from evolve.build import check_executor
    from evolve.config import RunLimits, ray_settings
    from evolve.errors import UsageError
    from evolve.opening import replay_run, resume_run, task_of
    from evolve.recording import REPLAY_OF

    ray = ray_settings(settings or ())
    check_executor(executor, ray)
    given = RunLimits(steps=steps, evaluations=evaluations, hours=hours, usd=usd, tokens=tokens)
    told = given.record()
    if replay and told:
        raise UsageError(
            f"--replay does the steps that were told again: leave out --{', --'.join(told)}"
        )
    with open_archive(archive) as opened:
        record = opened.run(run) if run else _latest_search(opened)
        task = task_of(record)
        lowest = wall_level(min_level or record.settings["min_level"], task.spec.device)
        if steps is not None and steps < record.told:
            raise UsageError(f"{record.told} steps are told already: give --steps more than that")
        place = _Place(executor, workers, lowest)
        if replay:
            replayed = replay_run(record, archive=opened)
            replayed.task = replace(replayed.task, ray=ray)
            _work(replayed, [], place, archive, as_json)
            return
        # A replay asks nobody, whatever its run asked.
        names = [] if REPLAY_OF in record.settings else record.settings.get("models", [])
        check_asking(names, None, given)
        check_spent(record, given)
        models = models_of(names, task.model)
        # A limit that is not told again stands.
        limits = RunLimits(**{**record.limits, **told}) if told else None
        resumed = resume_run(record, archive=opened, limits=limits)
        resumed.task = replace(resumed.task, ray=ray)
        if resumed.over:
            typer.echo(
                f"{record.name} has reached its limit; --{resumed.over} N raises it", err=True
            )
        _work(resumed, models, place, archive, as_json)


def _latest_search(archive: Archive) -> RunRecord:
    """Give the latest run that is no replay of another, one that told nothing last; else the latest."""
    from evolve.documents import FAILED_RUN
    from evolve.recording import REPLAY_OF

    searches = [record for record in archive.runs() if REPLAY_OF not in record.settings]
    told = [record for record in searches if record.told or record.stop_reason != FAILED_RUN]
    return (told or searches or [archive.run()])[-1]


class _Place(NamedTuple):
    """Where candidates run, as told on the command line."""

    executor: str
    workers: int | None
    min_level: str | None

    @property
    def is_local(self) -> bool:
        return self.executor == LOCAL

    def words(self, ray: RaySettings) -> str:
        """Give the options that name it again, since a run does not keep them."""
        if self.is_local:
            return ""
        return "".join([f" --executor {self.executor}", *(f" --set {each}" for each in ray.told)])


def _work(
    run: Run,
    models: Sequence[Model],
    place: _Place,
    archive: str | None,
    as_json: bool,
) -> None:
    """Search under a display, then say what came of it and what to do next.

    archive: as it was named on the command line, so that hints name it too, a password left out.
    """
    from rich.console import Console

    from archive.errors import ArchiveError
    from archive.passwords import without_password
    from evolve.build import num_slots, search
    from evolve.documents import replay_document, status_document
    from evolve.errors import WorldError
    from evolve.live import display
    from evolve.replay import Differs, Replay
    from evolve.tally import CallsUnderWay
    from sandbox import SandboxError

    # The document of --json has standard output to itself.
    console = Console(stderr=as_json, highlight=False)
    slots = num_slots(run.task, place.workers) if place.is_local else place.workers or 0
    name = run.record.name
    where = f" --archive {shlex.quote(without_password(archive))}" if archive else ""
    again = f"`evolve resume {name}{where}{place.words(run.task.ray)}` goes on"
    calls = CallsUnderWay()
    try:
        with display(run, slots, console, calls) as view:
            reason = search(
                run,
                workers=place.workers,
                executor=place.executor,
                models=[calls.counted(model) for model in models],
                min_level=place.min_level,
                watch=view.watch,
                report=view.report,
                signals=True,
                stopping=view.stopping,
            )
    except (WorldError, ArchiveError, SandboxError, OSError) as error:
        told = f"the {run.state.told} told steps are kept; {again}"
        raise WorldError(f"{error}\n{told}") from error
    except Differs as error:
        if as_json:
            show_json(replay_document(error.replay, error.difference))
        raise
    if as_json:
        show_json(
            replay_document(run)
            if isinstance(run, Replay)
            else status_document(run.archive, run.archive.run(name))
        )
    if reason == "interrupted":
        Console(stderr=True, highlight=False).print(
            f"interrupted: all {run.state.told} told steps are kept{_answers_kept(run)}; {again}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED)
    if not as_json:
        for line in _farewell(run, reason, where):
            console.print(line, markup=False, soft_wrap=True)


def _answers_kept(run: Run) -> str:
    return " and every answer that came" if run.means.models else ""


def _farewell(run: Run, reason: str, where: str) -> list[str]:
    """Say how the run ended and what can be done with it."""
    from evolve.replay import Replay
    from evolve.tally import best_so_far

    name, state, best = run.record.name, run.state, best_so_far(run.state)
    if isinstance(run, Replay):
        return [f"{name}: all {state.told} steps are the same as in {run.recording.run.name}"]
    hints = []
    if best:
        hints += [
            (f"elites {name}", "what it found"),
            (f"map {name}", "where on the grid"),
            (f"show {best.program[:8]}", "the best program"),
            (f"verify {name}", "is it better on the hidden test?"),
        ]
    limit = run.limits.record()[reason]
    twice = f"{2 * limit:g}" if isinstance(limit, float) else str(2 * limit)
    hints.append((f"resume {name} --{reason} {twice}", "go on"))
    width = max(len(command) for command, _ in hints)
    ended = f"finished, its limit on {reason} is reached"
    if run.refused:
        ended = f"ended within its bound: {run.refused}"
    return [
        *_without_hurdle(run),
        f"{name}: {ended}",
        *(f"  evolve {command + where:{width + len(where)}}   {about}" for command, about in hints),
    ]


def _without_hurdle(run: Run) -> list[str]:
    """Say that a hurdle was asked for which this task cannot have."""
    from evolve.hurdle_document import hurdle_document
    from evolve.status_view import too_few

    hurdle = hurdle_document(run.archive, run.record, run.totals)
    if hurdle is None or hurdle["quick"] != 0:
        return []
    return [f"search.hurdle: {too_few(hurdle['whole'])}"]
