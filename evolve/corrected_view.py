"""What corrected statistics look like in a terminal: the archive's numbers beside fresh ones."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from evolve.drawing import ID_LETTERS, NO_VALUE, Document, new_table, number

# Elites that are listed one by one; --json has them all.
SHOWN_ELITES = 10


def corrected_table(fresh: Document) -> RenderableType:
    """Draw the statistics of a grid beside those of its elites placed anew, see `corrected`."""
    shown, anew = fresh["archive"], fresh["corrected"]
    table = new_table("", ">archive", f">block {fresh['block']} of valid")
    same, anchor = fresh["same"], fresh["anchor"]
    if anchor:
        table.add_row("best initial program", number(anchor["fitness"]), number(anchor["fresh"]))
    table.add_row("mean of the same elites", number(same["archive"]), number(same["fresh"]))
    table.add_row("best", number(shown["best"]), number(anew["best"]))
    table.add_row("QD score", number(shown["qd_score"]), number(anew["qd_score"]))
    table.add_row("per cell", number(shown["norm_qd_score"]), number(anew["norm_qd_score"]))
    table.add_row("elites", str(shown["num_elites"]), str(anew["num_elites"]))
    table.add_row("coverage", f"{shown['coverage']:.1%}", f"{anew['coverage']:.1%}")
    return Group(Text(), table, Text(), _elites(fresh), Text(_note(fresh), style="dim"))


def _elites(fresh: Document) -> RenderableType:
    """Draw the best shown elites with what each did on the block."""
    table = new_table("program", ">archive", ">block", ">± se", "cell", "cell there")
    for row in fresh["programs"][:SHOWN_ELITES]:
        there = "failed" if row["fresh_cell"] is None else _cell(row["fresh_cell"])
        error = row["standard_error"]
        table.add_row(
            row["program"][:ID_LETTERS],
            number(row["fitness"]),
            number(row["fresh"]),
            NO_VALUE if error is None else f"{error:.4f}",
            _cell(row["cell"]),
            "the same" if row["fresh_cell"] == row["cell"] else there,
        )
    return table


def _cell(cell: list[int]) -> str:
    return ",".join(map(str, cell))


def _note(fresh: Document) -> str:
    kept = f"{fresh['kept_cell']} of {fresh['elites']} elites kept their cell"
    failed = f", {fresh['failed']} failed" if fresh["failed"] else ""
    return (
        f"{kept}{failed} on {fresh['instances']} fresh instances, where nothing was selected. How "
        "easy the block is as a whole shows in the best initial program; `evolve verify` compares in "
        "pairs"
    )
