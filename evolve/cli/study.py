"""Commands that study a task or what a run has found: verify, export, check, new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from evolve.cli.options import (
    ArchivePlace,
    AsJson,
    MinLevel,
    RunName,
    Workers,
    open_archive,
    wall_level,
)
from evolve.cli.progress import progress

if TYPE_CHECKING:
    from evolve.check import Report

# A person compares the first letters of a hash; `--json` has it whole.
PROGRAM_LETTERS = 8
# A faulty task is wrong usage, like a wrong argument.
FAULTY = 2
NO_VALUE = "-"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (verify, export, check, new):
        app.command()(command)


def verify(
    run: RunName = None,
    top: Annotated[
        int,
        typer.Option(
            min=1, help="How many of the best elites, by fitness less its ±, one of each cell."
        ),
    ] = 3,
    strict: Annotated[
        bool, typer.Option("--strict", help="On test instances that are this run's alone.")
    ] = False,
    workers: Workers = None,
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Compare the best programs of a run with the baselines on the hidden test.

    Each look is recorded with the run and counted, and p is corrected for all programs looked at.

    All runs share one hidden test, so that what looks at it tell can leak into the choice among
    runs. With --strict the instances are drawn from the run's name and rng_seed: no other run is
    measured on them. It costs making them (as long as a task takes to make a block), and running
    the baselines on them as well; random search and best of n stay as measured on the shared test.

    Example: evolve verify data_selection-1 --top 5
    """
    from evolve import verify as room

    with open_archive(archive) as opened, progress() as told:
        result = room.verify(
            opened,
            opened.run(run),
            top=top,
            strict=strict,
            workers=workers,
            report=told,
            watch=told,
        )
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        _show_verified(result)


def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The package's folder.")],
    what: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|PROGRAM]", help="A run, or the beginning of a hash."),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            min=1, help="How many of a run's best elites, by fitness less its ±, one of each cell."
        ),
    ] = 10,
    workers: Workers = None,
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Write programs as a package that needs numpy only, with a test that they still decide alike.

    Example: evolve export data_selection-1 --to found --top 5
    """
    from evolve import export as room

    with open_archive(archive) as opened, progress() as told:
        of_run = what is None or any(run.name == what for run in opened.runs())
        modules = room.export(opened, what, to, top=top, workers=workers, report=told)
    if as_json:
        typer.echo(json.dumps({"folder": str(to), "modules": modules}))
        return
    typer.echo(f"{to}: {len(modules)} programs, best first: {', '.join(modules)}")
    if of_run:
        typer.echo(
            "one of each cell, ranked by fitness less its ± once some are confirmed: so it may be another "
            "than `evolve elites` shows, which ranks by fitness alone"
        )
    typer.echo(
        f"`from {to.resolve().name} import catalogue`; `python {to}/test_exported.py` proves it"
    )


def check(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's folder or name.")],
    workers: Workers = None,
    min_level: MinLevel = None,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a task. The hidden test is not opened.

    Exit code 2 if there is an error; warnings alone are fine.

    Example: evolve check tasks/data_selection
    """
    from evolve import check as room

    lowest = wall_level(min_level)
    with progress() as told:
        report = room.check(task, workers=workers, min_level=lowest, report=told, watch=told)
    if as_json:
        typer.echo(json.dumps(report.json(), indent=1))
    else:
        _show_checked(report)
    if not report.ok:
        raise typer.Exit(FAULTY)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and _.")],
    at: Annotated[Path, typer.Option(metavar="DIR", help="Where to make its folder.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Make the folder of a new task: a small one that is complete and runs.

    Example: evolve new my_task --at tasks
    """
    from evolve.scaffold import scaffold

    folder = scaffold(name, at)
    if as_json:
        typer.echo(json.dumps({"task": name, "path": str(folder)}))
        return
    typer.echo(f"{folder}: made; change it into yours, then")
    typer.echo(f"  evolve check {folder}")
    typer.echo(f"  evolve run {folder} --steps 100")


def _show_verified(result: dict[str, Any]) -> None:
    console = Console()
    hidden = "a hidden test of its own" if result["strict"] else "the hidden test"
    title = f"{result['run']} on {hidden} of {result['task']}: {result['instances']} instances"
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    columns = ("program", "score", "difference", "95 % interval", "p", "optimism")
    for column in columns:
        table.add_column(column, justify="left" if column == "program" else "right", no_wrap=True)
    table.add_column("beats\npublished")
    table.add_column("beats\ntuned")
    for row in result["programs"]:
        table.add_row(*_program_cells(row))
    console.print(table)
    for line in _remarks(result):
        console.print(line, highlight=False, markup=False)
    for line in _subgroup_lines([row for row in result["programs"] if not _is_published(row)]):
        console.print(line, highlight=False, markup=False)
    for name in ("published", "tuned", "random", "random_search", "best_of_n"):
        console.print(_baseline_line(name, result[name]), highlight=False, markup=False)
    console.print(
        f"{'this run':>13}  {result['evaluations']} evaluations", highlight=False, markup=False
    )
    looks = f"Look {result['looks']} of this run at this test"
    if result["looks_of_all_runs"] > result["looks"]:
        looks += f", {result['looks_of_all_runs']} of all runs"
    console.print(
        "Programs are the best elites of different cells, by the lower end of what is believed of "
        "them. Differences are to the published baseline, paired; p is corrected (Holm) for "
        f"{result['examined']} programs looked at; optimism is valid less test. {looks}.",
        style="dim",
    )
    if result["note"]:
        console.print(result["note"], style="yellow", markup=False)


def _program_cells(row: dict[str, Any]) -> tuple[str, ...]:
    program = row["program"][:PROGRAM_LETTERS]
    if row["score"] is None:
        return program, row["status"]
    low, high = row["interval"]
    return (
        program,
        f"{row['score']:.4f}",
        f"{row['difference']:+.4f}",
        f"{low:+.4f} {high:+.4f}",
        f"{row['p']:.2g}",
        _signed(row["optimism"]),
        _verdict(row["beats_published"]),
        _verdict(row["beats_tuned"]),
    )


def _remarks(result: dict[str, Any]) -> Iterator[str]:
    """Say what is easily missed: a row that compares the baseline with itself, an elite left out."""
    for row in filter(_is_published, result["programs"]):
        program = row["program"][:PROGRAM_LETTERS]
        yield f"{program} is the published baseline itself: nothing found is surer to be better."
    if result["left_out"]:
        program = result["left_out"][:PROGRAM_LETTERS]
        yield f"{program}, the first of `evolve elites`, is less sure than another of its cell: left out."


def _is_published(row: dict[str, Any]) -> bool:
    return row["score"] is not None and row["difference"] == 0.0 == row["standard_error"]


def _subgroup_lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Write how the best program differs from the published one in each subgroup."""
    best = next((row for row in rows if row["subgroups"]), None)
    if best is None:
        return
    yield f"{best['program'][:PROGRAM_LETTERS]} less published, by subgroup:"
    for label, group in best["subgroups"].items():
        error = group["standard_error"]
        spread = "" if error is None else f" ± {error:.4f}"
        yield f"  {label}: {group['difference']:+.4f}{spread} ({group['n']})"


def _baseline_line(name: str, value: dict[str, Any] | None) -> str:
    words = name.replace("_", " ")
    if value is None:
        return f"{words:>13}  not measured (`benchmarks/results.py` of the repository does)"
    details = [value[key] for key in ("name", "chosen") if key in value]
    if "gradings" in value:
        details.append(f"{value['gradings']} gradings")
    if value.get("optimism") is not None:
        details.append(f"optimism {value['optimism']:+.4f}")
    return f"{words:>13}  {value['score']:.4f}  {', '.join(details)}"


def _show_checked(report: Report) -> None:
    console = Console()
    if report.rows:
        table = Table(title=f"{report.task} on train")
        for column in ("program", "status", "fitness", "SE", "cell", "seconds"):
            table.add_column(column, justify="left" if column in ("program", "status") else "right")
        for row in report.rows:
            cell = NO_VALUE if row.cell is None else ",".join(map(str, row.cell))
            table.add_row(
                row.program,
                row.status,
                _number(row.fitness),
                _number(row.standard_error),
                cell + (" clipped" if row.clipped else ""),
                f"{row.seconds:.2f}",
            )
        console.print(table)
        console.print(f"{report.cells_used} of {report.cells} cells used by the initial programs")
        told = report.behaviours
        console.print(
            f"{told.programs} valid programs: {told.train} behaviours on train, "
            f"{told.probes} told apart by the probes"
        )
    for finding in report.findings:
        style = "red" if finding.severity == "error" else "yellow"
        console.print(finding.severity, style=style, end=" ")
        console.print(f"{finding.about}: {finding.message}", markup=False, highlight=False)
    console.print("ok" if report.ok else "not ok", style="green" if report.ok else "red")


def _number(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:+.4f}"


def _verdict(value: bool | None) -> str:
    if value is None:
        return NO_VALUE
    return "[green]yes[/green]" if value else "no"
