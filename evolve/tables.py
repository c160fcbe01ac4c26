"""What documents look like in a terminal: tables that fit 80 columns, with or without colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from evolve.drawing import (
    ID_LETTERS,
    NO_VALUE,
    Document,
    clock,
    dollars,
    fact_table,
    new_table,
    number,
    with_error,
)

# What a narrow column shows of a name.
NAME_LETTERS = 9
STATE_STYLES = {
    "running": "cyan",
    "finished": "green",
    "interrupted": "yellow",
    "failed": "red",
}


def runs_table(runs: Sequence[Document]) -> RenderableType:
    """Draw the runs of an archive."""
    if not runs:
        return Text("no runs yet; `evolve run TASK` starts one")
    table = new_table("run", "task", "state", ">steps", ">best", "started (UTC)", ">time")
    for run in runs:
        table.add_row(
            run["name"],
            run["task"],
            Text(run["state"], style=STATE_STYLES[run["state"]]),
            str(run["steps"]),
            number(run["best_fitness"]),
            run["started"][:16].replace("T", " "),
            clock(run["seconds"]),
        )
    return table


def status_table(status: Document) -> RenderableType:
    """Draw a run in numbers."""
    parts = [fact_table(_status_facts(status)), _operators_table(status)]
    if status["models"]:
        parts += [Text(), _models_table(status["models"])]
    if status["arms"]:
        parts += [Text(), _arms_table(status["arms"])]
    return Group(*parts)


def elites_table(elites: Sequence[Document], run: str, limit: int | None = None) -> RenderableType:
    """Draw the elites that cells show, the best first; `limit` of them if told."""
    if not elites:
        return Text(f"{run} has no elites yet")
    measures = list(elites[0]["measures"])[:2]
    shown = elites[:limit]
    table = new_table(
        "program", ">fitness ± se", *(f">{name}" for name in measures), "made by", ">step",
        "parents", ">lines", padding=0,
    )  # fmt: skip
    for elite in shown:
        table.add_row(
            elite["program"][:ID_LETTERS],
            with_error(elite) + ("" if elite["confirmed"] else "?"),
            *(f"{elite['measures'][name]:.3f}" for name in measures),
            _cut(elite["name"] or elite["operator"]),
            str(elite["step"]),
            ",".join(map(str, elite["parents"])) or NO_VALUE,
            str(elite["lines"]),
        )
    more = len(elites) - len(shown)
    sizes = "/".join(str(n) for n in sorted({elite["n"] for elite in elites}))
    notes = [f"{run}: {len(elites)} elites, n = {sizes} instances of the search"]
    if not all(elite["confirmed"] for elite in elites):
        notes.append("? not confirmed")
    if more:
        notes.append(f"{more} more with --json")
    return Group(table, Text("; ".join(notes), style="dim"))


def tasks_table(tasks: Sequence[Document]) -> RenderableType:
    """Draw the tasks at hand."""
    if not tasks:
        return Text("no tasks here; `evolve new NAME` makes one")
    table = new_table("task", "family", ">seconds", "best published", ">valid")
    table.add_column("path", overflow="fold")
    for task in tasks:
        published = task["published"] or {}
        table.add_row(
            task["task"],
            task["family"] or NO_VALUE,
            number(task["seconds_per_evaluation"], 2),
            published.get("name", "not measured"),
            number(published.get("valid")),
            _short_path(task["path"]),
        )
    return Group(table, Text("seconds: of one evaluation on one core", style="dim"))


def _short_path(path: str) -> str:
    """Write a path as seen from here, if it is below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _cut(name: str) -> str:
    """Cut a name of somebody else's choosing to what a column holds."""
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"


def _status_facts(status: Document) -> Iterator[tuple[str, RenderableType]]:
    state = Text(status["state"], style=STATE_STYLES[status["state"]])
    if status["state"] == "finished":
        state.append(f" (its limit on {status['stop_reason']})")
    yield "run", Text(f"{status['name']} of task {status['task']}, ").append_text(state)
    limits = ", ".join(f"{name} {value}" for name, value in status["limits"].items())
    yield "started", Text(f"{status['started']}, ran {clock(status['seconds'])}; limits: {limits}")
    order = f"order {status['order']}, lookahead {status['lookahead']}"
    yield "search", f"rng_seed {status['rng_seed']}, {order}, wall level {status['level']}"
    yield "world", status["world"]
    kinds = ", ".join(f"{number} {kind}" for kind, number in status["steps_by_kind"].items())
    yield "steps", f"{status['steps']} told ({kinds or 'none'})"
    yield "statuses", _statuses(status["statuses"])
    if status["near_limits"]:
        near = f"{status['near_limits']} used more than half of a limit, or all of it"
        yield "near limits", Text(near, style="yellow")
    same = status["duplicates"]
    yield "duplicates", f"{same['syntax']} by syntax, {same['behaviour']} by behaviour"
    yield (
        "evaluations",
        f"{status['evaluations']} different behaviours, {status['gradings']} graded here",
    )
    yield from _hashing_facts(status["hashing"])
    if status["models"]:
        yield "spent", _spent(status)
    if status["usd_unsettled"]:
        unsettled = f"up to {dollars(status['usd_unsettled'])} of calls whose bill nobody knows"
        yield "unsettled", Text(unsettled, style="yellow")
    yield "fitness", f"best {number(status['best_fitness'])}, mean {number(status['mean_fitness'])}"
    yield "grid", f"{status['num_elites']} elites, coverage {status['coverage']:.1%}"
    qd_score = f"{number(status['qd_score'])}, {number(status['norm_qd_score'])} per cell"
    yield "QD score", qd_score
    yield from _diversity_facts(status["diversity"])


def _hashing_facts(hashing: Document) -> Iterator[tuple[str, RenderableType]]:
    hits, probes = hashing["hits"], hashing["probe_matches"]
    if any(hits.values()):
        known = "{syntax} by syntax, {served} served, {behaviour} by outputs"
        seconds = hashing["seconds_saved"]
        running = "" if seconds is None else f", {seconds:.1f}s of running"
        saved = f"{hashing['gradings_saved']} gradings{running}: {known.format(**hits)}"
        yield "saved", saved
    if probes["predicted"]:
        false = f"{probes['false']} of {probes['judged']} were false"
        if probes["interval"]:
            low, high = probes["interval"]
            false += f" ({probes['rate']:.1%}, 95 %: {low:.1%} to {high:.1%})"
        yield "probe hits", f"{probes['predicted']} by another program; {false}"


def _diversity_facts(diversity: Document) -> Iterator[tuple[str, RenderableType]]:
    elites, recent = diversity["elites"], diversity["recent"]
    parts = [
        f"{scores['q1']:.1f} of {scores['n']} {what}"
        for scores, what in ((elites, "elites"), (recent, "latest children"))
        if scores
    ]
    if parts:
        yield "diversity", f"{', '.join(parts)} (Vendi score, q = 1)"
    if diversity["warning"]:
        yield "", Text(diversity["warning"], style="yellow")


def _statuses(statuses: Mapping[str, int]) -> Text:
    text = Text()
    for status, count in statuses.items():
        if count:
            style = {"ok": "green", "duplicate": "yellow"}.get(status, "red")
            text.append(", " if text else "").append(f"{count} {status}", style=style)
    return text or Text("none")


def _spent(status: Document) -> str:
    unpriced = sum(row["unpriced"] for row in status["models"].values())
    return f"{dollars(status['usd'], unpriced)}, {status['tokens']:,} tokens"


def _operators_table(status: Document) -> RenderableType:
    operators, asking = status["operators"], bool(status["models"])
    if not operators:
        return Text()
    costs = (">dollars", ">tokens") if asking else ()
    table = new_table("operator", ">steps", ">new and valid", ">took a place", *costs)
    for name, row in operators.items():
        spent = _costs(row) if asking else ()
        table.add_row(name, str(row["steps"]), str(row["ok"]), str(row["placed"]), *spent)
    return Group(Text(), table)


def _models_table(models: Mapping[str, Document]) -> RenderableType:
    table = new_table("model", ">calls", ">failed", ">dollars", ">unsettled", ">tokens")
    for name, row in models.items():
        usd, tokens = _costs(row)
        unsettled = dollars(row["usd_unsettled"]) if row["usd_unsettled"] else NO_VALUE
        table.add_row(name, str(row["calls"]), str(row["failed"]), usd, unsettled, tokens)
    return table


def _arms_table(arms: Sequence[Document]) -> RenderableType:
    table = new_table("arm", "model", ">steps", ">took a place", ">dollars", ">share")
    for arm in arms:
        usd, _ = _costs(arm)
        table.add_row(
            arm["operator"],
            arm["model"] or NO_VALUE,
            str(arm["steps"]),
            str(arm["taken"]),
            usd,
            f"{arm['share']:.1%}",
        )
    return Group(
        table, Text("share: of the next steps, by what each arm gives for its cost", "dim")
    )


def _costs(row: Document) -> tuple[str, str]:
    """Write dollars and tokens; dashes where no model was asked."""
    if not row["calls"]:
        return NO_VALUE, NO_VALUE
    return dollars(row["usd"], row["unpriced"]), f"{row['tokens']:,}"
