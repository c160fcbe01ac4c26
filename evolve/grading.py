"""A task's own code, in the one process that may know everything: instances, grades, controls."""

from __future__ import annotations

import importlib.util
import math
import sys
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from evolve import task as task_api
from evolve.errors import DeviceBroken, TaskError
from evolve.folder import SPEC_FILE, TaskFolder, names_file, split_path
from evolve.randomness import candidate_seed
from evolve.spec import TaskSpec
from evolve.task import Grade, Instance, Invalid, Unusable
from sandbox import SandboxError, wire

# Frames of a task's own traceback that a message shows: enough to find the line.
LOAD_FRAMES, CALL_FRAMES = 3, 4

# Beyond this no score means anything, and means of scores would overflow. NaN is beyond it too.
LARGEST_NUMBER = 1e300

# What a task's own code may raise as it is.
EXPECTED = (TaskError, SandboxError, Invalid)

# How torch tells that a device is out of memory or lost: after either its process is of no use.
DEVICE_ERRORS = ("OutOfMemoryError", "AcceleratorError")
DEVICE_WORDS = ("CUDA error", "CUDA out of memory", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error")

NO_FILES: Mapping[str, Any] = {}

Grades = list[Grade] | Invalid
Items = Generator[dict[str, Any], Any, Any]
Calls = list[tuple[dict[str, Any], Any]]
"""Every item that a feed yielded, with its answer."""


class TaskCode:
    """`task.py` of one task, loaded; whatever it raises becomes a TaskError that shows its lines.

    settings: the task's own options. digest: of the task, which seeds the candidates' generators.
    report: told of long work on artefacts, (done, total, what).
    Raises: TaskError if it cannot be imported or lacks a function.
    """

    def __init__(
        self,
        folder: TaskFolder,
        spec: TaskSpec,
        settings: Mapping[str, Any],
        digest: str,
        report: task_api.Progress,
    ) -> None:
        self.spec, self.digest, self._report = spec, digest, report
        self._shared_digest = folder.shared_digest()
        self._settings = namespace(settings)
        self._files = {key: value for key, value in settings.items() if names_file(key) and value}
        self._module = _load_module(folder, ("instances", "grade", *("feed",) * spec.stepwise))

    def instances(self, split: str, block: int) -> tuple[Instance, ...]:
        """Build the instances of a block. Raises: TaskError if there are none or two of a name."""
        try:
            with self._own_code(f"instances({split!r}, settings, block={block})", self._files):
                instances = tuple(self._module.instances(split, self._settings, block=block))
        except Invalid as error:  # meant for outputs; here it speaks of what the user handed in
            raise TaskError(f"{self.spec.name}: {error}") from error
        names = [instance.name for instance in instances]
        if not instances or len(set(names)) < len(names):
            problem = "gives none" if not instances else "gives two of the same name"
            raise TaskError(f"{self.spec.name}/task.py: instances({split!r}, ...) {problem}")
        return instances

    @property
    def grades_many(self) -> bool:
        """Whether the task has `grade_many`."""
        return getattr(self._module, "grade_many", None) is not None

    def grade_all(self, instances: Sequence[Instance], outputs: Sequence[Any]) -> Grades:
        """Grade outputs, all at once if the task can; the first invalid one speaks for all."""
        if not self.grades_many:
            return self.grade_singly(instances, outputs)
        try:
            with self._own_code("grade_many()"):
                grades = list(self._module.grade_many(list(instances), list(outputs)))
        except Invalid as verdict:
            return verdict
        except TaskError:
            # Whose output it stumbled over shows one by one; if over none, it is the task's fault.
            singly = self.grade_singly(instances, outputs)
            if isinstance(singly, Invalid):
                return singly
            raise
        if len(grades) != len(outputs):
            raise TaskError(
                f"{self.spec.name}/task.py: grade_many gives {len(grades)} grades for "
                f"{len(outputs)} outputs"
            )
        return grades

    def grade_singly(self, instances: Sequence[Instance], outputs: Sequence[Any]) -> Grades:
        """Grade outputs with `grade`, one by one, to the first invalid one.

        An output that `grade` stumbles over is invalid: a candidate may return anything, and must
        not be able to end a run by it. `evolve check` shows a grader that stumbles over good ones.
        """
        grades: list[Grade] = []
        for instance, output in zip(instances, outputs, strict=True):
            try:
                with self._own_code(f"grade() of {instance.name}"):
                    grades.append(self._module.grade(instance, output))
            except Invalid as verdict:
                return Invalid(f"{instance.name}: {verdict}")
            except TaskError as error:
                return Invalid(str(error))
        return grades

    def feed(self, instance: Instance, calls: Calls | None = None) -> Items:
        """Feed a candidate as the task says; what is returned is the output, or Invalid.

        calls: takes every item with its answer. As in `grade_singly`, what it stumbles over is taken for an answer's fault.
        """
        try:
            with self._own_code(f"feed() of {instance.name}"):
                fed = self._module.feed(instance)
                output = yield from fed if calls is None else _noted(fed, calls)
                # made what an output that crossed the wall is: lists, plain numbers, own arrays
                return wire.decode(bytearray(b"".join(wire.encode(output))))
        except (Invalid, TaskError) as verdict:
            return Invalid(str(verdict))

    def control_outputs(self, source: str, instances: Sequence[Instance]) -> list[Any]:
        """Run a control, which is also given `private`.

        It is the task author's code, as trusted as task.py, and runs here, not behind the wall.
        """
        with self._own_code("a control"):
            namespace: dict[str, Any] = {"__name__": "control"}
            exec(compile(source, "<control>", "exec"), namespace)
            entry = namespace[self.spec.entry]
            return [self._control_output(entry, instance) for instance in instances]

    def quality(self, instances: Sequence[Instance], grades: Grades) -> dict[str, Any]:
        """Sum grades up: the quality fields of an Evaluation.

        Numbers that are not finite make it invalid. Raises: TaskError if a declared measure lacks.
        """
        names = [instance.name for instance in instances]
        wrong = grades if isinstance(grades, Invalid) else self._not_finite(names, grades)
        if wrong is not None or isinstance(grades, Invalid):
            return {"status": "invalid", "reason": str(wrong)}
        scores = [float(grade.score) for grade in grades]
        declared = [measure.name for measure in self.spec.measures]
        extra = sorted(set(grades[0].measures).difference(declared))
        n = len(scores)
        return {
            "status": "ok",
            "reason": None,
            "fitness": math.fsum(scores) / n,
            "n": n,
            "se": float(np.std(scores, ddof=1)) / math.sqrt(n) if n > 1 else None,
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

    def published(self, instances: Sequence[Instance], grades: Sequence[Grade]) -> float:
        """Give what a paper prints for grades of the instances of one protocol."""
        published = getattr(self._module, "published", None)
        if published is None:
            raise TaskError(
                f"{self.spec.name}/task.py: defines no function `published`, which gives the "
                "numbers of task.toml's published_protocol"
            )
        with self._own_code("published()"):
            return float(published(list(instances), list(grades)))

    def dims(self, instance: Instance) -> dict[str, int]:
        """Resolve the declared dimensions: `pool.y[0]` is axis 0 of public.pool.y.

        Of a stepwise task, what its first item gives is known by name too.
        """
        given = {**instance.public, **self._first_item(instance)}
        found = {}
        for name, path in self.spec.dims.items():
            place, _, axis = path.partition("[")
            value: Any = given
            try:
                for part in place.split("."):
                    value = value[part]
                found[name] = int(value.shape[int(axis.rstrip("]"))]) if axis else int(value)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise TaskError(f"task.toml: dims.{name} = {path!r}: not in the inputs") from error
        return found

    def _first_item(self, instance: Instance) -> Mapping[str, Any]:
        """Give the first item of a stepwise task; none where it has no dimensions to be told."""
        if not (self.spec.stepwise and self.spec.dims):
            return {}
        with self._own_code(f"feed() of {instance.name}"):
            item: Mapping[str, Any] = next(self._module.feed(instance), {})
        return item

    def _control_output(self, entry: Any, instance: Instance) -> Any:
        arguments = {**self._arguments(instance), "private": instance.private}
        if not self.spec.stepwise:
            return entry(**arguments)
        items = self.feed(instance)
        try:
            item = next(items)
            while True:
                item = items.send(entry(**arguments, **item))
        except StopIteration as end:
            if isinstance(end.value, Invalid):
                raise TaskError(f"a control, fed {instance.name}: {end.value}") from end
            return end.value

    def _arguments(self, instance: Instance) -> dict[str, Any]:
        arguments = dict(instance.public)
        if self.spec.rng:
            seed = candidate_seed(self.digest, instance.name)
            arguments["rng"] = np.random.Generator(np.random.PCG64(seed))
        return arguments

    def _not_finite(self, names: Sequence[str], grades: Sequence[Grade]) -> Invalid | None:
        for name, grade in zip(names, grades, strict=True):
            for measure in self.spec.measures:
                if measure.name not in grade.measures:
                    raise TaskError(
                        f"{self.spec.name}/task.py: the grade of {name} lacks the measure "
                        f"{measure.name!r} that task.toml declares"
                    )
            for what, value in {"score": grade.score, **grade.measures}.items():
                if not abs(float(value)) < LARGEST_NUMBER:
                    return Invalid(f"{name}: its {what} is {value}")
        return None

    def _own_code(self, what: str, files: Mapping[str, Any] = NO_FILES) -> _OwnCode:
        context = task_api.grading(self.digest, self._shared_digest, self._report)
        return _OwnCode(self.spec.name, what, context, files)


class _OwnCode:
    """Run the task author's code: its artefacts and progress belong to this task, and what it
    raises becomes a TaskError with the lines of it that matter.

    files: settings that name a user's file, which may be read now, {setting: file}. What is then raised is
    told of the file: a reader was not ready for it, or a script that it imports ended the process.
    """

    def __init__(
        self,
        name: str,
        what: str,
        context: AbstractContextManager[None],
        files: Mapping[str, Any],
    ) -> None:
        self.name, self.what, self._context, self._files = name, what, context, files

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._context.__exit__(None, None, None)
        if error is not None and (fault := device_fault(error)) is not None:
            raise DeviceBroken(f"{self.name}/task.py: {self.what}: {fault}") from error
        if isinstance(error, Unusable):
            raise TaskError(f"{self.name}: {error}") from error
        stumbled = isinstance(error, (Exception, SystemExit)) and not isinstance(error, EXPECTED)
        if error is not None and stumbled and self._files:
            raise TaskError(f"{self.name}: {_unread(self._files, error)}") from error
        if isinstance(error, SystemExit):
            raise TaskError(f"{self.name}/task.py: {self.what} ended with {error!r}") from error
        if isinstance(error, Exception) and not isinstance(error, EXPECTED):
            lines = "".join(traceback.format_exception(error)[-CALL_FRAMES:]).strip()
            raise TaskError(f"{self.name}/task.py: {self.what} failed:\n{lines}") from error


def _unread(files: Mapping[str, Any], error: BaseException) -> str:
    """Say in one line that a task could not read a user's file, why and where.

    Of several files those that were being run, if any was.
    """
    frames = traceback.extract_tb(error.__traceback__)
    met = {frame.filename for frame in frames}
    own = {key: value for key, value in files.items() if split_path(value)[0] in met}
    told = " or ".join(f"{key}={value}" for key, value in (own or files).items())
    if isinstance(error, SystemExit) and own:
        return (
            f"{told}: cannot be imported: it ended the process (exit code {error.code}): put what a "
            'script does under `if __name__ == "__main__":`'
        )
    said, at = " ".join(str(error).split()), ""
    if of_task := [f for f in frames if (Path(f.filename).parent / SPEC_FILE).is_file()]:
        at = f" (line {of_task[-1].lineno} of {Path(of_task[-1].filename).name})"
    what = type(error).__name__ + (f": {said}" if said else "")
    return f"{told}: the task could not read it: {what}{at}"


def device_fault(error: BaseException) -> str | None:
    """Give what a GPU complains of, if it is one that complains; torch need not be loaded."""
    own_kind = any(
        kind.__module__.startswith("torch") and kind.__name__ in DEVICE_ERRORS
        for kind in type(error).__mro__
    )
    said = str(error).strip().split("\n")[0]
    told = isinstance(error, RuntimeError) and any(words in said for words in DEVICE_WORDS)
    return said if own_kind or told else None


def _noted(feed: Items, calls: Calls) -> Items:
    """Feed on, and note every item with its answer."""
    calls.clear()
    answer = None
    while True:
        try:
            item = feed.send(answer)
        except StopIteration as end:
            return end.value
        answer = yield item
        calls.append((dict(item), answer))


def namespace(settings: Mapping[str, Any]) -> SimpleNamespace:
    """Give settings as attributes: `data.path` is `settings.data.path`."""
    found = SimpleNamespace()
    for key, value in settings.items():
        *outer, last = key.split(".")
        place = found
        for name in outer:
            if not hasattr(place, name):
                setattr(place, name, SimpleNamespace())
            place = getattr(place, name)
        setattr(place, last, value)
    return found


def _load_module(folder: TaskFolder, functions: Sequence[str]) -> ModuleType:
    """Import a task's folder as a package of its own, so that its files import each other.

    The folder that it extends is the subpackage `base`. functions: what `task.py` must define.
    """
    package = f"evolve_task_{folder.path.name}"
    _hold(package, folder.path)
    path = folder.code()
    if folder.base:
        _hold(f"{package}.base", folder.base)
        package += ".base" * (path.parent == folder.base)
    spec = importlib.util.spec_from_file_location(f"{package}.task", path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = "".join(traceback.format_exception(error)[-LOAD_FRAMES:]).strip()
        raise TaskError(f"{path}: cannot be imported:\n{lines}") from error
    for name in functions:
        if not callable(getattr(module, name, None)):
            raise TaskError(f"{path}: defines no function `{name}`")
    return module


def _hold(package: str, folder: Path) -> None:
    sys.modules[package] = holder = ModuleType(package)
    holder.__path__ = [str(folder)]
