"""The executor of this machine: one grader process, with its warm process, per slot."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from evolve.errors import TaskError, WorldError
from evolve.executor import Drafted, Probed, Progress, Ran, SlotLost
from evolve.lending import Pool
from evolve.loader import Task
from sandbox import SandboxError, start, wire
from sandbox.levels import MIN_LEVEL, at_least, choose

# What a grader inherits: where programs and caches lie, nothing that could be a key.
KEPT_VARIABLES = ("LANG", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", *start.FOR_ENGINES)
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
        self._opening: dict[str, Any] = {
            "folder": str(task.folder),
            "settings": dict(task.settings),
            "digest": task.digest,
            "world": world,
            "level": level,
            "min_level": min_level,
            "tried": False,
            "test_is_open": test_is_open,
        }
        self.num_slots, self._device = num_slots, task.spec.device
        self.levels: Collection[str] = at_least(min_level)
        self._slots = [LocalSlot(self._opening, report) for _ in range(num_slots)]
        self._free = Pool(self._slots)
        self._alone = asyncio.Lock()

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

    @asynccontextmanager
    async def slot(self, priority: int) -> AsyncIterator[LocalSlot]:
        slot = await self._free.take(priority)
        try:
            yield slot
        finally:
            self._free.give(slot)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[LocalSlot]:
        async with self._alone:  # two that each held half of the slots would wait for ever
            taken: list[LocalSlot] = []
            try:
                for _ in self._slots:
                    taken.append(await self._free.take(priority=-1))
                yield taken[0]
            finally:
                for slot in taken:
                    self._free.give(slot)


class LocalSlot:
    """A grader process behind two pipes; replaced when it is lost."""

    def __init__(self, opening: Mapping[str, Any], report: Progress | None) -> None:
        self._opening, self._report = opening, report
        self._process: asyncio.subprocess.Process | None = None
        # Whether a question was given up, whose answer would be taken for that of the next one.
        self._out_of_step = False
        self.level = ""

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
            env=_environment(),
            # Ctrl-C in the terminal is for us: we let the graders finish.
            start_new_session=True,
            limit=2**20,
        )
        self.level = (await self._call("open", self._opening))["level"]

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

    async def draft(self, source: str, observe: str) -> Drafted:
        return Drafted(**await self._retried("draft", {"source": source, "observe": observe}))

    async def probe(self, source: str) -> Probed:
        return Probed(**await self._retried("probe", {"source": source}))

    async def run(self, source: str, stage: str, block: int) -> Ran:
        arguments = {"source": source, "stage": stage, "block": block}
        return Ran(**await self._retried("run", arguments))

    async def grade(self, token: str) -> dict[str, Any]:
        quality, _ = await self.timed_grade(token)
        return quality

    async def timed_grade(self, token: str) -> tuple[dict[str, Any], float]:
        # Not retried here: a fresh grader does not hold the outputs. Whoever ran them runs again.
        graded = await self._call("grade", {"token": token})
        return dict(graded["quality"]), graded["seconds"]

    async def describe(self, stage: str, block: int) -> list[dict[str, Any]]:
        """Give names, subgroups and dimensions of a block's instances."""
        return list(await self._retried("describe", {"stage": stage, "block": block}))

    async def control(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Grade a control, which the task's author wrote and which may read private values."""
        arguments = {"source": source, "stage": stage, "block": block}
        return dict(await self._retried("control", arguments))

    async def published(self, source: str, protocol: str) -> dict[str, Any]:
        """Recompute the number that a paper prints for a program under one protocol."""
        return dict(await self._retried("published", {"source": source, "protocol": protocol}))

    async def compare(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Tell whether grading together and one by one agree on a program's outputs."""
        arguments = {"source": source, "stage": stage, "block": block}
        return dict(await self._retried("compare", arguments))

    async def audit(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Look for private values in public inputs, and for grades that read beyond the form."""
        arguments = {"source": source, "stage": stage, "block": block}
        return dict(await self._retried("audit", arguments))

    async def samples(self, source: str) -> list[dict[str, Any]]:
        """Give the probes with what a program answers to them."""
        return list(await self._retried("samples", {"source": source}))

    async def observe(self, source: str, observe: str) -> list[Drafted]:
        """Run a draft on all probes, to the first time-out, and read its variable `observe`."""
        rows = await self._retried("observe", {"source": source, "observe": observe})
        return [Drafted(**row) for row in rows]

    async def _retried(self, op: str, arguments: Mapping[str, Any]) -> Any:
        """Call, with a fresh grader if this one is lost; what it computes is pure."""
        for retry in range(MAX_RETRIES + 1):
            try:
                return await self._call(op, arguments)
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

    async def _call(self, op: str, arguments: Mapping[str, Any]) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise SlotLost("a grader was asked before it was started")
        if self._out_of_step:
            raise SlotLost("a grader still owes the answer to a question that was given up")
        try:
            process.stdin.writelines(wire.encode({"op": op, "arguments": dict(arguments)}))
            await process.stdin.drain()
            while True:
                message = await _receive(process.stdout)
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
        if message["event"] == "task":
            raise TaskError(message["message"])
        if message["event"] == "world":
            raise WorldError(message["message"])
        return message["value"]


async def _receive(pipe: asyncio.StreamReader) -> Any:
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
