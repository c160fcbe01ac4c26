"""What a model is told that stays the same for a whole run; the run's row keeps it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evolve.spec import TaskSpec
from evolve.statistics import Grouping

# The only split whose scores a model may see: the one that the search scores on.
SHOWN_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Reference:
    """A line to compare with. score: mean over the instances that the search scores on."""

    name: str
    score: float
    about: str


@dataclass(frozen=True)
class Briefing:
    """What all prompts of a run begin with.

    brief: the problem as the task tells it. references: best first or as the task lists them.
    grouping: of the instances that the search scores on. signature: of the entry point, such as
    "select(pool, k, rng)"; its bare name if it is empty.
    """

    brief: str
    spec: TaskSpec
    references: tuple[Reference, ...] = ()
    grouping: Grouping = field(default_factory=Grouping)
    signature: str = ""

    def plain(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "brief": self.brief,
            "spec": self.spec.model_dump(mode="json"),
            "references": [[line.name, line.score, line.about] for line in self.references],
            "grouping": {
                "subgroups": {
                    name: list(labels) for name, labels in self.grouping.subgroups.items()
                },
                "units": dict(self.grouping.units),
            },
            "signature": self.signature,
        }


def briefing_of(plain: Mapping[str, Any]) -> Briefing:
    """Make a briefing again from what `plain` gave."""
    grouping = plain["grouping"]
    return Briefing(
        brief=plain["brief"],
        spec=TaskSpec.model_validate(plain["spec"]),
        references=tuple(Reference(*line) for line in plain["references"]),
        grouping=Grouping(
            subgroups={name: tuple(labels) for name, labels in grouping["subgroups"].items()},
            units=dict(grouping["units"]),
        ),
        signature=plain["signature"],
    )


def references(
    baselines: Mapping[str, Any], sources: Mapping[str, str] | None = None
) -> tuple[Reference, ...]:
    """Give the lines of a baselines.json, worst first: random choice, best published, controls.

    sources: {name: source} of programs and controls, whose docstrings tell what they are. Only
    scores on `train` are looked at: hidden ones never reach a model. {} gives no lines.
    """
    sources = sources or {}
    found = []
    for key, what in (("random", "random choice"), ("published", "the best published program")):
        row = baselines.get(key)
        if row and row.get(SHOWN_SPLIT) is not None:
            found.append(_reference(row["name"], row[SHOWN_SPLIT], what, sources))
    for name, row in baselines.get("controls", {}).items():
        score = row.get(SHOWN_SPLIT, {}).get("score")
        if score is not None:
            what = "a control, which may see or spend what a program may not"
            found.append(_reference(name, score, what, sources))
    return tuple(sorted(found, key=lambda line: (line.score, line.name)))


def signature(source: str, entry: str) -> str:
    """Give an entry point with its parameters as a program defines it, `entry` if it does not.

    A class is given by how it is made.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return entry
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == entry:
            makers = (part for part in node.body if isinstance(part, ast.FunctionDef))
            made = next((part for part in makers if part.name == "__init__"), None)
            return f"{entry}({_parameters(made)})" if made else f"{entry}()"
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            return f"{entry}({ast.unparse(node.args)})"
    return entry


def _reference(name: str, score: float, what: str, sources: Mapping[str, str]) -> Reference:
    told = _docline(sources.get(name, ""))
    return Reference(name, float(score), f"{what}: {told}" if told else what)


def _docline(source: str) -> str:
    """Give the first line of a module's docstring, or of that of a function; "" if none has one."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    texts = [ast.get_docstring(tree), *map(ast.get_docstring, functions)]
    return next((text.splitlines()[0] for text in texts if text), "")


def _parameters(method: ast.FunctionDef) -> str:
    """Give a method's parameters as its caller sees them."""
    seen = copy.copy(method.args)
    seen.args = seen.args[1:]
    return ast.unparse(seen)
