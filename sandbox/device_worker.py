"""The worker for one candidate on a device: imports, starts the driver, encloses itself, runs it.

Executed as `python -P -s -m sandbox.device_worker` by `sandbox.errand` with its order, the memory
for its result and the pipes of any candidate. Its clocks start when the driver has.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import resource
import sys
import time
import traceback
import warnings
from typing import Any, NamedTuple

import numpy as np

from sandbox import candidate, loading, randomness, results, wire
from sandbox.candidate import Setting
from sandbox.errand import ORDER, RESULTS
from sandbox.job import Job, Limits, SandboxError
from sandbox.linux import process
from sandbox.walls.device import Device

# Threads that a driver may start later than at its first product. An estimate: torch starts one
# for gradients on each device, and those of the driver come with its first context.
_SPARE_TASKS = 8


class Order(NamedTuple):
    """What to do. device: its name. memory: the share of it that torch may take."""

    job: Job
    public: dict[str, Any]
    setting: Setting
    fed: bool
    device: str
    memory: float


def main() -> None:
    """Become the candidate, report, and exit, whatever happens on the way."""
    leave = os._exit  # our own, whatever the candidate puts in its place
    try:
        order, rng = _prepare()
        candidate.perform(order.job, order.public, rng, order.setting, order.fed)
        leave(0)
    finally:
        leave(candidate.BROKE)


def _prepare() -> tuple[Order, np.random.Generator]:
    """Do all that comes before the candidate's own code; start its clocks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries say is no word of the candidate
            order, wall = _take_order()
            _start_driver(order, wall)
        sys.dont_write_bytecode = True
        randomness.replace_entropy()
        rng = randomness.start(order.job.rng_seed)
        randomness.start_forked(order.job.rng_seed)
        gc.collect()
        memory, tasks = process.usage(os.getpid()).memory, process.num_threads() - 1
        process.let_go_of_proc()
        wall.enclose_candidate(order.setting.limits, 0, time.process_time())
        candidate.start_clocks(memory, tasks + (_SPARE_TASKS if order.device != "cpu" else 0))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise
    return order, rng


def _take_order() -> tuple[Order, Device]:
    """Read the order, import what it names, and let go of all that the candidate needs not."""
    faulthandler.enable(all_threads=False)  # a segfault names its line
    written = wire.receive(ORDER)
    os.close(ORDER)
    shared = results.attach(RESULTS)
    setting = written["setting"]
    wall = Device(setting["hash_seed"])
    limits, call = Limits(**setting["limits"]), loading.load(setting)
    public = loading.frozen(written["public"])
    # All but the candidate's own, before the driver has any that it needs.
    last = max(candidate.descriptors(written["fed"]))
    os.closerange(last + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return (
        Order(
            job=Job(**written["job"]),
            public=public,
            setting=Setting(wall, limits, call, setting["scratch"], 0, shared),
            fed=written["fed"],
            device=setting["device"],
            memory=setting["device_memory"],
        ),
        wall,
    )


def _start_driver(order: Order, wall: Device) -> None:
    """Enclose what there is, and take torch's first steps on the device.

    Raises: SandboxError when a module has started threads, which the rules would not hold.
    """
    if process.num_threads() != 1:
        raise SandboxError("a preloaded module starts threads, before they can be enclosed")
    wall.enclose_driver(order.device, order.setting.scratch, order.setting.limits)
    if "torch" not in sys.modules:  # there is no driver to start
        return
    import torch

    if order.device != "cpu":
        torch.cuda.set_device(order.device)
        torch.cuda.set_per_process_memory_fraction(order.memory, order.device)
    # A product and its gradient load the libraries and start the threads that go with them.
    weights = torch.ones(8, 8, device=order.device, requires_grad=True)
    (weights @ weights).sum().backward()  # type: ignore[no-untyped-call]
    if order.device != "cpu":
        torch.cuda.synchronize(order.device)


if __name__ == "__main__":
    main()
