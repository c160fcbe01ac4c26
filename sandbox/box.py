"""A Sandbox: one warm process, asked to run one job at a time.

Used from one thread. Open it from the main thread, or from one that lives as long as the sandbox:
the kernel ends the warm process when the thread that started it ends.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox import scratch, stepwise, wire
from sandbox.asking import Fault, Feeding, Reply, WarmDied, WarmProcess
from sandbox.job import MB, Job, Limits, Outcome, SandboxError, Status
from sandbox.levels import Level, choose
from sandbox.turns import Turns, choose_for_device, normalised
from sandbox.walls import wall

_RESTARTS = 2  # times that one job may find the warm process dead before the world is called broken
_START_S = 120.0  # to import what is preloaded, on a slow disk
_DEVICE_MEMORY = 0.8  # leaves something to the display, to a grader, and to the driver itself
_DEVICE_START_S = 150.0  # for each candidate to import it, and to start the device's driver
_GRACE_S = 60.0  # beyond the wall limit, before a silent warm process is called broken
_GROUPED: tuple[Level, ...] = ("landlock", "strict")  # an engine has its own, and weak no promise
_STATUSES: tuple[Status, ...] = ("ok", "invalid", "crashed", "over_limit")  # that a report may say
_MAX_REASON = 4000  # characters
_MAX_HASH_SEED = 2**32 - 1  # Python's own bound


class _KeepsDying(SandboxError):
    """Each warm process that was given this request has died over it."""


class Sandbox:
    """Runs jobs behind the wall. Make one with `Sandbox.open`, close it or use it in a `with`.

    level: the level that jobs run at.

    Laws: `run` gives an Outcome whatever the candidate does, within its limits; no job can see or
    change anything of another; nothing of a job lives after its Outcome; nothing of the sandbox
    lives after `close`, or after the end of the process that opened it.
    """

    def __init__(
        self,
        level: Level,
        preload: Sequence[str],
        harness: str | None,
        limits: Limits,
        device: str | None = None,
        device_memory: float = _DEVICE_MEMORY,
        hash_seed: int = 0,
    ) -> None:
        self.level: Level = level
        self.limits = limits
        self.device = device
        self._device_memory = device_memory
        self._hash_seed = hash_seed
        self._turns = None if device is None else Turns(device)
        self._preload = list(preload)
        self._harness = harness
        self._inputs: list[dict[str, Any]] = []
        self._process: WarmProcess | None = None
        self._closed = False
        self._scratch = ""

    @classmethod
    def open(
        cls,
        *,
        level: str = "auto",
        min_level: str | None = None,
        tried: bool = False,
        preload: Sequence[str] = ("numpy",),
        inputs: Mapping[str, Mapping[str, Any]] | None = None,
        harness: str | None = None,
        limits: Limits | None = None,
        device: str | None = None,
        device_memory: float = _DEVICE_MEMORY,
        hash_seed: int = 0,
    ) -> Self:
        """Start a warm process.

        level: one of `sandbox.LEVELS`, or "auto" for the strongest that this machine has.
        min_level: refuse to go below it. tried: whether this machine has shown that it can enforce
            the named level; else a throw-away process shows it first.
        preload: modules that it imports beforehand.
        inputs: trees of arrays and plain values by name, each the arguments of an entry point.
        harness: source of a module with `call(candidate, public, rng) -> output`, run in the
            child in place of `entry(**public)`; `candidate` is the entry point itself. For a
            stepwise job it gives the function that is called with each item instead.
        device: "cuda:0" and the like for candidates that need one, "cpu" to try that out. Each
            then runs in a fresh interpreter, alone on the device, at level weak, which must be
            asked for: a driver cannot work behind a stronger one (docs/security.md). Prefer
            candidates on the CPU, and whoever judges them on the device. CUDA needs torch to be
            preloaded, which starts it.
        device_memory: share of the device's memory that torch may take, above 0 and at most 1.
        hash_seed: which Python hashes texts with, in all candidates alike: the order of a set of
            texts follows from it. 0 to 4294967295; 0 for no randomisation.
        Raises: SandboxError when the level, a module or the device's name cannot be had.
        """
        if not 0 <= hash_seed <= _MAX_HASH_SEED:
            raise SandboxError(f"hash_seed is {hash_seed}: give one from 0 to {_MAX_HASH_SEED}")
        if device is None:
            chosen, name = choose(level, min_level, tried), None
        else:
            name = _checked(device, device_memory, preload)
            chosen = choose_for_device(level, min_level)
        box = cls(chosen, preload, harness, limits or Limits(), name, device_memory, hash_seed)
        try:
            box._make_scratch()
            box._start()
            box.add_inputs(inputs or {})
        except BaseException:
            box.close()
            raise
        return box

    def add_inputs(self, inputs: Mapping[str, Mapping[str, Any]]) -> None:
        """Preload more trees. An array that several of them share is sent and held once.

        Raises: SandboxError when a name is taken or a tree cannot cross the wire.
        """
        taken = [name for name in inputs if self._knows(name)]
        if taken:
            raise SandboxError(f"an input named {taken[0]!r} is preloaded already")
        if not inputs:
            return
        more = {name: dict(tree) for name, tree in inputs.items()}
        try:
            frame = wire.encode({"inputs": more})
        except wire.WireError as error:
            raise SandboxError(f"inputs: {error}") from error
        self._ask_alive(frame, _START_S)
        self._inputs.append(more)

    def drop_inputs(self, names: Collection[str]) -> None:
        """Forget preloaded trees; their names are free again.

        Trees that were added together lie in one piece of memory, which is free when all of them
        are dropped. Raises: SandboxError when there is no input of a name; then none is dropped.
        """
        for name in names:
            self._must_know(name)
        # ours first, so that a warm process that must be started again is not given them
        kept = [{n: tree for n, tree in some.items() if n not in names} for some in self._inputs]
        self._inputs = [some for some in kept if some]
        self._ask_alive(wire.encode({"drop": list(names)}), _START_S)

    def run(self, job: Job, feed: stepwise.Feed | None = None) -> Outcome:
        """Run one candidate to its end.

        feed: makes the job a stepwise one. It is called to start a generator that runs here, out
        of the candidate's reach: each dict that it yields completes the arguments of one call of
        the entry point, it is sent the answer, and what it returns is the value of the Outcome
        (the candidate's, where the job observes). The time that it takes counts as wall time of
        the candidate.
        Raises: SandboxError when the world is broken, or there is no such input; and whatever the
        feed raises, after the candidate's end.
        """
        self._must_know(job.input)
        try:
            job.source.encode()
        except UnicodeEncodeError:
            return Outcome("invalid", None, "the source is not text", "", 0.0, 0.0, 0, self.level)
        frame = wire.encode({"job": asdict(job), "fed": feed is not None})
        feeding = feed and Feeding(feed, {"rng", *self._input(job.input)})
        patience_s = self.limits.wall_s + _GRACE_S + (_DEVICE_START_S if self.device else 0.0)
        try:
            # waiting for a turn is nobody's time
            with self._turns.take() if self._turns else contextlib.nullcontext():
                facts, report, fed = self._ask_alive(frame, patience_s, feeding)
        except _KeepsDying as error:
            # The world is asked first: where a warm process stands without this candidate, the
            # world is whole. Whether the candidate or the machine's lack of memory ended the
            # others cannot be told, so it is a limit and no crash.
            self._start()
            return Outcome("over_limit", None, str(error), "", 0.0, 0.0, 0, self.level)
        told = facts["verdict"]
        status, reason, value = (*told, None) if told else _verdict(report, self.limits)
        if fed is not None:
            status, reason, value = _stepwise(status, reason, value, fed, job)
        return Outcome(
            status=status,
            value=value,
            reason=reason,
            stdout=facts["stdout"].decode(errors="replace"),
            wall_s=facts["wall_s"],
            cpu_s=facts["cpu_s"],
            max_rss_bytes=facts["max_rss_bytes"],
            level=self.level,
        )

    def close(self) -> None:
        """End the warm process and whatever it runs. Closing twice is fine."""
        self._closed = True
        self._abandon()
        if self._turns is not None:
            self._turns.close()
        scratch.remove(self._scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _must_know(self, name: str) -> None:
        if not self._knows(name):
            raise SandboxError(f"no input named {name!r} is preloaded: use add_inputs")

    def _knows(self, name: str) -> bool:
        return any(name in inputs for inputs in self._inputs)

    def _input(self, name: str) -> dict[str, Any]:
        return next(inputs[name] for inputs in self._inputs if name in inputs)

    def _ask_alive(
        self, frame: list[wire.Buffer], timeout_s: float, feeding: Feeding | None = None
    ) -> Reply:
        """Ask the warm process, starting it again when it is dead."""
        if self._closed:
            raise SandboxError("this sandbox is closed: open another one")
        for _ in range(1 + _RESTARTS):
            try:
                process = self._process or self._start()
                return process.ask(frame, timeout_s, feeding)
            except WarmDied as error:
                died = error
                self._abandon()
            except Fault:
                raise  # it said so itself: it still serves
            except BaseException:  # interrupted between question and answer, or by the feed
                self._abandon()
                raise
        times = 1 + _RESTARTS
        raise _KeepsDying(f"the warm process died {times} of {times} times with it: {died}")

    def _make_scratch(self) -> None:
        """Make the folder for candidates, named first: an interrupt then leaves none behind."""
        try:
            folder = Path(tempfile.gettempdir(), f"sandbox-{secrets.token_hex(8)}")
            self._scratch = str(folder)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise SandboxError(f"no folder for candidates can be made: {error}") from error

    def _start(self) -> WarmProcess:
        """Start a warm process, again if it is killed as it starts. Raises: SandboxError."""
        for restart in range(_RESTARTS + 1):
            try:
                return self._begin()
            except WarmDied as error:
                if restart == _RESTARTS:
                    raise SandboxError(f"the warm process does not start: {error}") from error
        raise AssertionError("unreachable")

    def _begin(self) -> WarmProcess:
        """Start a warm process and give it everything that is preloaded. Raises: WarmDied."""
        setting: dict[str, Any] = {
            "level": self.level,
            "preload": self._preload,
            "harness": self._harness,
            "limits": asdict(self.limits),
            "scratch": self._scratch,
            "device": self.device,
            "device_memory": self._device_memory,
            "hash_seed": self._hash_seed,
        }
        Path(self._scratch).mkdir(mode=0o700, exist_ok=True)
        self._process = process = WarmProcess(
            wall(self.level, self.device, self._hash_seed),
            self._scratch,
            self.limits,
            keep=(self._turns.fd,) if self._turns else (),
            grouped=self.level in _GROUPED,
        )
        setting["group"] = process.group
        try:
            for request in (setting, *({"inputs": inputs} for inputs in self._inputs)):
                process.ask(wire.encode(request), _START_S)
        except BaseException:
            self._abandon()
            raise
        return process

    def _abandon(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


def _checked(device: str, memory: float, preload: Sequence[str]) -> str:
    """Give the one name of a device. Raises: SandboxError when it cannot be used as asked."""
    if not 0 < memory <= 1:
        raise SandboxError(f"device_memory is {memory}: give a share, as {_DEVICE_MEMORY}")
    name = normalised(device)
    if name != "cpu" and not any(module.partition(".")[0] == "torch" for module in preload):
        raise SandboxError(f"device {name}: add torch to what is preloaded, since it starts CUDA")
    return name


def _verdict(report: memoryview, limits: Limits) -> tuple[Status, str, Any]:
    """Read what a candidate says of itself: the first moment at which anyone believes any of it."""
    try:
        said = wire.decode(report, limits.result_mb * MB, wire.MAX_HEADER)
    except wire.WireError as error:
        return "crashed", f"the result is no frame of the wire: {error}", None
    if type(said) is not dict or set(said) != {"kind", "reason", "value"}:
        return "crashed", "the result is a frame that no candidate should write", None
    if said["kind"] not in _STATUSES or type(said["reason"]) is not str:
        return "crashed", "the result is a frame that no candidate should write", None
    return said["kind"], said["reason"][:_MAX_REASON], said["value"]


def _stepwise(
    status: Status, reason: str, value: Any, fed: stepwise.Fed, job: Job
) -> tuple[Status, str, Any]:
    """Judge the end of a stepwise job; what went wrong with an answer came first."""
    if fed.fault:
        return "crashed", fed.fault, None
    if status != "ok":
        return status, reason, value
    if not fed.finished:
        return "crashed", "ended before it had answered every item", None
    return status, reason, fed.value if job.observe is None else value
