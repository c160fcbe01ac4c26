"""A run in numbers as a terminal shows it: what was done, what it gave, what was saved and spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from evolve.drawing import (
    ID_LETTERS,
    NO_VALUE,
    STATE_STYLES,
    Document,
    clock,
    counted,
    dollars,
    fact_table,
    new_table,
    number,
    with_error,
)

# How hits of each kind and findings of determinism are told.
HIT_WORDS = {
    "syntax": "by syntax",
    "exact": "by exact probes",
    "trusted": "by trusted probes",
    "served": "served",
    "behaviour": "by outputs",
}
REPEAT_WORDS = {
    "deterministic": "deterministic",
    "injected": "by the same random numbers",
    "none": "not repeatable",
}


def status_table(status: Document) -> RenderableType:
    """Draw a run in numbers."""
    parts = [fact_table(_status_facts(status)), _operators_table(status)]
    if status["models"]:
        parts += [Text(), _models_table(status["models"])]
    if status["arms"]:
        parts += [Text(), _arms_table(status["arms"])]
    return Group(*parts)


def _status_facts(status: Document) -> Iterator[tuple[str, RenderableType]]:
    state = Text(status["state"], style=STATE_STYLES[status["state"]])
    if status["state"] == "finished":
        state.append(f" (its limit on {status['stop_reason']})")
    yield "run", Text(f"{status['name']} of task {status['task']}, ").append_text(state)
    if status["failure"]:
        yield "failed", Text(status["failure"], style="red")
    limits = ", ".join(f"{name} {value}" for name, value in status["limits"].items())
    yield "started", Text(f"{status['started']}, ran {clock(status['seconds'])}; limits: {limits}")
    order = f"order {status['order']}, lookahead {status['lookahead']}"
    yield "search", f"rng_seed {status['rng_seed']}, {order}, wall level {status['level']}"
    yield "world", status["world"]
    kinds = ", ".join(f"{number} {kind}" for kind, number in status["steps_by_kind"].items())
    yield "steps", f"{status['steps']} told ({kinds or 'none'})"
    if status["islands"]:
        yield "islands", _islands(status["islands"])
    yield "statuses", _statuses(status["statuses"])
    if status["near_limits"]:
        near = f"{status['near_limits']} used more than half of a limit, or all of it"
        yield "near limits", Text(near, style="yellow")
    same = status["duplicates"]
    yield "duplicates", f"{same['syntax']} by syntax, {same['behaviour']} by behaviour"
    graded = counted(status["gradings"], "grading")
    if status["confirmations"]["told"]:
        graded += ", fresh blocks included"
    yield "evaluations", f"{status['evaluations']} different behaviours; {graded}"
    yield from _hashing_facts(status["hashing"])
    yield from _hurdle_facts(status["hurdle"])
    if (rejections := status["rejections"]) is not None:
        yield "rejected as not new", _rejections(rejections)
    if status["models"]:
        yield "spent", _spent(status)
    if status["usd_unsettled"] or status["tokens_unsettled"]:
        yield "unsettled", Text(_unsettled(status), style="yellow")
    yield from _fitness_facts(status)
    yield "grid", f"{status['num_elites']} elites, coverage {status['coverage']:.1%}"
    qd_score = f"{number(status['qd_score'])}, {number(status['norm_qd_score'])} per cell"
    yield "QD score", qd_score
    yield from _diversity_facts(status["diversity"])


def _islands(islands: Document) -> str:
    """Write what was taken over from other islands."""
    parts = [
        f"{row['taken']} taken over from {name}, {row['placed']} of them took a place, "
        f"the last at step {row['last']}"
        for name, row in islands["sources"].items()
    ]
    if islands["nothing_new"]:
        parts.append(f"{islands['nothing_new']} times nothing was new")
    return "; ".join(parts) or "nothing was to be taken over yet"


def _fitness_facts(status: Document) -> Iterator[tuple[str, RenderableType]]:
    best, challenger, taught = status["best"], status["challenger"], status["confirmations"]
    if best is None:
        yield "fitness", "no elites yet"
        return
    yield "best", _standing(best)
    if challenger:
        yield "challenger", _standing(challenger)
    yield "fitness", f"mean {number(status['mean_fitness'])} of the elites"
    if taught["told"]:
        yield "confirmed", f"{taught['told']} steps on fresh blocks{_taught(taught)}"


def _standing(elite: Document) -> str:
    """Write what is believed of an elite and why."""
    said = f"{with_error(elite)} ({elite['program'][:ID_LETTERS]}), "
    said += f"confirmed on {elite['fresh']} fresh" if elite["confirmed"] else "not confirmed"
    if elite["fitness"] == elite["train_fitness"]:
        return said
    return f"{said}; {number(elite['train_fitness'])} on {elite['n'] - elite['fresh']} of train"


def _taught(taught: Document) -> str:
    """Write what confirm steps have taught of gains, if anything yet."""
    if not taught["challengers"]:
        return ""
    challengers, optimism = taught["challengers"], taught["optimism"]
    many = "1 challenger was" if challengers == 1 else f"{challengers} challengers were"
    off = f"{abs(optimism):.4f} too {'high' if optimism > 0 else 'low'} on train"
    return f"; {many} {off}, so {taught['slope']:.0%} of a gain is believed"


def _hashing_facts(hashing: Document) -> Iterator[tuple[str, RenderableType]]:
    hits, probes, trusted = hashing["hits"], hashing["probe_matches"], hashing["trusted"]
    if any(hits.values()):
        known = (f"{count} {HIT_WORDS[kind]}" for kind, count in hits.items() if count)
        saved = [counted(hashing["gradings_saved"], "grading"), *_saved_seconds(hashing)]
        hits_told = f"{counted(sum(hits.values()), 'program')} recognised, {', '.join(known)}"
        yield "saved", f"{', '.join(saved)}: {hits_told}"
    if hashing["seconds_spent_probing"] is not None:
        yield "probing", f"took {hashing['seconds_spent_probing']:.1f}s{_net(hashing)}"
    if hashing["determinism"]:
        words = (f"{n} {REPEAT_WORDS[name]}" for name, n in hashing["determinism"].items() if n)
        yield "determinism", ", ".join(words) or "unknown: no probe ended in time"
        near = f"{hashing['near_duplicates']} near-duplicates of what is known"
        if hashing["rounding"]:
            near += f", {hashing['rounding']} of them but for rounding the same"
        yield "novelty", near
    if trusted:
        audits = "none was audited yet"
        if trusted["audited"]:
            audits = f"{trusted['wrong']} of {trusted['audited']} audited were wrong: "
            audits += f"below {trusted['upper_95']:.1%} of all (95 %)"
        yield "trusted", f"{trusted['hits']} hits; {audits}"
    if probes["predicted"]:
        false = "none could be judged"
        if probes["interval"]:
            low, high = probes["interval"]
            false = f"{probes['false']} of {probes['judged']} were false"
            false += f" ({probes['rate']:.1%}, 95 %: {low:.1%} to {high:.1%})"
        yield "probe hits", f"{probes['predicted']} by another program; {false}"


def _rejections(rejections: Document) -> str:
    said = f"{rejections['rejected']} not run, {rejections['spared']} spared by the judge"
    if rejections["interval"]:
        low, high = rejections["interval"]
        said += f"; of {rejections['sampled']} run all the same {rejections['false']} were new"
        said += f" ({rejections['rate']:.0%}, {low:.0%} to {high:.0%})"
    return said


def _hurdle_facts(hurdle: Document | None) -> Iterator[tuple[str, RenderableType]]:
    if hurdle is None:
        return
    if hurdle["quick"] == 0:
        yield "hurdle", Text(too_few(hurdle["whole"]), style="yellow")
        return
    said = f"{hurdle['stopped']} stopped"
    if hurdle["interval"]:
        low, high = hurdle["interval"]
        said += f"; {hurdle['wrong']} of {hurdle['passed']} hopeless that ran in full got a place"
        said += f" ({hurdle['rate']:.0%}, 95 %: {low:.0%} to {high:.0%})"
    if hurdle["off"]:
        said += "; this was too often, so nothing more is stopped"
    yield "hurdle", said


def too_few(instances: int) -> str:
    """Say why a run that was told to have a hurdle has none."""
    return f"none: {instances} instances are too few for a quick stage"


def _net(hashing: Document) -> str:
    """Say what probing and recognising gave together, in seconds."""
    net = hashing["seconds_net"]
    if net is None:
        return ""
    saved = f"; what was recognised saved {hashing['seconds_saved']:.1f}s"
    return f"{saved}: {abs(net):.1f}s {'gained' if net >= 0 else 'lost'}"


def _saved_seconds(hashing: Document) -> Iterator[str]:
    for what in ("running", "grading"):
        if seconds := hashing[f"seconds_saved_{what}"]:
            yield f"{seconds:.1f}s of {what}"


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


def _unsettled(status: Document) -> str:
    usd, tokens = status["usd_unsettled"], status["tokens_unsettled"]
    parts = [dollars(usd)] * bool(usd) + [f"{tokens:,} tokens"] * bool(tokens)
    return f"up to {' and '.join(parts)} of calls whose bill nobody knows"


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
