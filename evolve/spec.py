"""task.toml: what a task declares about itself, read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evolve.errors import TaskError
from evolve.folder import read_laid
from evolve.mistakes import mistakes

FORM = r"^(exact|set|ranking|mask|table|trace|float:\d+|topk:\d+)$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(_Strict):
    """One axis of the grid: a measure with its fixed range, cut into equal bins."""

    name: str
    range: tuple[float, float]
    bins: int = Field(ge=1, le=100)
    about: str = ""

    @field_validator("range")
    @classmethod
    def _lower_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("write the lower bound first")
        return value


class Budget(_Strict):
    """What one call of a candidate may use.

    cpu_s: CPU seconds, at least 20 times the slowest baseline. wall_s: four times that unless
    given. memory_mb, result_mb, output_kb, file_mb: sizes. tasks: processes and threads.
    device_memory: share of a device's memory that torch may take, where the task has a device.
    """

    cpu_s: float = Field(default=5.0, gt=0)
    wall_s: float | None = Field(default=None, gt=0)
    memory_mb: int = Field(default=1024, ge=64)
    tasks: int = Field(default=1, ge=1)
    file_mb: int = Field(default=0, ge=0)
    result_mb: int = Field(default=16, ge=1)
    output_kb: int = Field(default=64, ge=1)
    device_memory: float = Field(default=0.8, gt=0, le=1)


class Slot(_Strict):
    """What one slot (a grader and its warm process) takes of a machine.

    gpu_memory_mb: of a GPU's memory where the grader uses one (`--set device=cuda`): as many slots
    share a GPU as it holds. Nothing enforces it.
    """

    gpu_memory_mb: int = Field(default=8192, ge=1)


class Block(_Strict):
    """A building block that `insert` may put into a program.

    gives: "score" (a float per item, higher is better to choose), "mask" (a bool per item),
        "select" (a whole choice from weights) or "view" (another description of the items).
    source: a module with imports, helpers and one function `name`, whose parameters are named
        like the entry point's (or "w", the weights, for "select"; "x", the table that it replaces,
        for "view").
    cost: CPU cost of a call relative to a cheap block.
    """

    name: str
    gives: Literal["score", "mask", "select", "view"]
    source: str
    deterministic: bool = True
    cost: float = 1.0


class TaskSpec(_Strict):
    """The whole of task.toml.

    extends: the task that this one is a variant of, a folder beside it or a shipped task: keys are laid
        over those of its task.toml, files over its files. `task.py` may import from `.base`.
    entry: the function (or class) that a candidate defines. rng: it is also given `rng=`.
    stepwise: it is called once for each item that `feed` in task.py yields, and cannot know what
        is still to come; else it is called once.
    device: "cuda" or "cuda:1" for candidates that need a GPU themselves; each then runs alone on it
        behind a weaker wall (`--min-level weak`). None where they compute on the CPU, which is
        better, also when the grader uses a GPU.
    preload, imports: modules held by the warm process; modules that a candidate may import.
    probes: what a hit of the functional hash means: "predict", "trust" or "exact".
    canonical: the form in which outputs are compared: "exact", "set", "float:BITS", ...
    qd_offset: subtracted from a fitness in the QD score. delta_min: the smallest difference on
        `test` that counts. dims: names for axes of the inputs, `N = "pool.y[0]"` being axis 0 of
        public["pool"]["y"] and `k = "k"` a plain integer, or of the first item of a stepwise task; all
        different on the first probe.
    items: the dims that a score has, one float per item; the first that is an axis unless given. Where
        they are two or more, scores are joined as factors, else through ranks.
    settings: the task's own options with their defaults, whose types they keep. "data.path" is
        read as `settings.data.path`; what ends in `path` names a file (or `FILE:NAME`), whose content
        enters the digest.
    published_protocol: numbers that papers print, as printed: "PROGRAM PROTOCOL" = "4.375". They are
        recomputed on the split `published`, see `evolve.task`.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str
    extends: str | None = None
    family: str = "own"
    entry: str
    rng: bool = False
    stepwise: bool = False
    device: str | None = Field(default=None, pattern=r"^(cpu|cuda(:\d+)?)$")
    preload: tuple[str, ...] = ("numpy",)
    imports: tuple[str, ...] = ("numpy", "math", "collections", "heapq", "itertools", "functools")
    max_source_bytes: int = Field(default=30_000, ge=100)
    probes: Literal["predict", "trust", "exact"] = "predict"
    canonical: str = Field(default="exact", pattern=FORM)
    qd_offset: float = 0.0
    delta_min: float = Field(default=0.0, ge=0)
    limits: Budget = Budget()
    slot: Slot = Slot()
    measures: tuple[Measure, ...] = Field(min_length=2)
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)
    published_protocol: dict[str, str] = Field(default_factory=dict)
    dims: dict[str, str] = Field(default_factory=dict)
    items: tuple[str, ...] = ()
    block: tuple[Block, ...] = ()

    @field_validator("settings", mode="before")
    @classmethod
    def _plain_values(cls, settings: Any) -> Any:
        for name, value in settings.items() if isinstance(settings, dict) else ():
            if not isinstance(value, bool | int | float | str):
                raise ValueError(f"{name} must be a number, a text in quotes, or true or false")
        return settings

    @model_validator(mode="after")
    def _names_differ(self) -> TaskSpec:
        for what, names in (
            ("measures", [measure.name for measure in self.measures]),
            ("block", [block.name for block in self.block]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what}: the name {sorted(twice)[0]!r} stands twice")
        for name in self.items:
            if "[" not in self.dims.get(name, ""):
                raise ValueError(f"items: {name!r} is no axis among dims")
        return self


def read_spec(path: Path) -> TaskSpec:
    """Read and check a task.toml. Raises: TaskError naming every key that is wrong."""
    values = read_laid(path)
    try:
        return TaskSpec.model_validate(values)
    except ValidationError as error:
        found = mistakes(error, SECTIONS, EXPECTED)
        raise TaskError("\n".join(f"{path}: {mistake}" for mistake in found)) from error


SECTIONS: dict[str, type[BaseModel]] = {
    "": TaskSpec,
    "limits": Budget,
    "slot": Slot,
    "measures": Measure,
    "block": Block,
}
# What to write for keys whose type does not say it all.
EXPECTED = {
    "name": 'a text of small letters, digits and _, a letter first, as in name = "bin_packing"',
    "about": 'one sentence in quotes, as in about = "Put items into few bins."',
    "entry": 'in quotes, the function or class that a candidate defines, as in entry = "pack"',
    "device": "'cuda', 'cuda:NUMBER', or 'cpu' to try the worker out, in quotes",
    "canonical": "exact, set, ranking, mask, table, trace, float:BITS or topk:NUMBER, in quotes",
    "measures": "two or more tables [[measures]], each with name, range and bins",
    "measures.name": "a name in quotes",
    "measures.range": "two numbers, [lower, upper], as in range = [0.0, 1.0]",
    "measures.bins": "a whole number from 1 to 100, as in bins = 6",
    "block": "tables [[block]]",
    "block.name": "the name of the function in quotes",
    "block.gives": "'score', 'mask', 'select' or 'view'",
    "block.source": "the source of a module in quotes",
}
