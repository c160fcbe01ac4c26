"""Commands that look at an archive: runs, status, elites, map; and tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evolve.cli.options import (
    ArchivePlace,
    AsJson,
    RunName,
    Workers,
    open_archive,
    show,
    show_json,
)
from evolve.cli.progress import progress

if TYPE_CHECKING:
    from archive.records import RunRecord
    from archive.store import Archive
    from evolve.loader import Task

# Rows that a screen holds of the table of elites; --json has all.
SHOWN_ELITES = 30
# Seconds between two looks of --watch: a glance at a wall clock, and no load on a server.
WATCH_S = 2.0
SHORTEST_WATCH_S = 0.1


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(runs)
    app.command()(status)
    app.command()(elites)
    app.command("map")(show_map)
    app.command()(tasks)


def runs(
    watched: Annotated[
        bool,
        typer.Option("--watch", help="Keep looking until Ctrl-C, at runs of other machines, too."),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            min=SHORTEST_WATCH_S,
            metavar="SECONDS",
            help=f"From one look to the next, with --watch. [{WATCH_S:g}]",
        ),
    ] = None,
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of an archive, the latest first.

    With --watch a table that is drawn again and again: steps told, pace, when a step was told last;
    where no terminal is, a line for every change. Ctrl-C ends it with exit code 0.

    Example: evolve runs, or evolve runs --watch
    """
    from evolve.documents import runs_document
    from evolve.errors import UsageError

    if watched and as_json:
        raise UsageError("--watch: goes on until Ctrl-C, and --json prints one document")
    if every is not None and not watched:
        raise UsageError("--every: nothing is looked at twice without --watch")
    with open_archive(archive) as opened:
        if watched:
            _watch(opened, every or WATCH_S)
            return
        document = runs_document(opened)
    if as_json:
        show_json(document)
        return
    from evolve.tables import runs_table

    show(runs_table(document))


def _watch(archive: Archive, every_s: float) -> None:
    """Show runs until Ctrl-C, which is how this ends and no fault."""
    from contextlib import suppress

    from rich.console import Console

    from evolve.watching import watch

    with suppress(KeyboardInterrupt):
        watch(archive, every_s, Console(highlight=False))


def status(
    run: RunName = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure its elites on fresh instances, too.")
    ] = False,
    workers: Workers = None,
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Show a run in numbers.

    Steps by kind and status, duplicates, gradings, operators and the grid; what hashing has saved
    and probing has cost; the best program that was confirmed, and how much of what was measured
    held on fresh instances; what models cost, and what share of the steps each operator and model
    gets.

    With --fresh every elite shown is evaluated on instances that nothing was selected on, and
    placed anew by what it does there: how much of the grid is luck. The hidden test is not read.

    Example: evolve status data_selection-1
    """
    from evolve.documents import status_document
    from evolve.errors import UsageError

    if workers is not None and not fresh:
        raise UsageError("--workers: nothing is evaluated without --fresh")
    with open_archive(archive) as opened:
        record = opened.run(run)
        corrected = _corrected(opened, record, workers) if fresh else None
        document = status_document(opened, record) | ({"fresh": corrected} if corrected else {})
    if as_json:
        show_json(document)
        return
    from evolve.status_view import status_table

    show(status_table(document))
    if corrected:
        from evolve.corrected_view import corrected_table

        show(corrected_table(corrected))


def elites(run: RunName = None, archive: ArchivePlace = None, as_json: AsJson = False) -> None:
    """List the elites of a run, the best first.

    Each cell of the grid shows one. The best of many scores is the luckiest, so fitness is what is
    believed after confirm steps on fresh instances; a `?` marks what was not confirmed itself.
    --json has the scores as measured, too.

    Example: evolve elites data_selection-1
    """
    from evolve.documents import elites_document

    with open_archive(archive) as opened:
        record = opened.run(run)
        document = elites_document(opened, record)
    if as_json:
        show_json(document)
        return
    from evolve.tables import elites_table

    show(elites_table(document, record.name, SHOWN_ELITES))


def show_map(
    run: RunName = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Other measures: the first to the right, then upwards."),
    ] = None,
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Draw the grid of a run as a heat map of fitness, as `evolve elites` tells it.

    With --axes all programs of the run are placed anew, as they are believed now, on a grid over
    any two measures that the task's grades carry, declared in its task.toml or not.

    Example: evolve map data_selection-1 --axes recall,difficulty
    """
    from evolve.believed import offered
    from evolve.documents import map_document, shown_grid, spec_of
    from evolve.heatmap import HeatMap, project, refold

    with open_archive(archive) as opened:
        record = opened.run(run)
        spec = spec_of(opened, record)
        if axes is None:
            grid, note = project(shown_grid(opened, record, spec)), ""
        else:
            names = [name.strip() for name in axes.split(",")]
            grid, note = refold(spec.measures, offered(opened, record), names)
    x, y = grid.measures
    title = f"{record.name}: fitness over {x.name} and {y.name}"
    title += f" ({note})" if note else ""
    if as_json:
        show_json(map_document(grid, title))
    else:
        show(HeatMap(grid, title))


def tasks(as_json: AsJson = False) -> None:
    """List the tasks at hand.

    Those that ship with evolve, and those in this folder and in ./tasks.

    Example: evolve tasks
    """
    from evolve.documents import tasks_document

    document = tasks_document(_tasks())
    if as_json:
        show_json(document)
        return
    from evolve.tables import tasks_table

    show(tasks_table(document))


def _corrected(archive: Archive, record: RunRecord, workers: int | None) -> dict[str, Any]:
    """Measure the elites of a run on fresh instances. Raises: UsageError, RunBusy, WorldError."""
    from evolve.corrected import corrected

    with progress() as told:
        return corrected(archive, record, workers=workers, report=told, watch=told)


def _tasks() -> list[tuple[Path, Task | None]]:
    """Load every task at hand; one that is faulty is listed all the same."""
    from evolve.errors import TaskError
    from evolve.folder import SPEC_FILE, shipped_tasks
    from evolve.loader import load_task

    here = {
        path.parent.resolve()
        for home in (Path("tasks"), Path())
        for path in home.glob(f"*/{SPEC_FILE}")
    }
    found: list[tuple[Path, Task | None]] = []
    for folder in sorted(here.union(shipped_tasks().values()), key=lambda path: path.name):
        try:
            found.append((folder, load_task(folder)))
        except TaskError:
            found.append((folder, None))
    return found
