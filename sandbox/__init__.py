"""The wall: runs Python source that nobody trusts, in processes of its own, within limits.

It knows nothing of evolution and can be used by itself:

    from sandbox import Job, Limits, Sandbox

    limits = Limits(wall_s=5, cpu_s=5, memory_mb=1024, tasks=1, file_mb=0, result_mb=16, output_kb=64)
    with Sandbox.open(preload=("numpy",), inputs={"a": {"x": array}}, limits=limits) as box:
        outcome = box.run(Job(source=text, entry="main", input="a", rng_seed=7))

    outcome.status   # "ok", "invalid", "crashed", "timeout", "over_limit"
    outcome.value    # what `main(x=array)` returned: arrays and plain values only
    outcome.reason   # why it is not ok, for a person: what, where, how much, which bound

Where the future must stay hidden, a feed gives the items one by one from this side of the wall:

    def feed():                            # main(x=array, size=...) is called once per item
        total = 0.0
        for size in sizes:
            total += yield {"size": size}  # what the call returned
        return total                       # outcome.value

    outcome = box.run(job, feed)

A candidate that misbehaves is a status. `SandboxError` means that the world is broken: a module
that cannot be preloaded, a machine that cannot enforce the level, a warm process that keeps dying.

What each level promises stands in `sandbox.levels`, and in docs/security.md against whom. At level
`weak`, which is used only when it is asked for, a candidate can read and write the files of the
user who started it and use the network.

`import sandbox` is cheap: numpy is loaded with the first use of `Sandbox`.
"""

from typing import TYPE_CHECKING, Any

from sandbox.job import Job, Limits, Outcome, SandboxError, Status
from sandbox.levels import LEVELS, Level

if TYPE_CHECKING:
    from sandbox.box import Sandbox

__all__ = ["LEVELS", "Job", "Level", "Limits", "Outcome", "Sandbox", "SandboxError", "Status"]


def __getattr__(name: str) -> Any:
    if name == "Sandbox":
        from sandbox.box import Sandbox

        return Sandbox
    raise AttributeError(f"module 'sandbox' has no attribute {name!r}")
