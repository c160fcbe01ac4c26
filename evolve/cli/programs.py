"""Commands that look at programs: show, diff, lineage."""

from __future__ import annotations

from typing import Annotated

import typer

from evolve.cli.options import ArchivePlace, AsJson, ProgramId, open_archive, show, show_json


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command("show")(show_program)
    app.command()(diff)
    app.command()(lineage)


def show_program(
    program: ProgramId,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="What the model that wrote it saw and said.")
    ] = False,
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Show a program and what is known of it.

    Its source, idea, fitness, scores per instance and subgroup, and how it came to be.

    --prompt shows every call of the step that wrote it instead: messages, answer, tokens, dollars;
    with --json both.

    Example: evolve show 4f2a91c0, or evolve show 4f2a91c0 --prompt
    """
    from evolve.program_document import show_document

    with open_archive(archive) as opened:
        document = show_document(opened, program, with_prompt=prompt)
    if as_json:
        show_json(document)
        return
    from evolve.program_view import program_view, prompt_view

    if prompt:
        show(prompt_view(document), whole_lines=True)
    else:
        show(program_view(document))


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="The beginning of a program's id.")],
    b: Annotated[str, typer.Argument(metavar="B", help="That of the one to compare with it.")],
    archive: ArchivePlace = None,
    as_json: AsJson = False,
) -> None:
    """Show what has to change to make program B of program A.

    Example: evolve diff 4f2a91c0 9b1c33d7
    """
    from archive import queries
    from evolve.ancestry import diff_stat, unified_diff

    with open_archive(archive) as opened:
        first, second = queries.program(opened, a), queries.program(opened, b)
    lines = unified_diff(first.source, second.source, (first.id, second.id))
    added, removed = diff_stat(lines)
    if as_json:
        counts = {"added": added, "removed": removed}
        show_json({"a": first.id, "b": second.id, "diff": "\n".join(lines), **counts})
        return
    from evolve.program_view import diff_view

    show(diff_view(lines))


def lineage(program: ProgramId, archive: ArchivePlace = None, as_json: AsJson = False) -> None:
    """Show how a program came to be.

    From an initial program on, change by change: operator, gain of fitness, lines changed, idea.

    Example: evolve lineage 4f2a91c0
    """
    from evolve.program_document import show_document

    with open_archive(archive) as opened:
        line = show_document(opened, program)["ancestry"]
    if as_json:
        show_json(line)
        return
    from evolve.program_view import lineage_view

    show(lineage_view(line))
