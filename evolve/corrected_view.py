"""What corrected statistics look like in a terminal: the archive's numbers beside fresh ones."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from evolve.drawing import Document, new_table, number


def corrected_table(fresh: Document) -> RenderableType:
    """Draw the statistics of a grid beside those of its elites placed anew, see `corrected`."""
    shown, anew = fresh["archive"], fresh["corrected"]
    table = new_table("", ">archive", f">block {fresh['block']} of valid")
    table.add_row("best", number(shown["best"]), number(anew["best"]))
    table.add_row("mean", number(shown["mean"]), number(anew["mean"]))
    table.add_row("QD score", number(shown["qd_score"]), number(anew["qd_score"]))
    table.add_row("per cell", number(shown["norm_qd_score"]), number(anew["norm_qd_score"]))
    table.add_row("elites", str(shown["num_elites"]), str(anew["num_elites"]))
    table.add_row("coverage", f"{shown['coverage']:.1%}", f"{anew['coverage']:.1%}")
    return Group(Text(), table, Text(_note(fresh), style="dim"))


def _note(fresh: Document) -> str:
    kept = f"{fresh['kept_cell']} of {fresh['elites']} elites kept their cell"
    failed = f", {fresh['failed']} failed" if fresh["failed"] else ""
    return (
        f"{kept}{failed} on {fresh['instances']} fresh instances, where nothing was selected. A "
        "block may be easier or harder as a whole: `evolve verify` compares in pairs"
    )
