"""The nouns of the wall: what to run, within which limits, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "invalid", "crashed", "timeout", "over_limit"]

KB = 1024
MB = 1024 * 1024


class SandboxError(Exception):
    """The world is broken, or asked for what it cannot give; never a verdict on a candidate."""


@dataclass(frozen=True)
class Job:
    """One call of one candidate.

    source: Python text of a module. entry: the name that it must define, and that is called.
    input: name of the preloaded tree whose items are the keyword arguments of the entry point.
    rng_seed: what `random`, numpy's legacy generator and the candidate's own one start from, and
        what Python and numpy take for entropy of the system, as in `np.random.default_rng()`.
    pass_rng: also give the entry point `rng`, a numpy Generator (PCG64) of rng_seed.
    observe: name of a variable of the candidate's module that is the value instead of the output,
        after the entry point has returned or raised; None where there is no such variable.
    """

    source: str
    entry: str
    input: str
    rng_seed: int = 0
    pass_rng: bool = False
    observe: str | None = None

    def __post_init__(self) -> None:
        if self.rng_seed < 0:
            raise ValueError(f"Job.rng_seed is {self.rng_seed}: it must be 0 or more")


@dataclass(frozen=True)
class Limits:
    """What one candidate may use; every bound is enforced from outside it.

    wall_s, cpu_s: seconds from the moment at which the candidate's code starts; breaking one gives
        status `timeout`, breaking any other one `over_limit`.
    memory_mb: memory beyond what the warm process holds, in MiB.
    tasks: processes and threads alive at once, itself included.
    file_mb: size of any one file written, in MiB. result_mb: arrays and bytes of the value, in MiB.
    output_kb: what it may print, standard error included, in KiB.
    """

    wall_s: float = 20.0
    cpu_s: float = 5.0
    memory_mb: int = 1024
    tasks: int = 1
    file_mb: int = 0
    result_mb: int = 16
    output_kb: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            lowest = (
                0 if name in ("file_mb", "output_kb") else 1 if isinstance(value, int) else 1e-3
            )
            if not value >= lowest:
                raise ValueError(f"Limits.{name} is {value}: it must be at least {lowest}")


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    status: "ok"; "invalid" (no program, no entry point, or a value that cannot cross the wire);
        "crashed" (raised, exited, killed by a signal other than SIGKILL); "timeout";
        "over_limit", which is also said of a SIGKILL that the watch did not send and of a job over
        which every warm process fell silent or died: the machine may have run out of memory, so
        neither tells of the candidate alone.
    value: None, bool, int, float, complex, str, bytes, list, dict and numpy arrays, nested.
    reason: empty when ok; else the exception with the candidate's lines, or the limit, the figure
        and the bound, or who may have killed it.
    stdout: what was printed, standard error included, cut at the bound.
    wall_s, cpu_s: seconds since the candidate's code started. max_rss_bytes: peak resident
        memory, what it shares with the warm process included. level: that it ran at.
    """

    status: Status
    value: Any
    reason: str
    stdout: str
    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    level: str
