"""What is shown of one program: source, scores, how it came to be, what its model saw and said."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.text import Text

from evolve.drawing import (
    ID_LETTERS,
    Document,
    dollars,
    fact_table,
    new_table,
    number,
    printable,
    with_error,
)

# Up to so many instances are listed one by one; above, only means of subgroups.
FEW_INSTANCES = 12
# Texts of feedback that are shown; --json has them all.
SHOWN_FEEDBACK = 3
# What is told of programs whose outputs follow from more than their text and inputs.
REPEATS = {
    "injected": "for the same random numbers",
    "none": "not: scores are means over two runs, and its hash is nobody's",
}
# Columns of an idea beside a line of descent: both fit 80.
IDEA_COLUMNS = 76


def program_view(program: Document) -> RenderableType:
    """Draw all that is known of a program: source, scores, how it came to be."""
    parts: list[RenderableType] = [
        fact_table(_program_facts(program)),
        Text(),
        Syntax(
            printable(program["source"]),
            "python",
            theme="ansi_dark",
            background_color="default",
            line_numbers=True,
            word_wrap=True,
        ),
    ]
    if program["scores"]:
        parts += [Text(), *_scores(program)]
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
            rows += _idea(entry)
        text = Text("└ " if entry is line[-1] else "├ ") if before else Text("● ")
        text.append((entry["program"] or "no program")[:ID_LETTERS], style="bold")
        text.append(f"  {number(entry['fitness'])}", style="cyan")
        text.append(f"  step {entry['step']}", style="dim")
        if entry["name"]:
            text.append(f"  {entry['name']}")
        rows.append(text)
    rows.append(Text("scores as measured; `evolve show` tells what is believed", style="dim"))
    return Group(*rows)


def prompt_view(program: Document) -> RenderableType:
    """Draw what a program's model saw and said: every attempt in order, nothing cut.

    What an attempt was told again, as the one before it, is not repeated.
    """
    made = f"{program['operator']} as step {program['step']} of {program['run']}"
    parts = [Text(f"program {program['program']}, written by {made}")]
    told: Sequence[Document] = ()
    for place, attempt in enumerate(program["prompt"], start=1):
        heading = f"call {place} of {len(program['prompt'])}, {attempt['model']}"
        parts += [Text(), _heading(f"{heading}, at most {attempt['max_tokens']:,} tokens")]
        pairs = zip(told, attempt["messages"], strict=False)
        again = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        if again:
            parts.append(Text(f"the {again} messages above again", style="dim"))
        for message in attempt["messages"][again:]:
            parts += [_speaker(message["role"]), *_said(message)]
        parts += [_speaker("answer"), *_said(attempt), Text(_cost(attempt), style="dim")]
        told = attempt["messages"]
    return Group(*parts)


def diff_view(diff: Sequence[str]) -> RenderableType:
    """Draw a unified diff."""
    if not diff:
        return Text("the same text")
    return Text("\n").join(Text(line, style=_diff_style(line)) for line in diff)


def _program_facts(program: Document) -> Iterator[tuple[str, RenderableType]]:
    yield "program", Text(program["program"], style="bold")
    made = f"step {program['step']} of {program['run']} ({program['task']})"
    parents = ", ".join(f"step {n}" for n in program["parents"])
    name = program["ancestry"][-1]["name"]
    origin = f"initial program {name}" if name else f"{program['operator']} of {parents}"
    yield "made by", f"{origin}, as {made}"
    if program["model"]:
        yield "model", program["model"]
    if program["idea"]:
        yield "idea", Text(printable(program["idea"]), style="italic")
    yield "status", Text((program["status"] or "not told yet") + _because(program))
    if program["fitness"] is not None:
        yield (
            "fitness",
            f"{with_error(program)} as measured on {program['n']} of {program['stage']}",
        )
    if program["believed"] is not None:
        yield "believed", _believed(program)
    if program["measures"]:
        values = (f"{name} {value:.4f}" for name, value in program["measures"].items())
        yield "measures", ", ".join(values)
    if program["cell"] is not None:
        yield "cell", f"{','.join(map(str, program['cell']))} {_placement(program)}"
    if seen := list(_seen(program)):
        yield "nearest", "; ".join(seen)
    if (repeats := REPEATS.get(program["determinism"] or "")) is not None:
        yield "repeats", repeats
    yield "size", f"{len(program['source'].splitlines())} lines, {program['nodes']} syntax nodes"


def _heading(text: str) -> Text:
    return Text(f"━━ {text} ", style="bold cyan")


def _speaker(role: str) -> Text:
    return Text(f"── {role} ", style="bold magenta")


def _said(turn: Document) -> Iterator[Text]:
    """Write a turn's text, the tools that it calls, and why there is no answer."""
    if turn["text"]:
        yield Text(printable(turn["text"]).rstrip())
    for call in turn["calls"]:
        yield Text(printable(f"calls {call['name']}({call['arguments']})"), style="yellow")
    if turn.get("reason"):
        fault = f"{turn['fault']}: " if turn["fault"] else ""
        yield Text(printable(f"no answer: {fault}{turn['reason']}"), style="red")


def _cost(attempt: Document) -> str:
    if attempt["state"] == "sent":
        return "under way, or cut off"
    usd = "of unknown price" if attempt["usd"] is None else dollars(attempt["usd"])
    usage = attempt["usage"]
    if usage is None:
        return f"{usd}, {attempt['tokens'] or 0:,} tokens"
    details = [f"{usage['input']:,} tokens in", f"{usage['output']:,} out"]
    details += [f"{usage[kind]:,} {kind}" for kind in ("cached", "reasoning") if usage[kind]]
    return f"{usd}, {', '.join(details)}"


def _because(program: Document) -> str:
    return f": {printable(program['reason'])}" if program["reason"] else ""


def _believed(program: Document) -> str:
    """Write what is believed of a program, and on how many fresh instances that rests."""
    values = {"fitness": program["believed"], "standard_error": program["believed_error"]}
    if program["confirmed"]:
        return f"{with_error(values)}, confirmed on {program['fresh']} fresh instances"
    return f"{with_error(values)}, not confirmed"


def _placement(program: Document) -> str:
    if program["status"] == "duplicate":
        return "(in place of a longer one that does the same)"
    words = {
        "NEW": "(the first there)",
        "IMPROVED": "(among its best)",
        "NOT_ADDED": "(not good enough)",
    }
    return words.get(program["placement"] or "", "")


def _seen(program: Document) -> Iterator[str]:
    """Say which program decides most alike on the probes, and how far this one is from it."""
    if program["nearest"] is not None:
        near = "near step" if program["near"] else "step"
        said = f"{near} {program['nearest']} (distance {program['distance']:.2f})"
        yield said + (", the same but for rounding" if program["rounding"] is not None else "")
    if program["alike"] is not None:
        yield f"the probes do not tell it from step {program['alike']}"


def _scores(program: Document) -> Iterator[RenderableType]:
    """Draw scores per subgroup, and per instance where these are few."""
    groups = program["subgroups"]
    if groups is None:  # an old archive, which does not know how the task groups its instances
        groups = subgroups(program["scores"])
    for kind, labels in groups.items():
        table = new_table(kind, ">instances", ">mean score")
        for label, row in labels.items():
            table.add_row(label, str(row["instances"]), number(row["score"]))
        yield table
    if len(program["scores"]) <= FEW_INSTANCES:
        table = new_table("instance", ">score")
        for name, score in program["scores"].items():
            table.add_row(name, number(score))
        yield table


def subgroups(scores: Mapping[str, float]) -> dict[str, dict[str, Document]]:
    """Group scores by the parts of instances' names that several instances share.

    `train-0-3-10%` has four parts; one that is the same for all, or different for each, says
    nothing. Gives {"part 1 of name": {part: {"instances", "score"}}}.
    """
    split = {name: name.split("-") for name in scores}
    if len({len(parts) for parts in split.values()}) != 1:
        return {}
    found: dict[str, dict[str, Document]] = {}
    for position in range(len(next(iter(split.values())))):
        groups: dict[str, list[float]] = {}
        for name, score in scores.items():
            groups.setdefault(split[name][position], []).append(score)
        if 1 < len(groups) < len(scores):
            found[f"part {position + 1} of name"] = {
                part: {"instances": len(values), "score": sum(values) / len(values)}
                for part, values in groups.items()
            }
    return found


def _feedback(feedback: Mapping[str, str]) -> Iterator[Text]:
    for name, text in list(feedback.items())[:SHOWN_FEEDBACK]:
        yield Text(f"{name}: ", style="dim").append(printable(text), style="not dim")
    if len(feedback) > SHOWN_FEEDBACK:
        yield Text(f"{len(feedback) - SHOWN_FEEDBACK} more with --json", style="dim")


def _change(entry: Document) -> Text:
    text = Text("│   ").append(entry["operator"], style="magenta")
    if entry["gain"] is not None:
        text.append(f"  {entry['gain']:+.4f}", style="green" if entry["gain"] > 0 else "red")
    text.append("  ").append(f"+{entry['added']}", style="green")
    return text.append(" ").append(f"−{entry['removed']}", style="red").append(" lines")


def _idea(entry: Document) -> Iterator[Text]:
    idea = printable(entry["idea"] or "").replace("\n", " ")
    for line in textwrap.wrap(idea, IDEA_COLUMNS):
        yield Text("│   ").append(line, style="italic")


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
