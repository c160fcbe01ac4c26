"""What a task's author imports, and all that a task may import of ours.

A task is a folder whose `task.py` defines two functions (and may define others):

    def instances(split, settings, block=0): ...      # yields Instance
    def grade(instance, output): ...                  # returns Grade, or raises Invalid
    def grade_many(instances, outputs): ...           # optional, equal to grade, one by one
    def feed(instance): ...                           # with `stepwise = true` in task.toml
    def published(instances, grades): ...             # with `[published_protocol]` in task.toml

`task.py` runs outside the wall, in the grader process only. A candidate sees `Instance.public`
and nothing else of it.

A stepwise task is for online problems, whose future must stay hidden. Its `feed` is a generator,
a pure function of the instance and the answers: what it yields are the arguments of the next call
of the entry point, beside those in `public`; the answer is sent to it; what it returns is the
output that is graded. A candidate may keep what it likes in global variables between calls.

    def feed(instance):
        bins = []
        for size in instance.private["items"]:
            bins.append((yield {"size": size}))       # the candidate's pack(**public, size=size)
        return bins

An answer that breaks the rules is refused by raising Invalid. One call costs some 50 microseconds
beside the candidate's own time, and the time that `feed` takes counts as the candidate's wall time.

`published` gives the number that a paper prints, in its sign and unit, from the grades of the
instances of `instances("published", settings)` whose `groups["protocol"]` is one protocol's name.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evolve.artefacts import arrays, kept, noted

__all__ = [
    "Artefacts",
    "Grade",
    "Instance",
    "Invalid",
    "Progress",
    "Unusable",
    "cached",
    "progress",
    "rng",
]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Instance:
    """One problem of a task.

    name: unique within a task, and the same in every process (`train-0-3`).
    public: what crosses the wall, a tree of arrays and plain values; the arguments of the entry
        point. One array that several instances share is sent once.
    private: what never does (labels, evaluation data, seeds).
    groups: subgroups that results are shown by, such as {"regime": "hard", "budget": "5 %"}.
    unit: what was drawn once for several instances (a pool at three budgets): statistics count
        them as one draw. Empty if the instance was drawn by itself.
    """

    name: str
    public: Mapping[str, Any]
    private: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True)
class Grade:
    """What the grader says of one output.

    score: higher is better; a finite float.
    measures: the coordinates of behaviour that task.toml declares, and any others worth logging.
    feedback: what a person or a model should know about this output.
    """

    score: float
    measures: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""


class Invalid(Exception):
    """The output is not an answer (wrong shape, not finite, out of range); say why."""


class Unusable(Exception):
    """A setting, or a file that it names, cannot be used: say what is wrong and what to do.

    `instances` raises it, and its text is shown to the user without the lines of code.
    """


def rng(*names: object) -> np.random.Generator:
    """Give the generator that belongs to these names: equal names, equal numbers, on any machine.

    Use it for everything random in a task: `rng(split, block, i)`. The task's name and settings do
    not enter, so two tasks with equal names draw alike.
    """
    text = "\x1f".join(str(name) for name in names)
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


@dataclass(frozen=True)
class Artefacts:
    """Expensive arrays, kept on disk and read through memory maps.

    public: may be given to candidates; private: must not be.
    """

    public: Mapping[str, np.ndarray]
    private: Mapping[str, np.ndarray]


_progress: contextvars.ContextVar[Progress | None] = contextvars.ContextVar(
    "evolve_task_progress", default=None
)
_digest: contextvars.ContextVar[str] = contextvars.ContextVar("evolve_task_digest", default="")
_shared_digest: contextvars.ContextVar[str] = contextvars.ContextVar(
    "evolve_task_shared_digest", default=""
)


def progress(done: int, total: int, what: str) -> None:
    """Report long work on artefacts; whoever waits draws the bar. `done` and `total` are counts."""
    report = _progress.get()
    if report is not None:
        report(done, total, what)


def cached(
    settings: Any,
    build: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    name: str,
    shared: bool = False,
) -> Artefacts:
    """Build arrays once per (code of the task, settings, name) and keep them on disk.

    settings: what the artefacts depend on; anything that `json` can write, or the task's settings.
    build: gives (public, private), two dicts of arrays; called only when nothing is kept yet.
    name: of the artefact, such as "pool-train-0-3"; part of the key.
    shared: keep it once for a task and all that extend it, whatever else their settings are. What
        `build` does must then follow from the code of that task and from what is told in `settings`.

    The folder is `$XDG_CACHE_HOME/evolve` (`~/.cache/evolve`). A second builder waits for the
    first. What is kept can be deleted at any time.
    """
    key = _key(settings, name, shared)
    folder = kept(key, build)
    noted(_digest.get(), key)
    return Artefacts(public=arrays(folder / "public"), private=arrays(folder / "private"))


@contextlib.contextmanager
def grading(digest: str, shared_digest: str, report: Progress | None) -> Iterator[None]:
    """Set what `cached` and `progress` belong to while a task's own code runs."""
    tokens = _digest.set(digest), _shared_digest.set(shared_digest), _progress.set(report)
    try:
        yield
    finally:
        _digest.reset(tokens[0])
        _shared_digest.reset(tokens[1])
        _progress.reset(tokens[2])


def _key(settings: Any, name: str, shared: bool) -> str:
    plain = settings if isinstance(settings, (dict, list, str, int, float)) else vars(settings)
    digest = (_shared_digest if shared else _digest).get()
    text = json.dumps([digest, plain, name], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
