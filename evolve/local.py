"""The executor of this machine: one grader process, with its warm process, per slot."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from evolve.errors import TaskError, WorldError
from evolve.executor import DeviceLost, Progress, SlotLost
from evolve.gpus import environments
from evolve.grader_slot import GraderSlot
from evolve.loader import Task
from evolve.slot_pool import SlotPool
from sandbox import SandboxError, start, wire
from sandbox.levels import MIN_LEVEL, at_least, choose

# What a grader inherits: where programs and caches lie, nothing that could be a key.
KEPT_VARIABLES = (
    "LANG",
    "XDG_CACHE_HOME",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    *start.FOR_ENGINES,
)
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
MAX_MESSAGE_BYTES = 256 * 2**20
# A lost grader is the world's fault: so many fresh ones are tried before the run stops.
MAX_RETRIES = 2
# A grader that was asked to end and has not is killed after so many seconds.
CLOSE_SECONDS = 5.0


class LocalExecutor:
    """Runs candidates in `num_slots` slots of this machine; use it as an async context manager.

    Where the task was told to compute on GPUs, slots get one each, in turn.

    report: told of long work before the first candidate can run.
    Raises on entry: TaskError if the task's own code fails; WorldError if the wall cannot stand.
    """

    def __init__(
        self,
        task: Task,
        world: str,
        num_slots: int,
        *,
        level: str = "auto",
        min_level: str = MIN_LEVEL,
        test_is_open: bool = False,
        report: Progress | None = None,
    ) -> None:
        self._opening = opening_of(
            task, world, level=level, min_level=min_level, test_is_open=test_is_open
        )
        self.num_slots, self._device = num_slots, task.spec.device
        self.levels: Collection[str] = at_least(min_level)
        self._slots = [
            LocalSlot(self._opening, report, variables)
            for variables in environments(task, num_slots)
        ]
        self._pool = SlotPool[LocalSlot]()

    @property
    def level(self) -> str:
        """The level of the wall that was found."""
        return self._slots[0].level

    async def __aenter__(self) -> LocalExecutor:
        try:
            self._try_level()
            await asyncio.gather(*(slot.open() for slot in self._slots))
        except BaseException as error:
            await self.__aexit__(type(error))
            raise
        for slot in self._slots:
            self._pool.add(slot)
        return self

    async def __aexit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        # Whoever gives up does not wait for candidates to end.
        patience = CLOSE_SECONDS if kind is None else 0.0
        await asyncio.gather(*(slot.close(patience) for slot in self._slots))

    def _try_level(self) -> None:
        """Choose the level here, once, so that no grader has to try it out again."""
        if self._device is not None:
            return  # such a wall is told by what happens on the device
        try:
            level = choose(self._opening["level"], self._opening["min_level"])
        except SandboxError as error:
            raise WorldError(str(error)) from error
        self._opening |= {"level": level, "tried": True}

    def slot(self, priority: int) -> AbstractAsyncContextManager[LocalSlot]:
        return self._pool.slot(priority)

    def alone(self) -> AbstractAsyncContextManager[LocalSlot]:
        return self._pool.alone()


def opening_of(
    task: Task, world: str, *, level: str, min_level: str, test_is_open: bool = False
) -> dict[str, Any]:
    """Give what a grader is opened with."""
    return {
        "folder": str(task.folder),
        "settings": dict(task.settings),
        "digest": task.digest,
        "world": world,
        "level": level,
        "min_level": min_level,
        "tried": False,
        "test_is_open": test_is_open,
    }


class LocalSlot(GraderSlot):
    """A grader process behind two pipes; replaced when it is lost.

    variables: of the environment, for its grader alone.
    """

    def __init__(
        self,
        opening: Mapping[str, Any],
        report: Progress | None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._opening, self._report, self._variables = opening, report, variables or {}
        self._process: asyncio.subprocess.Process | None = None
        # Whether a question was given up, whose answer would be taken for that of the next one.
        self._out_of_step = False
        # A lost grader is replaced where it was asked, so a slot here is never lost for good.
        self.is_lost = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def open(self) -> None:
        """Start the grader and let it load the task."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "evolve.grader",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**_environment(), **self._variables},
            # Ctrl-C in the terminal is for us: we let the graders finish.
            start_new_session=True,
            limit=2**20,
        )
        self.level = (await self.ask_once("open", self._opening))["level"]

    async def close(self, patience: float = CLOSE_SECONDS) -> None:
        """End the grader: end of file on its pipe, and after `patience` seconds by force."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def ask(self, op: str, arguments: Mapping[str, Any]) -> Any:
        for retry in range(MAX_RETRIES + 1):
            try:
                return await self.ask_once(op, arguments)
            except DeviceLost:
                await self._replace()
                raise  # whose fault it is shows when it is done again, alone
            except SlotLost:
                if retry == MAX_RETRIES:
                    raise
                await self._replace()
        raise AssertionError("unreachable")

    async def _replace(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._out_of_step = False
        await self.open()

    async def ask_once(self, op: str, arguments: Mapping[str, Any]) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise SlotLost("a grader was asked before it was started")
        if self._out_of_step:
            raise SlotLost("a grader still owes the answer to a question that was given up")
        try:
            process.stdin.writelines(wire.encode({"op": op, "arguments": dict(arguments)}))
            await process.stdin.drain()
            while True:
                message = await receive(process.stdout)
                if message["event"] != "progress":
                    break
                if self._report is not None:
                    self._report(message["done"], message["total"], message["what"])
        except asyncio.CancelledError:
            self._out_of_step = True
            raise
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            code = await process.wait()
            raise SlotLost(f"a grader ended with exit code {code} while it did `{op}`") from error
        if message["event"] == "device":
            raise DeviceLost(message["message"])
        if message["event"] == "task":
            raise TaskError(message["message"])
        if message["event"] == "world":
            raise WorldError(message["message"])
        return message["value"]


async def receive(pipe: asyncio.StreamReader) -> Any:
    """Read one tree from a grader, which is ours: its frames are trusted to be frames."""
    prefix = await pipe.readexactly(wire.PREFIX_BYTES)
    size = wire.frame_bytes(memoryview(prefix))
    if size is None or size > MAX_MESSAGE_BYTES:
        raise SlotLost("a grader answered with something that is no frame")
    return wire.decode(prefix + await pipe.readexactly(size - wire.PREFIX_BYTES))


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    # `-P` keeps a `sandbox.py` in the working folder from shadowing ours; ours is named instead.
    home = str(Path(__file__).resolve().parent.parent)
    folders = [home, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    path = os.pathsep.join(filter(None, folders))
    return {**kept, **ONE_THREAD, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
