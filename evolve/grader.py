"""The grader: a process that loads one task, runs candidates behind the wall and scores outputs.

It alone imports `task.py` and sees private values; it never imports a candidate. It answers one
request at a time over its pipes, in the checked wire format, and ends with its parent.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from evolve import hashing, task as task_api
from evolve.errors import TaskError
from evolve.randomness import candidate_seed
from evolve.spec import TaskSpec, read_spec
from sandbox import Job, Limits, Outcome, Sandbox, SandboxError, wire

PROBE, TRAIN, VALID, TEST = "probe", "train", "valid", "test"
SPLITS = (PROBE, TRAIN, VALID, TEST)
# Wall seconds allowed per CPU second: a backstop only, since other load must not judge.
WALL_PER_CPU = 4.0
# Outputs wait for their grading here; one slot has one step in hand, and a retry.
MAX_TOKENS = 4
# No request or reply between a run and its graders comes near this.
MAX_MESSAGE_BYTES = 256 * 2**20


def main() -> None:
    """Serve requests on the descriptors that were standard input and output."""
    requests, replies = _claim_pipes()
    _die_with_parent()

    def reply(event: str, **values: Any) -> None:
        wire.send(replies, {"event": event, **values})

    grader: Grader | None = None
    while True:
        try:
            request = wire.receive(requests, MAX_MESSAGE_BYTES)
        except wire.WireClosed:
            break
        try:
            op, arguments = request["op"], request["arguments"]
            if op == "open":
                grader = Grader.open(
                    report=lambda done, total, what: reply(
                        "progress", done=done, total=total, what=what
                    ),
                    **arguments,
                )
                value: Any = {"level": grader.box.level}
            elif grader is not None:
                value = getattr(grader, OPERATIONS[op])(**arguments)
            reply("done", value=value)
        except TaskError as error:
            reply("task", message=str(error))
        except SandboxError as error:
            reply("world", message=str(error))
    if grader is not None:
        grader.close()


OPERATIONS = {
    "draft": "draft",
    "probe": "probe",
    "run": "run",
    "grade": "grade",
    "describe": "describe",
    "control": "control",
    "compare": "compare",
}


@dataclass(frozen=True)
class _Block:
    stage: str
    number: int
    instances: tuple[task_api.Instance, ...]


class Grader:
    """One task, opened: its instances, the wall, and outputs that wait for their grade."""

    def __init__(
        self,
        spec: TaskSpec,
        module: ModuleType,
        settings: Mapping[str, Any],
        digest: str,
        world: str,
        box: Sandbox,
        report: Callable[[int, int, str], None],
        test_is_open: bool,
    ) -> None:
        self.spec, self.module, self.digest, self.world = spec, module, digest, world
        self.settings = SimpleNamespace(**settings)
        self.box, self.report, self.test_is_open = box, report, test_is_open
        self._blocks: dict[tuple[str, int], _Block] = {}
        self._tokens: dict[str, tuple[_Block, list[Any]]] = {}
        self._num_tokens = 0

    @classmethod
    def open(
        cls,
        folder: str,
        settings: Mapping[str, Any],
        digest: str,
        world: str,
        level: str,
        min_level: str,
        test_is_open: bool,
        report: Callable[[int, int, str], None],
    ) -> Grader:
        """Load the task and start the warm process. Raises: TaskError, SandboxError."""
        path = Path(folder)
        spec = read_spec(path / "task.toml")
        module = _load_module(path)
        harness = path / "harness.py"
        box = Sandbox.open(
            level=level,
            min_level=min_level,
            preload=spec.preload,
            inputs={},
            harness=harness.read_text(encoding="utf-8") if harness.is_file() else None,
            limits=_limits(spec),
        )
        _one_thread()
        return cls(spec, module, settings, digest, world, box, report, test_is_open)

    def close(self) -> None:
        self.box.close()

    def draft(self, source: str, observe: str) -> dict[str, Any]:
        """Run a draft on the first probe and give one of its variables."""
        block = self._block(PROBE, 0)
        outcome = self._run_one(source, block.instances[0], observe)
        return {"status": outcome.status, "reason": outcome.reason, "value": outcome.value}

    def probe(self, source: str) -> dict[str, Any]:
        """Run a program on the probes; failures are behaviour too, but not those of the clock."""
        block = self._block(PROBE, 0)
        outcomes = [self._run_one(source, instance) for instance in block.instances]
        digests = [
            self._one_digest(block, instance, outcome)
            for instance, outcome in zip(block.instances, outcomes, strict=True)
        ]
        statuses = [outcome.status for outcome in outcomes]
        sound = not {"timeout", "over_limit"}.intersection(statuses)
        return {
            "behaviour": hashing.plain_digest(self.digest, self.world, *digests) if sound else None,
            "record": json.dumps({"statuses": statuses, "digests": digests}).encode(),
        }

    def run(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Run a program on a block, to the first instance that goes wrong."""
        blocked = self._block(stage, block)
        outcomes: list[Outcome] = []
        failed: tuple[str, str] | None = None
        for instance in blocked.instances:
            outcome = self._run_one(source, instance)
            outcomes.append(outcome)
            if outcome.status != "ok":
                failed = outcome.status, f"{instance.name}: {outcome.reason}"
                break
        outputs = [outcome.value for outcome in outcomes]
        digest = None
        if failed is None:
            digest, failed = self._digest(blocked, outputs)
        return {
            "status": failed[0] if failed else "ok",
            "reason": failed[1] if failed else None,
            "outputs_digest": digest,
            "token": self._keep(blocked, outputs) if digest else None,
            "wall_s": math.fsum(outcome.wall_s for outcome in outcomes),
            "cpu_s": math.fsum(outcome.cpu_s for outcome in outcomes),
            "max_rss_bytes": max((outcome.max_rss_bytes for outcome in outcomes), default=0),
            "level": self.box.level,
        }

    def grade(self, token: str) -> dict[str, Any]:
        """Grade the outputs kept under a token: the quality fields of an Evaluation."""
        block, outputs = self._tokens.pop(token)
        return self._quality(block, self._graded(block, outputs))

    def control(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Grade a control of the task's own folder, which may read private values.

        It is the task author's code, as trusted as task.py, and runs here, not behind the wall.
        """
        blocked = self._block(stage, block)
        namespace: dict[str, Any] = {"__name__": "control"}
        exec(compile(source, "<control>", "exec"), namespace)
        entry, outputs = namespace[self.spec.entry], []
        for instance in blocked.instances:
            arguments: dict[str, Any] = {**instance.public, "private": instance.private}
            if self.spec.rng:
                seed = candidate_seed(self.digest, instance.name)
                arguments["rng"] = np.random.Generator(np.random.PCG64(seed))
            outputs.append(entry(**arguments))
        return self._quality(blocked, self._graded(blocked, outputs))

    def compare(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Grade a program's outputs three ways that must agree: together, one by one, halved."""
        ran = self.run(source, stage, block)
        if ran["token"] is None:
            return {"status": ran["status"], "reason": ran["reason"], "differs": None}
        blocked, outputs = self._tokens.pop(ran["token"])
        together = self._graded(blocked, outputs)
        singly = [
            self._call_grade(instance, output)
            for instance, output in zip(blocked.instances, outputs, strict=True)
        ]
        names = [instance.name for instance in blocked.instances]
        differs = None
        if isinstance(together, list):
            for name, one, other in zip(names, together, singly, strict=True):
                if not isinstance(other, task_api.Grade) or one.score != other.score:
                    differs = name
                    break
        return {"status": "ok", "reason": None, "differs": differs}

    def describe(self, stage: str, block: int) -> list[dict[str, Any]]:
        """Give names, subgroups and the plain shape of the public inputs of a block."""
        return [
            {
                "name": instance.name,
                "groups": dict(instance.groups),
                "public": sorted(instance.public),
                "dims": _dims(self.spec, instance) if stage == PROBE else {},
            }
            for instance in self._block(stage, block).instances
        ]

    # --- instances ---

    def _block(self, stage: str, number: int) -> _Block:
        """Give a block, building it and handing its public inputs to the wall at first use."""
        key = (stage, number)
        if key not in self._blocks:
            if stage == TEST and not self.test_is_open:
                raise TaskError("the split `test` is hidden: only `evolve verify` opens it")
            block = _Block(stage, number, self._instances(stage, number))
            self.box.add_inputs({i.name: dict(i.public) for i in block.instances})
            self._blocks[key] = block
        return self._blocks[key]

    def _instances(self, stage: str, number: int) -> tuple[task_api.Instance, ...]:
        with self._own_code(f"instances({stage!r}, settings, block={number})"):
            instances = tuple(self.module.instances(stage, self.settings, block=number))
        names = [instance.name for instance in instances]
        if not instances or len(set(names)) < len(names):
            problem = "gives none" if not instances else "gives two of the same name"
            raise TaskError(f"{self.spec.name}/task.py: instances({stage!r}, ...) {problem}")
        return instances

    def _own_code(self, what: str) -> _OwnCode:
        return _OwnCode(self.spec.name, what, self.digest, self.report)

    # --- running ---

    def _run_one(
        self, source: str, instance: task_api.Instance, observe: str | None = None
    ) -> Outcome:
        _assert_one_thread()
        return self.box.run(
            Job(
                source=source,
                entry=self.spec.entry,
                input=instance.name,
                rng_seed=candidate_seed(self.digest, instance.name),
                pass_rng=self.spec.rng,
                observe=observe,
            )
        )

    def _digest(
        self, block: _Block, outputs: list[Any]
    ) -> tuple[str | None, tuple[str, str] | None]:
        """Give the digest of a block's outputs, or the status and reason if they have no form."""
        names = [instance.name for instance in block.instances]
        header = (self.digest, self.world, block.stage, str(block.number))
        try:
            named = zip(names, outputs, strict=True)
            return hashing.digest(header, self.spec.canonical, named), None
        except (ValueError, TypeError) as error:
            # The task says it better than a canonical form can.
            grades = self._graded(block, outputs)
            reason = str(grades) if isinstance(grades, task_api.Invalid) else f"output: {error}"
            return None, ("invalid", reason)

    def _one_digest(self, block: _Block, instance: task_api.Instance, outcome: Outcome) -> str:
        if outcome.status != "ok":
            # The kind of failure is behaviour; its message may name lines and is not.
            return outcome.status
        try:
            return hashing.digest((), self.spec.canonical, [(instance.name, outcome.value)])
        except (ValueError, TypeError):
            return "invalid"

    def _keep(self, block: _Block, outputs: list[Any]) -> str:
        self._num_tokens += 1
        token = str(self._num_tokens)
        self._tokens[token] = block, outputs
        while len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return token

    # --- grading ---

    def _graded(
        self, block: _Block, outputs: list[Any]
    ) -> list[task_api.Grade] | task_api.Invalid:
        """Grade outputs; give the first verdict of invalidity in the place of grades."""
        grade_many = getattr(self.module, "grade_many", None)
        if grade_many is not None:
            with self._own_code("grade_many()"):
                try:
                    grades = list(grade_many(list(block.instances), outputs))
                except task_api.Invalid as verdict:
                    return verdict
            if len(grades) != len(outputs):
                raise TaskError(f"{self.spec.name}/task.py: grade_many gives too few grades")
            return grades
        found: list[task_api.Grade] = []
        for instance, output in zip(block.instances, outputs, strict=True):
            grade = self._call_grade(instance, output)
            if isinstance(grade, task_api.Invalid):
                return grade
            found.append(grade)
        return found

    def _call_grade(
        self, instance: task_api.Instance, output: Any
    ) -> task_api.Grade | task_api.Invalid:
        with self._own_code(f"grade() of {instance.name}"):
            try:
                grade: task_api.Grade = self.module.grade(instance, output)
            except task_api.Invalid as verdict:
                return task_api.Invalid(f"{instance.name}: {verdict}")
        return grade

    def _quality(
        self, block: _Block, grades: list[task_api.Grade] | task_api.Invalid
    ) -> dict[str, Any]:
        if isinstance(grades, task_api.Invalid):
            return {"status": "invalid", "reason": str(grades)}
        names = [instance.name for instance in block.instances]
        scores = [float(grade.score) for grade in grades]
        self._check_grades(names, grades)
        declared = [measure.name for measure in self.spec.measures]
        extra = sorted(set(grades[0].measures).difference(declared))
        n = len(scores)
        spread = float(np.std(scores, ddof=1)) if n > 1 else 0.0
        return {
            "status": "ok",
            "reason": None,
            "fitness": math.fsum(scores) / n,
            "n": n,
            "se": spread / math.sqrt(n) if n > 1 else None,
            "scores": dict(zip(names, scores, strict=True)),
            "measures": {
                name: math.fsum(float(grade.measures.get(name, 0.0)) for grade in grades) / n
                for name in (*declared, *extra)
            },
            "feedback": {
                name: grade.feedback
                for name, grade in zip(names, grades, strict=True)
                if grade.feedback
            },
        }

    def _check_grades(self, names: list[str], grades: list[task_api.Grade]) -> None:
        """Refuse grades that no grid can place: that is the task's fault, not the program's."""
        for name, grade in zip(names, grades, strict=True):
            values = {"score": grade.score}
            for measure in self.spec.measures:
                if measure.name not in grade.measures:
                    raise TaskError(
                        f"{self.spec.name}/task.py: the grade of {name} lacks the measure "
                        f"{measure.name!r} that task.toml declares"
                    )
                values[measure.name] = grade.measures[measure.name]
            for what, value in values.items():
                if not math.isfinite(value):
                    raise TaskError(f"{self.spec.name}/task.py: {what} of {name} is {value}")


class _OwnCode:
    """Run the task author's code: its artefacts and progress belong to this task, and what it
    raises becomes a TaskError with the lines of it that matter."""

    def __init__(
        self, name: str, what: str, digest: str, report: Callable[[int, int, str], None]
    ) -> None:
        self.name, self.what = name, what
        self._context = task_api.grading(digest, report)

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._context.__exit__(None, None, None)
        if isinstance(error, Exception) and not isinstance(error, (TaskError, SandboxError)):
            lines = "".join(traceback.format_exception(error)[-4:]).strip()
            raise TaskError(f"{self.name}/task.py: {self.what} failed:\n{lines}") from error


def _load_module(folder: Path) -> ModuleType:
    """Import a task's folder as a package of its own, so that its files import each other."""
    package = f"evolve_task_{folder.name}"
    sys.modules[package] = holder = ModuleType(package)
    holder.__path__ = [str(folder)]
    spec = importlib.util.spec_from_file_location(f"{package}.task", folder / "task.py")
    if spec is None or spec.loader is None:
        raise TaskError(f"{folder}/task.py: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a task's module may raise anything at import
        lines = "".join(traceback.format_exception(error)[-3:]).strip()
        raise TaskError(f"{folder}/task.py: cannot be imported:\n{lines}") from error
    for name in ("instances", "grade"):
        if not callable(getattr(module, name, None)):
            raise TaskError(f"{folder}/task.py: defines no function `{name}`")
    return module


def _limits(spec: TaskSpec) -> Limits:
    budget = spec.limits
    return Limits(
        wall_s=budget.wall_s or WALL_PER_CPU * budget.cpu_s,
        cpu_s=budget.cpu_s,
        memory_mb=budget.memory_mb,
        tasks=budget.tasks,
        file_mb=budget.file_mb,
        result_mb=budget.result_mb,
        output_kb=budget.output_kb,
    )


def _dims(spec: TaskSpec, instance: task_api.Instance) -> dict[str, int]:
    """Resolve the declared dimensions on an instance: `pool.y[0]` is axis 0 of public.pool.y."""
    found = {}
    for name, path in spec.dims.items():
        place, _, axis = path.partition("[")
        value: Any = instance.public
        try:
            for part in place.split("."):
                value = value[part]
            found[name] = int(value.shape[int(axis.rstrip("]"))]) if axis else int(value)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise TaskError(f"task.toml: dims.{name} = {path!r}: not in the inputs") from error
    return found


def _one_thread() -> None:
    """Make torch, if the task loaded it, as single-threaded as numpy is by its environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _assert_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        raise TaskError("task.py changed the number of torch's threads: results would not repeat")


def _claim_pipes() -> tuple[int, int]:
    """Keep standard input and output for the requests; a task's own prints go to stderr."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)
    return requests, replies


def _die_with_parent() -> None:
    """Ask the kernel to end this process with the thread that started it (Linux)."""
    import ctypes
    import signal

    parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    main()
