"""What documents look like in a terminal: tables that fit 80 columns, with or without colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

# A person compares the first letters of a hash; --json has it whole.
ID_LETTERS = 8
NO_VALUE = "-"
# What a narrow column shows of a name.
NAME_LETTERS = 9
# Up to so many instances are listed one by one; above, only means of subgroups.
FEW_INSTANCES = 12
# Texts of feedback that are shown; --json has them all.
SHOWN_FEEDBACK = 3
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
    table = _table("run", "task", "state", ">steps", ">best", "started (UTC)", ">time")
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
    return Group(_facts(_status_facts(status)), _operators_table(status["operators"]))


def elites_table(elites: Sequence[Document], run: str, limit: int | None = None) -> RenderableType:
    """Draw the elites that cells show, the best first; `limit` of them if told."""
    if not elites:
        return Text(f"{run} has no elites yet")
    measures = list(elites[0]["measures"])[:2]
    shown = elites[:limit]
    table = _table(
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
    table = _table("task", "family", ">seconds", "best published", ">valid")
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


def program_view(program: Document) -> RenderableType:
    """Draw all that is known of a program: source, scores, how it came to be."""
    parts: list[RenderableType] = [
        _facts(_program_facts(program)),
        Text(),
        Syntax(
            program["source"],
            "python",
            theme="ansi_dark",
            background_color="default",
            line_numbers=True,
            word_wrap=True,
        ),
    ]
    if program["scores"]:
        parts += [Text(), *_scores(program["scores"])]
    if len(program["ancestry"]) > 1:
        parts += [
            Text(),
            Text("How it came to be", style="bold"),
            lineage_view(program["ancestry"]),
        ]
    if program["feedback"]:
        parts += [Text(), Text("Feedback", style="bold"), *_feedback(program["feedback"])]
    return Group(*parts)


def lineage_view(line: Sequence[Document]) -> RenderableType:
    """Draw the line from an initial program downwards, other parents as twigs beside it."""
    rows: list[Text] = []
    for before, entry in zip((None, *line[:-1]), line, strict=True):
        if before is not None:
            rows.append(_change(entry))
            if len(entry["parents"]) > 1:
                others = ", ".join(f"step {n}" for n in entry["parents"][1:])
                rows.append(Text(f"│   with {others}", style="dim"))
        text = Text("└ " if entry is line[-1] else "├ ") if before else Text("● ")
        text.append((entry["program"] or "no program")[:ID_LETTERS], style="bold")
        text.append(f"  {number(entry['fitness'])}", style="cyan")
        text.append(f"  step {entry['step']}", style="dim")
        if entry["name"]:
            text.append(f"  {entry['name']}")
        rows.append(text)
    return Group(*rows)


def diff_view(diff: Sequence[str]) -> RenderableType:
    """Draw a unified diff."""
    if not diff:
        return Text("the same text")
    return Text("\n").join(Text(line, style=_diff_style(line)) for line in diff)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number, or a dash where there is none."""
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def with_error(values: Document) -> str:
    """Write a fitness with its standard error, where it has one."""
    if values["standard_error"] is None:
        return number(values["fitness"])
    return f"{number(values['fitness'])} ± {values['standard_error']:.4f}"


def clock(seconds: float) -> str:
    """Write seconds as people read them: 42s, 3m10s, 2h05m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def _short_path(path: str) -> str:
    """Write a path as seen from here, if it is below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _cut(name: str) -> str:
    """Cut a name of somebody else's choosing to what a column holds."""
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"


def _table(*columns: str, padding: int = 1) -> Table:
    """Make a table; a heading that begins with `>` is a column of numbers.

    padding: spaces between columns, beyond the one that is always there.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, padding, 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if is_number else "left",
            no_wrap=is_number or column == "program",
            overflow="fold",
        )
    return table


def _facts(facts: Iterator[tuple[str, RenderableType]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    return table


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
    yield "fitness", f"best {number(status['best_fitness'])}, mean {number(status['mean_fitness'])}"
    yield "grid", f"{status['num_elites']} elites, coverage {status['coverage']:.1%}"
    qd_score = f"{number(status['qd_score'])}, {number(status['norm_qd_score'])} per cell"
    yield "QD score", qd_score


def _statuses(statuses: Mapping[str, int]) -> Text:
    text = Text()
    for status, count in statuses.items():
        if count:
            style = {"ok": "green", "duplicate": "yellow"}.get(status, "red")
            text.append(", " if text else "").append(f"{count} {status}", style=style)
    return text or Text("none")


def _operators_table(operators: Mapping[str, Document]) -> RenderableType:
    if not operators:
        return Text()
    table = _table("operator", ">steps", ">new and valid", ">took a place")
    for name, row in operators.items():
        table.add_row(name, str(row["steps"]), str(row["ok"]), str(row["placed"]))
    return Group(Text(), table)


def _program_facts(program: Document) -> Iterator[tuple[str, RenderableType]]:
    yield "program", Text(program["program"], style="bold")
    made = f"step {program['step']} of {program['run']} ({program['task']})"
    parents = ", ".join(f"step {n}" for n in program["parents"])
    name = program["ancestry"][-1]["name"]
    origin = f"initial program {name}" if name else f"{program['operator']} of {parents}"
    yield "made by", f"{origin}, as {made}"
    yield "status", Text((program["status"] or "not told yet") + _because(program))
    if program["fitness"] is not None:
        yield "fitness", f"{with_error(program)} (n = {program['n']})"
    if program["measures"]:
        values = (f"{name} {value:.4f}" for name, value in program["measures"].items())
        yield "measures", ", ".join(values)
    if program["cell"] is not None:
        yield "cell", f"{','.join(map(str, program['cell']))} {_placement(program['placement'])}"
    yield "size", f"{len(program['source'].splitlines())} lines, {program['nodes']} syntax nodes"


def _because(program: Document) -> str:
    return f": {program['reason']}" if program["reason"] else ""


def _placement(placement: str | None) -> str:
    words = {
        "NEW": "(the first there)",
        "IMPROVED": "(among its best)",
        "NOT_ADDED": "(not good enough)",
    }
    return words.get(placement or "", "")


def _scores(scores: Mapping[str, float]) -> Iterator[RenderableType]:
    """Draw scores per subgroup, and per instance where these are few."""
    for position, groups in subgroups(scores).items():
        table = _table(f"part {position + 1} of name", ">instances", ">mean score")
        for name, values in groups.items():
            table.add_row(name, str(len(values)), number(sum(values) / len(values)))
        yield table
    if len(scores) <= FEW_INSTANCES:
        table = _table("instance", ">score")
        for name, score in scores.items():
            table.add_row(name, number(score))
        yield table


def subgroups(scores: Mapping[str, float]) -> dict[int, dict[str, list[float]]]:
    """Group scores by the parts of instances' names that several instances share.

    `train-0-3-10%` has four parts; one that is the same for all, or different for each, says
    nothing. Gives {position: {part: scores}}.
    """
    split = {name: name.split("-") for name in scores}
    if len({len(parts) for parts in split.values()}) != 1:
        return {}
    found: dict[int, dict[str, list[float]]] = {}
    for position in range(len(next(iter(split.values())))):
        groups: dict[str, list[float]] = {}
        for name, score in scores.items():
            groups.setdefault(split[name][position], []).append(score)
        if 1 < len(groups) < len(scores):
            found[position] = groups
    return found


def _feedback(feedback: Mapping[str, str]) -> Iterator[Text]:
    for name, text in list(feedback.items())[:SHOWN_FEEDBACK]:
        yield Text(f"{name}: ", style="dim").append(text, style="not dim")
    if len(feedback) > SHOWN_FEEDBACK:
        yield Text(f"{len(feedback) - SHOWN_FEEDBACK} more with --json", style="dim")


def _change(entry: Document) -> Text:
    text = Text("│   ").append(entry["operator"], style="magenta")
    if entry["gain"] is not None:
        text.append(f"  {entry['gain']:+.4f}", style="green" if entry["gain"] > 0 else "red")
    text.append("  ").append(f"+{entry['added']}", style="green")
    return text.append(" ").append(f"−{entry['removed']}", style="red").append(" lines")


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
