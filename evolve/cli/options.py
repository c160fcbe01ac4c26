"""Arguments and options that several commands share, and how they find archive and run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evolve.executor import EXECUTORS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archive.store import Archive

# What --operators may name, spelled out here since --help must not wait for what they import.
OFFLINE_OPERATORS = ("perturb", "tune", "recombine", "insert")
MODEL_OPERATORS = ("diff", "rewrite", "ideate", "crossover", "repair")


def complete_run(incomplete: str) -> list[str]:
    """Complete the name of a run, from the archive that commands use without --archive."""
    from archive.errors import ArchiveError

    try:
        with open_archive(None) as archive:
            return [run.name for run in archive.runs() if run.name.startswith(incomplete)]
    except ArchiveError:
        return []


def complete_task(incomplete: str) -> list[str]:
    """Complete the name of a shipped task, or the path of one here."""
    from evolve.folder import SPEC_FILE, shipped_tasks

    here = [str(path.parent) for path in sorted(Path().glob(f"{incomplete}*/{SPEC_FILE}"))]
    return [name for name in shipped_tasks() if name.startswith(incomplete)] + here


def complete_operators(incomplete: str) -> list[str]:
    """Complete the last name of a list with commas; none is offered twice."""
    *named, last = incomplete.split(",")
    before = "".join(f"{name}," for name in named)
    offered = (name for name in (*OFFLINE_OPERATORS, *MODEL_OPERATORS) if name not in named)
    return [before + name for name in offered if name.startswith(last)]


RunName = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run; the latest if none.", autocompletion=complete_run),
]
ProgramId = Annotated[
    str, typer.Argument(metavar="PROGRAM", help="The beginning of a program's id.")
]


def warn_of_password(place: str | None) -> str | None:
    """Give what `--archive` says; warn where others can read a password in it."""
    from archive.passwords import has_password
    from evolve.config import ARCHIVE_VARIABLE

    if place is not None and has_password(place):
        typer.echo(
            "warning: --archive carries a password, which lists of processes and the shell's "
            f"history show: put the URL into the variable {ARCHIVE_VARIABLE}, or leave the "
            "password out and let ~/.pgpass, PGPASSFILE or PGPASSWORD say it",
            err=True,
        )
    return place


ArchivePlace = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URL",
        help="The archive: a path or URL. [EVOLVE_ARCHIVE, evolve.db]",
        callback=warn_of_password,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Slots. [what cores and GPUs of this machine, or the cluster, have room for]",
    ),
]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="WHERE",
        help="Where candidates run: local, or ray for a cluster (--set ray.address=auto).",
        autocompletion=lambda incomplete: [e for e in EXECUTORS if e.startswith(incomplete)],
    ),
]
Hours = Annotated[
    float | None,
    typer.Option("--hours", metavar="H", help="End after so many hours, resumes included."),
]
Evaluations = Annotated[
    int | None,
    typer.Option(
        "--evaluations", min=1, metavar="N", help="End after so many different behaviours."
    ),
]
Usd = Annotated[
    float | None,
    typer.Option(
        "--usd", metavar="X", help="Spend no more dollars on models, in all; a hard bound."
    ),
]
Tokens = Annotated[
    int | None,
    typer.Option(
        "--tokens", min=1, metavar="N", help="Use no more tokens of models, in all; a hard bound."
    ),
]
MinLevel = Annotated[
    str | None,
    typer.Option(
        "--min-level",
        metavar="LEVEL",
        help="Refuse to run behind a weaker wall: weak, container, landlock or strict. [landlock]",
    ),
]


def wall_level(told: str | None, device: str | None = None) -> str:
    """Give the lowest level allowed, once it is known that this machine has it or a better one.

    told: on the command line or with the run; the default of the wall unless told. device:
    that the task's programs run on. Warns when they will run behind `weak`. Raises: UsageError; SandboxError.
    """
    from rich.console import Console

    from evolve.errors import UsageError
    from sandbox.levels import LEVELS, MIN_LEVEL, choose

    lowest = told or MIN_LEVEL
    if lowest not in LEVELS:
        raise UsageError(f"--min-level {lowest}: there are: {', '.join(LEVELS)}")
    if device is not None and lowest != "weak":
        raise UsageError(
            f"the task's programs run on a device ({device}), which is at level weak only: "
            "add `--min-level weak` if you trust them"
        )
    if device is not None or choose("auto", lowest) == "weak":
        Console(stderr=True, highlight=False).print(
            "warning: programs run behind the level `weak`: they can read and write your files and "
            "use the network (docs/security.md); `evolve doctor` says what a better level needs",
            soft_wrap=True,
        )
    return lowest


def open_archive(place: str | None) -> Archive:
    """Open an archive that must be there. Raises: Misnamed, ArchiveError."""
    from archive.store import Archive
    from evolve.config import archive_place

    return Archive.open(archive_place(place), create=False)


# Files and pipes have no edge: there nothing is wrapped or cut that people copy.
PIPE_WIDTH = 240


def show(drawing: RenderableType, *, whole_lines: bool = False) -> None:
    """Print a drawing; as wide as it needs where no terminal is.

    whole_lines: of text only, which the terminal may break and nobody else.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    console.print(drawing, soft_wrap=whole_lines)


def show_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, indent=1))
