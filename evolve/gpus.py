"""The GPUs of this machine: seen without loading torch, and shared out among slots by memory."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.errors import UsageError
from evolve.loader import Task
from evolve.world import CPU, device_of

VISIBLE = "CUDA_VISIBLE_DEVICES"
# As the driver's own tool numbers them; CUDA itself puts the fastest first.
ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
QUESTION = ("--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")
# A driver that is not kept loaded takes seconds to begin.
PATIENCE_S = 60.0


# Present where the driver of a GPU is, of whatever maker.
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
NO_GPU = "leave the setting out, or go where there is one"
OTHER_GPU = "a driver is there: say how many slots its GPU holds with --workers"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU under the name by which CUDA finds it; memory_mb: None where nobody tells."""

    name: str
    memory_mb: int | None

    def holds(self, slot_mb: int) -> int:
        """Count the slots that its memory holds; one at least."""
        return max(1, (self.memory_mb or 0) // slot_mb)


def slots_for(task: Task, told: int | None, cores: int) -> int:
    """Give how many slots of this machine a task gets.

    told: what a person said, which stands. Else one for each core; with `--set device=cuda` as many
    as the GPUs' memory holds, and no more than cores.
    Raises: UsageError where the task wants a GPU and none is seen.
    """
    if not _wants_gpu(task):
        return told or cores
    seen = _for_task(task)
    if told and (seen or has_driver()):
        return told
    if not seen:
        raise UsageError(
            f"--set device={task.settings['device']}: no GPU is seen here (`nvidia-smi` lists none "
            f"that {VISIBLE} allows); {OTHER_GPU if has_driver() else NO_GPU}"
        )
    return min(cores, sum(gpu.holds(task.spec.slot.gpu_memory_mb) for gpu in seen))


def environments(task: Task, slots: int) -> list[dict[str, str]]:
    """Give the variables that show each slot its own GPU, in turn; none where the CPU does it.

    A task that was told which GPU (`cuda:1`) is left with all of them, or the number would lie.
    """
    seen = _for_task(task) if _wants_gpu(task) and ":" not in device_of(task) else []
    if not seen:
        return [{} for _ in range(slots)]
    chosen = _in_turn(seen, task.spec.slot.gpu_memory_mb, slots)
    return [{**ORDER, VISIBLE: gpu.name} for gpu in chosen]


def visible_gpus() -> list[Gpu]:
    """See the GPUs that this process may use; none without the driver's tool `nvidia-smi`."""
    listed = _listed()
    allowed = os.environ.get(VISIBLE)
    if allowed is None:
        return [Gpu(index, memory_mb) for index, _, memory_mb in listed]
    known = {name: memory_mb for index, uuid, memory_mb in listed for name in (index, uuid)}
    names = [name.strip() for name in allowed.split(",")] if listed else []
    # A part of a GPU has a name of its own (MIG-...), which is not listed.
    return [Gpu(name, known.get(name)) for name in names if name not in ("", "-1")]


def has_driver() -> bool:
    """Tell whether there may be a GPU, also one that `nvidia-smi` does not know."""
    return any(map(os.path.exists, DRIVERS))


def _wants_gpu(task: Task) -> bool:
    """Tell whether the grader computes on a GPU; candidates that do take turns on theirs."""
    return str(task.settings.get("device", CPU)).startswith("cuda")


def _for_task(task: Task) -> list[Gpu]:
    seen = visible_gpus()
    _, _, number = device_of(task).partition(":")
    return seen[int(number) :][:1] if number.isdecimal() else seen


def _in_turn(seen: Sequence[Gpu], slot_mb: int, slots: int) -> list[Gpu]:
    """Deal GPUs to slots, round by round; a large one is dealt in more rounds."""
    rounds = range(max(gpu.holds(slot_mb) for gpu in seen))
    dealt = [gpu for each in rounds for gpu in seen if each < gpu.holds(slot_mb)]
    return list(itertools.islice(itertools.cycle(dealt), slots))


@functools.cache  # the tool may take a second, and a machine's GPUs stay
def _listed() -> list[tuple[str, str, int | None]]:
    """Ask the driver's tool for index, uuid and memory (MiB, where it is told) of every GPU."""
    try:
        asked = subprocess.run(
            ["nvidia-smi", *QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (line.split(", ") for line in asked.stdout.splitlines())
    return [
        (row[0].strip(), row[1].strip(), int(row[2]) if row[2].strip().isdecimal() else None)
        for row in rows
        if len(row) == 3 and row[0].strip().isdecimal()
    ]
