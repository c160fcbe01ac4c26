"""A task's programs behind the wall: a sandbox with the task's limits, asked for one run at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from evolve.errors import TaskError
from evolve.grading import Calls, TaskCode
from evolve.randomness import candidate_seed
from evolve.spec import TaskSpec
from evolve.task import Instance, Invalid
from sandbox import Job, Limits, Outcome, Sandbox

# Wall seconds allowed per CPU second: a backstop only, since other load must not judge.
WALL_PER_CPU = 4.0
# Stands behind an instance's name where a program is given another generator than its own.
OTHER_GENERATOR = "with another generator"


class TaskBox:
    """Runs programs of one task on the instances that it holds; made by `open`.

    Law: what a program gives follows from its text, the instance, the names of task and instance
    (they seed its generator) and the hash seed of the sandbox.
    """

    def __init__(
        self, spec: TaskSpec, code: TaskCode, harness: str | None, sandbox: Sandbox
    ) -> None:
        self.spec, self.code, self.sandbox = spec, code, sandbox
        self._harness = harness

    @classmethod
    def open(
        cls,
        spec: TaskSpec,
        code: TaskCode,
        harness: str | None,
        *,
        level: str,
        min_level: str,
        tried: bool,
        hash_seed: int = 0,
    ) -> TaskBox:
        """Start a warm process that holds no instance yet. Raises: SandboxError."""
        sandbox = Sandbox.open(
            level=level,
            min_level=min_level,
            tried=tried,
            preload=spec.preload,
            harness=harness,
            limits=_limits(spec),
            device=spec.device,
            device_memory=spec.limits.device_memory,
            hash_seed=hash_seed,
        )
        return cls(spec, code, harness, sandbox)

    def open_another(self, hash_seed: int) -> TaskBox:
        """Start another warm process behind the same wall. Raises: SandboxError."""
        level = self.sandbox.level
        return self.open(
            self.spec,
            self.code,
            self._harness,
            level=level,
            min_level=level,
            tried=True,
            hash_seed=hash_seed,
        )

    def close(self) -> None:
        self.sandbox.close()

    def hold(self, instances: Iterable[Instance]) -> None:
        """Hand the public inputs of instances to the wall. Raises: SandboxError."""
        self.sandbox.add_inputs({each.name: dict(each.public) for each in instances})

    def drop(self, instances: Iterable[Instance]) -> None:
        """Forget what `hold` handed over. Raises: SandboxError."""
        self.sandbox.drop_inputs([each.name for each in instances])

    def run(
        self,
        source: str,
        instance: Instance,
        *,
        observe: str | None = None,
        calls: Calls | None = None,
        other_generator: bool = False,
    ) -> Outcome:
        """Run a program on one instance, in a fresh child.

        observe: as in Job. calls: takes (item, answer) of every call of a stepwise task.
        other_generator: not the generator that all programs of the task get on this instance.
        """
        _assert_one_thread()
        name = f"{instance.name} {OTHER_GENERATOR}" if other_generator else instance.name
        job = Job(
            source=source,
            entry=self.spec.entry,
            input=instance.name,
            rng_seed=candidate_seed(self.code.digest, name),
            pass_rng=self.spec.rng,
            observe=observe,
        )
        if not self.spec.stepwise:
            return self.sandbox.run(job)
        outcome = self.sandbox.run(job, feed=lambda: self.code.feed(instance, calls))
        if isinstance(outcome.value, Invalid):
            return replace(outcome, status="invalid", reason=str(outcome.value), value=None)
        return outcome


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


def _assert_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        raise TaskError("task.py changed the number of torch's threads: results would not repeat")
