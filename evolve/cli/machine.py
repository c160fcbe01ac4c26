"""The command that looks at this machine: doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from evolve.cli.options import ArchivePlace, AsJson, show, show_json
from evolve.cli.progress import progress

Document = Mapping[str, Any]

DID_NOT_HOLD = 1
NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command()(doctor)


def complete_level(incomplete: str) -> list[str]:
    """Complete the name of a level."""
    from sandbox.levels import LEVELS

    return [level for level in ("auto", *LEVELS) if level.startswith(incomplete)]


def doctor(
    attack: Annotated[
        bool,
        typer.Option(
            "--attack", help="Make all attacks, over two hundred, not a dozen: a minute or more."
        ),
    ] = False,
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="The level to attack. [the one that a run would use]",
            autocompletion=complete_level,
            show_default=False,
        ),
    ] = "auto",
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Say what this machine can enforce, and prove it by attacking it.

    Levels of the wall, which one a run would use and why not a better one, the kernel, the GPU,
    and the names of keys that are set; never a key. An honest program runs before and after each
    attack, so that a wall that does not even start proves nothing.

    Exit code 1 if something did not hold, or if there is no level to be had.

    Examples: evolve doctor; evolve doctor --attack --level landlock
    """
    from evolve.doctor import examine

    with progress() if attack else nullcontext() as told:
        document = examine(level, quick=not attack, archive=archive, told=told)
    if as_json:
        show_json(document)
    else:
        _show(document, families=attack)
    if not document["held"]:
        raise typer.Exit(DID_NOT_HOLD)


def _show(document: Document, *, families: bool) -> None:
    show(_levels_table(document))
    show(_facts_table(document))
    if not document["proof"]:
        return
    failed = [line for line in document["proof"] if not line["held"]]
    show(_families_table(document["proof"]) if families else _proof_table(document["proof"]))
    if families and failed:
        show(_proof_table(failed))
    show(_verdict(document, len(failed)))


def _levels_table(document: Document) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("level", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("why not", overflow="fold")
    for name, found in reversed(document["levels"].items()):
        here = Text("yes", style="green") if found["available"] else Text("no", style="yellow")
        style = "bold" if name == document["level"] else ""
        table.add_row(Text(name, style=style), here, Text(found["reason"]))
    return table


def _facts_table(document: Document) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(document):
        table.add_row(name, text if isinstance(text, Text) else Text(text))
    return table


def _facts(document: Document) -> Iterator[tuple[str, str | Text]]:
    level = document["level"]
    yield "", ""
    yield (
        "level used",
        f"{level} ({document['why']})" if level else Text(f"none: {document['why']}", style="red"),
    )
    if level == "weak":
        yield "", Text("weak is no wall: files and network are open to a program", style="yellow")
    kernel = document["kernel"]
    yield "kernel", kernel["name"]
    yield "Landlock", f"ABI {kernel['landlock_abi']}" if kernel["landlock_abi"] else NONE
    yield "seccomp", "yes" if kernel["seccomp"] else NONE
    yield (
        "user namespaces",
        f"no: {kernel['user_namespaces']}" if kernel["user_namespaces"] else "yes",
    )
    yield "control group", _control_group(document["control_group"])
    packages = (f"{name} {version or 'missing'}" for name, version in document["packages"].items())
    yield "Python", ", ".join([document["python"], *packages])
    yield "GPU", document["gpu"] or NONE
    for gpu in document["gpus"]:
        memory = f"{gpu['memory_mb']} MiB" if gpu["memory_mb"] else "memory unknown"
        yield f"GPU {gpu['name']}", f"{memory}: {gpu['slots']} slots unless the task says otherwise"
    worker = document["gpu_worker"]
    here = "yes" if worker["available"] else f"no: {worker['reason']}"
    yield "GPU worker", f"{here} ({worker['promise']})"
    yield "keys", ", ".join(document["keys"]) or NONE
    yield "archive", document["archive"]
    yield "", ""


def _control_group(found: Document) -> str:
    if not found["available"]:
        return f"no: {found['reason']}"
    bounds = " and ".join(found["bounds"])
    bound = f"bounds {bounds}" if bounds else "bounds nothing, since it has no controllers"
    return f"yes: {bound}; counts the CPU time of all processes where tasks is above 1"


def _proof_table(lines: Sequence[Document]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("attack", no_wrap=True)
    table.add_column("what it tries, and what was seen", overflow="fold")
    for line in lines:
        tick = Text("✓", style="green") if line["held"] else Text("✗", style="bold red")
        text = Text(line["title"])
        if not line["held"]:
            text.append(f"\n{line['said']}", style="red")
        table.add_row(tick, line["attack"], text)
    return table


def _families_table(lines: Sequence[Document]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("family")
    for column in ("attacks", "held"):
        table.add_column(column, justify="right")
    for family in dict.fromkeys(line["family"] for line in lines):
        held = [line["held"] for line in lines if line["family"] == family]
        style = "" if all(held) else "red"
        table.add_row(family, str(len(held)), Text(str(sum(held)), style=style))
    return table


def _verdict(document: Document, failed: int) -> Text:
    made = len(document["proof"])
    if failed:
        return Text(f"{failed} of {made} did not hold at level {document['level']}", style="red")
    level = document["level"]
    if level == "weak":
        return Text(f"all {made} held; others are not promised at level weak", style="yellow")
    return Text(f"all {made} held at level {level}", style="green")
