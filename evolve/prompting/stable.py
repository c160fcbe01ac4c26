"""The first message of every prompt: what holds for the whole run, equal for all its steps."""

from __future__ import annotations

from evolve.briefing import Briefing, Reference
from evolve.estimates import in_order
from evolve.prompting.words import below_heading, filled, listed, number, one_line
from evolve.spec import Budget, Measure, TaskSpec
from evolve.statistics import Grouping

# Wall time over CPU time where a task does not say it.
WALL_FACTOR = 4


def stable_part(briefing: Briefing) -> str:
    """Tell the task, what a program is and may use, what counts, measures and reference lines."""
    spec = briefing.spec
    said = filled(
        "task",
        name=spec.name,
        brief=below_heading(briefing.brief),
        signature=briefing.signature or spec.entry,
        manner=_manner(spec),
        imports=", ".join(spec.imports),
        source_bytes=f"at most {spec.max_source_bytes:,}",
        span="On one instance, all calls together," if spec.stepwise else "On one instance",
        **_limits(spec.limits),
        state=_state(spec),
        instances=_instances(briefing.grouping),
        draws=_draws(briefing.grouping),
        measures="\n".join(map(_measure, spec.measures)),
    )
    if not briefing.references:
        return said
    lines = "\n".join(map(_reference, briefing.references))
    return f"{said}\n\n{filled('references', lines=lines)}"


def _manner(spec: TaskSpec) -> str:
    said = ""
    if spec.stepwise:
        said += " It is called once for each item in turn and cannot know what is still to come."
    if spec.rng:
        said += " `rng` is a numpy Generator; take what is random from it and from nothing else."
    if spec.device and spec.device != "cpu":
        said += f" It may compute on the GPU `{spec.device}`."
    return said


def _limits(limits: Budget) -> dict[str, str]:
    wall_s = limits.wall_s if limits.wall_s is not None else WALL_FACTOR * limits.cpu_s
    return {
        "cpu_s": f"{limits.cpu_s:g}",
        "wall_s": f"{wall_s:g}",
        "memory_mb": f"{limits.memory_mb}",
        "tasks": f"{limits.tasks} threads" if limits.tasks > 1 else "one thread",
        "files": f"{limits.file_mb} MB of files" if limits.file_mb else "no files",
    }


def _state(spec: TaskSpec) -> str:
    if spec.stepwise:
        return "What it keeps in global variables lasts for the calls of one instance, no longer."
    return "Every instance runs in a fresh process: nothing that it keeps survives to the next."


def _instances(grouping: Grouping) -> str:
    count = len(grouping.subgroups.keys() | grouping.units.keys())
    return f"{count} instances" if count > 1 else "instances"


def _draws(grouping: Grouping) -> str:
    """Tell how many independent draws there are, and in each subgroup; "" if nothing is known."""
    names = grouping.subgroups.keys() | grouping.units.keys()
    said = ""
    if grouping.units:
        draws = len({grouping.units.get(name, name) for name in names})
        said = f" They come from {draws} independent draws."
    members: dict[str, set[str]] = {}
    for name, labels in grouping.subgroups.items():
        for label in labels:
            members.setdefault(label, set()).add(grouping.units.get(name, name))
    if members:
        counts = [f"{label} ({len(members[label])})" for label in sorted(members, key=in_order)]
        said += f" Subgroups, each with its number of independent draws: {listed(counts)}."
    return said


def _measure(measure: Measure) -> str:
    low, high = measure.range
    about = f": {one_line(measure.about)}" if measure.about else ""
    return f"- `{measure.name}`, {low:g} to {high:g} in {measure.bins} cells{about}"


def _reference(line: Reference) -> str:
    return f"- `{line.name}` {number(line.score)}, {one_line(line.about)}"
