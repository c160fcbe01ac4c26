"""What a grader keeps of the last program of the quick stage: on the whole block it goes on from
there, so nothing is run twice and nothing is graded twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evolve.grading import Grades, TaskCode
from evolve.task import Grade, Instance, Invalid
from sandbox import Outcome


@dataclass
class Quick:
    """A program that ran on the quick stage.

    outcomes, grades: by the name of the instance; grades: {} before any, and where an output was
    refused. seconds: of all grading so far.
    """

    code: TaskCode
    source: str
    outcomes: dict[str, Outcome]
    grades: dict[str, Grade] = field(default_factory=dict)
    seconds: float = 0.0

    def grade_all(self, instances: Sequence[Instance], outputs: Sequence[Any]) -> Grades:
        """Grade outputs as `TaskCode.grade_all` does, but for those that have a grade.

        A grade does not depend on what else is graded. The first invalid output speaks for all, as
        ever: none of those that have a grade is.
        """
        pairs = zip(instances, outputs, strict=True)
        rest = [(each, output) for each, output in pairs if each.name not in self.grades]
        found: Grades = []
        if rest:
            found = self.code.grade_all([each for each, _ in rest], [out for _, out in rest])
        if isinstance(found, Invalid):
            return found
        names = (each.name for each, _ in rest)
        known = self.grades | dict(zip(names, found, strict=True))
        return [known[instance.name] for instance in instances]

    def keep(self, instances: Sequence[Instance], grades: Grades, seconds: float) -> None:
        """Keep what was graded, and how long it took."""
        if not isinstance(grades, Invalid):
            names = (instance.name for instance in instances)
            self.grades, self.seconds = dict(zip(names, grades, strict=True)), seconds
