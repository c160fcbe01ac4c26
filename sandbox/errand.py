"""How the fork of a warm process starts a candidate on a device: by executing a fresh interpreter.

CUDA survives no fork, so nothing of the warm process may be in the candidate. All that it needs is
written down for it, and it maps the memory for results itself: the mapping that other candidates
inherit does not survive the execution of another program.
"""

from __future__ import annotations

import fcntl
import os
import resource
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

import numpy as np

from sandbox import candidate, start, wire
from sandbox.candidate import Pipes, Setting
from sandbox.job import Job

START_S = 120.0  # to import what is preloaded and to start the driver, on a slow disk

# In the worker: what it must do, and where its result goes; beside the pipes of every candidate.
ORDER, RESULTS = 6, 7


class Errand:
    """What a fork does in place of becoming the candidate.

    request: the setting of the warm process. results: descriptor of the memory for results.
    """

    def __init__(self, request: Mapping[str, Any], results: int) -> None:
        self._request = dict(request)
        self._results = results

    def run(
        self,
        job: Job,
        public: Mapping[str, Any],
        rng: np.random.Generator,
        setting: Setting,
        pipes: Pipes,
    ) -> NoReturn:
        """Turn this fresh fork into the worker, which makes the candidate's generator itself."""
        try:
            candidate.leave_family(setting, pipes)
            fed = pipes.fed is not None
            order = {"setting": self._request, "job": asdict(job), "public": public, "fed": fed}
            _hold_only(fed, {ORDER: _written(order), RESULTS: self._results})
            command = start.command("sandbox.device_worker")
            environment = setting.wall.environment(setting.scratch)
            os.execve(sys.executable, command, environment)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            raise
        finally:
            os._exit(candidate.BROKE)


def _written(order: Mapping[str, Any]) -> int:
    """Give a descriptor from which a tree can be read."""
    fd = os.memfd_create("order")
    wire.write_all(fd, wire.encode(order))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _hold_only(fed: bool, more: Mapping[int, int]) -> None:
    """Keep the standard streams, the candidate's pipes, and `more`: descriptors by new number."""
    pipes = candidate.descriptors(fed)
    first_free = max(*pipes, *more) + 1
    # aside first, where none of them is in another's place
    aside = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, first_free) for number, fd in more.items()}
    for number, fd in aside.items():
        os.dup2(fd, number)
    for number in range(sys.stderr.fileno() + 1, first_free):
        if number in pipes:
            os.set_inheritable(number, True)
        elif number not in more:
            os.closerange(number, number + 1)  # it may not be open
    os.closerange(first_free, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
