"""The command line: `evolve COMMAND`, each command in a module of its group.

What a person waits for decides what is imported: commands import what they need when they run, so
that `evolve --help` loads no database, no torch and nothing that draws.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

from archive.errors import ArchiveError, Misnamed
from evolve import __version__
from evolve.cli import looking, machine, programs, searching, study
from evolve.errors import EvolveError
from sandbox import SandboxError

WORLD_BROKE = 1
WRONG_USAGE = 2

app = typer.Typer(
    name="evolve",
    help="Discover programs: MAP-Elites over source code, behind a wall, in a SQL archive.",
    epilog="Begin with: evolve tasks; evolve run data_selection; evolve elites; evolve map",
    no_args_is_help=True,
    # Plain help, and our own messages: both save the loading of what draws.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (searching, looking, programs, study, machine):
    group.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evolve {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take what stands before a command."""


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0 done; 1 the world broke, everything told is kept; 2 wrong usage; 130 interrupted.
    """
    # a Ctrl-C, by which every command takes away what it made
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(prog_name="evolve")
    except EvolveError as error:
        _fail(error, error.exit_code)
    except Misnamed as error:
        _fail(error, WRONG_USAGE)
    except (ArchiveError, SandboxError, OSError) as error:
        _fail(error, WORLD_BROKE)


def _fail(error: Exception, code: int) -> NoReturn:
    print(f"evolve: {error}", file=sys.stderr)
    sys.exit(code)
