"""The grader: a process that loads one task, runs candidates behind the wall and scores outputs.

It alone imports `task.py` and sees private values; it never imports a candidate. It answers one
request at a time over its pipes, in the checked wire format, and ends with its parent.
"""

from __future__ import annotations

import copy
import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolve import faults, hashing
from evolve.blocks import PROBE, QUICK, WHOLE, Block, Blocks
from evolve.errors import DeviceBroken, TaskError
from evolve.executor import UNSOUND
from evolve.folder import SPEC_FILE, TaskFolder
from evolve.grading import Calls, TaskCode
from evolve.probing import Prober
from evolve.quick import Quick
from evolve.randomness import candidate_seed
from evolve.spec import read_spec
from evolve.task import Instance, Invalid, Progress
from evolve.task_box import TaskBox
from sandbox import Limits, Outcome, Sandbox, SandboxError, wire
from sandbox.linux import process

PUBLISHED = "published"
# The group of instances of PUBLISHED that one printed number is about.
PROTOCOL = "protocol"
# What a run asks for, and what `evolve check` and `evolve export` ask for besides.
OPERATIONS = (
    "draft",
    "probe",
    "run",
    "grade",
    "describe",
    "control",
    "published",
    "compare",
    "audit",
    "samples",
    "observe",
)
# Outputs wait for their grading here; one slot has one step in hand, and a retry.
MAX_TOKENS = 4
# A grade that reads too much does so on any instance: a few are asked.
MAX_FORM_INSTANCES = 4
MB = 2**20
# No request or reply between a run and its graders comes near this.
MAX_MESSAGE_BYTES = 256 * 2**20


def main() -> None:
    """Serve requests on the descriptors that were standard input and output."""
    requests, replies = _claim_pipes()
    process.end_with_parent(os.getppid(), signal.SIGKILL)

    def reply(event: str, **values: Any) -> None:
        wire.send(replies, {"event": event, **values})

    def report(done: int, total: int, what: str) -> None:
        reply("progress", done=done, total=total, what=what)

    grader: Grader | None = None
    try:
        while True:
            request = wire.receive(requests, MAX_MESSAGE_BYTES)
            op, arguments = request["op"], request["arguments"]
            try:
                if op == "open":
                    grader = Grader.open(report=report, **arguments)
                    value: Any = {"level": grader.box.level}
                elif grader is not None and op in OPERATIONS:
                    value = getattr(grader, op)(**arguments)
                else:
                    raise SandboxError(f"a grader was asked for {op!r} before it was opened")
            except DeviceBroken as error:
                reply("device", message=str(error))
                return  # the next grader has a fresh context
            except TaskError as error:
                reply("task", message=str(error))
            except (SandboxError, OSError) as error:
                reply("world", message=str(error))
            else:
                reply("done", value=value)
    except (wire.WireClosed, BrokenPipeError):
        pass  # whoever asked is gone
    finally:
        if grader is not None:
            grader.close()


class Grader:
    """One task, opened: its instances, the wall, and outputs that wait for their grade."""

    def __init__(self, box: TaskBox, world: str, test_is_open: bool) -> None:
        self.spec, self.code, self.digest, self.world = box.spec, box.code, box.code.digest, world
        self._box, self._prober = box, Prober(box, world)
        self._tokens: dict[str, tuple[Block, list[Any], Quick | None]] = {}
        self._blocks = Blocks(
            box.code,
            box,
            test_is_open=test_is_open,
            waiting=lambda: {block.key for block, *_ in self._tokens.values()},
        )
        self._quick: Quick | None = None
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
        tried: bool,
        test_is_open: bool,
        report: Progress,
    ) -> Grader:
        """Load the task and start the warm process. Raises: TaskError, SandboxError."""
        files = TaskFolder.of(Path(folder))
        spec = read_spec(files.path / SPEC_FILE)
        code = TaskCode(files, spec, settings, digest, report)
        box = TaskBox.open(
            spec,
            code,
            files.harness(),
            level=level,
            min_level=min_level,
            tried=tried,
        )
        _one_thread()
        return cls(box, world, test_is_open)

    @property
    def box(self) -> Sandbox:
        """The sandbox that programs run in."""
        return self._box.sandbox

    def close(self) -> None:
        self._prober.close()
        self._box.close()

    def draft(self, source: str, observe: str) -> dict[str, Any]:
        """Run a draft on the first probe and give one of its variables."""
        return self._observed(source, self._blocks.block(PROBE, 0).instances[0], observe)

    def probe(self, source: str) -> dict[str, Any]:
        """Run a program on the probes: the fields of a Probed."""
        return self._prober.probe(source, self._blocks.block(PROBE, 0).instances)

    def run(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Run a program on a block, to the first instance that goes wrong.

        What it ran on in the quick stage just before is not run again.
        """
        blocked, quick = self._blocks.block(stage, block), self._taken_quick(source, stage, block)
        known = quick.outcomes if quick else {}
        outcomes: list[Outcome] = []
        failed: tuple[str, str] | None = None
        for instance in blocked.instances:
            outcome = known.get(instance.name) or self._box.run(source, instance)
            outcomes.append(outcome)
            if outcome.status != "ok":
                failed = outcome.status, f"{instance.name}: {outcome.reason}"
                break
        outputs = [hashing.widened(outcome.value) for outcome in outcomes]
        if (stage, block) == QUICK:
            ran = dict(zip(blocked.names, outcomes, strict=False))
            self._quick = quick = Quick(self.code, source, ran)
            # They are graded, and given out again with the rest: no grader may change what is kept.
            outputs = copy.deepcopy(outputs)
        digest = None
        if failed is None:
            digest, failed = self._digest(blocked, outputs)
        return {
            "status": failed[0] if failed else "ok",
            "reason": failed[1] if failed else None,
            "outputs_digest": digest,
            "token": self._keep(blocked, outputs, quick) if digest else None,
            "wall_s": math.fsum(outcome.wall_s for outcome in outcomes),
            "cpu_s": math.fsum(outcome.cpu_s for outcome in outcomes),
            "max_rss_bytes": max((outcome.max_rss_bytes for outcome in outcomes), default=0),
            "level": self.box.level,
            "limit_share": max(
                _limit_share(each, self.box.limits, blocked.idle_bytes) for each in outcomes
            ),
        }

    def _taken_quick(self, source: str, stage: str, block: int) -> Quick | None:
        """Take what is kept of a program that goes on to the whole block; once, and the last one's."""
        if (stage, block) != WHOLE or self._quick is None or self._quick.source != source:
            return None
        quick, self._quick = self._quick, None
        return quick

    def grade(self, token: str) -> dict[str, Any]:
        """Grade the outputs kept under a token: {"quality": fields of an Evaluation, "seconds"}."""
        block, outputs, quick = self._tokens.pop(token)
        before, began = quick.seconds if quick else 0.0, time.perf_counter()
        grade_all = quick.grade_all if quick else self.code.grade_all
        grades = grade_all(block.instances, outputs)
        quality = self.code.quality(block.instances, grades)
        seconds = before + time.perf_counter() - began
        if quick is not None:
            quick.keep(block.instances, grades, seconds)
        return {"quality": quality, "seconds": seconds}

    def control(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Grade a control of the task's own folder, which may read private values."""
        blocked = self._blocks.block(stage, block)
        outputs = self.code.control_outputs(source, blocked.instances)
        return self.code.quality(blocked.instances, self.code.grade_all(blocked.instances, outputs))

    def published(self, source: str, protocol: str) -> dict[str, Any]:
        """Recompute the number that a paper prints for a program: {"value", "reason"}."""
        block = self._blocks.block(PUBLISHED, 0)
        named = [each for each in block.instances if each.groups.get(PROTOCOL) == protocol]
        if not named:
            raise TaskError(f"{self.spec.name}/task.py: no instance has {PROTOCOL} = {protocol!r}")
        outcomes = [self._box.run(source, instance) for instance in named]
        for instance, outcome in zip(named, outcomes, strict=True):
            if outcome.status != "ok":
                return {"value": None, "reason": f"{instance.name}: {outcome.reason}"}
        outputs = [hashing.widened(outcome.value) for outcome in outcomes]
        grades = self.code.grade_all(named, outputs)
        if isinstance(grades, Invalid):
            return {"value": None, "reason": str(grades)}
        return {"value": self.code.published(named, grades), "reason": None}

    def describe(self, stage: str, block: int) -> list[dict[str, Any]]:
        """Give names, subgroups and the plain shape of the public inputs of a block."""
        return [
            {
                "name": instance.name,
                "groups": dict(instance.groups),
                "unit": instance.unit,
                "public": sorted(instance.public),
                "dims": self.code.dims(instance) if stage == PROBE else {},
            }
            for instance in self._blocks.block(stage, block).instances
        ]

    def compare(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Grade a program's outputs in two ways that must agree: together and one by one.

        differs: the first instance on which they do not; None if they agree, or there is only one.
        """
        ran = self.run(source, stage, block)
        if ran["token"] is None:
            return {"status": ran["status"], "reason": ran["reason"], "differs": None}
        blocked, outputs, _ = self._tokens.pop(ran["token"])
        differs = faults.graded_differently(self.code, blocked.instances, outputs)
        return {"status": "ok", "reason": None, "differs": differs}

    def audit(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Look for two faults of a task that no run would notice.

        leaks: [instance, private path, public path] of equal values on both sides of the wall.
        form: the first instance whose grade changed with what the canonical form leaves out.
        """
        blocked, form = self._blocks.block(stage, block), None
        # Probes need not be gradable: they are there to be run.
        for instance in () if stage == PROBE else blocked.instances[:MAX_FORM_INSTANCES]:
            outcome = self._box.run(source, instance)
            if outcome.status == "ok" and faults.reads_beyond_form(
                self.code, instance, outcome.value
            ):
                form = instance.name
                break
        leaks = [
            [instance.name, *paths]
            for instance in blocked.instances
            for paths in faults.shared_values(instance)
        ]
        return {"leaks": leaks, "form": form}

    def samples(self, source: str) -> list[dict[str, Any]]:
        """Give the probes with what a program answers to them, for a test that lives elsewhere.

        items: what a stepwise task fed it; the output is then the list of its answers.
        """
        rows = []
        for instance in self._blocks.block(PROBE, 0).instances:
            calls: Calls = []
            outcome = self._box.run(source, instance, calls=calls)
            value = [answer for _, answer in calls] if self.spec.stepwise else outcome.value
            rows.append(
                {
                    "name": instance.name,
                    "rng_seed": candidate_seed(self.digest, instance.name),
                    "status": outcome.status,
                    "public": dict(instance.public),
                    "items": [item for item, _ in calls] if self.spec.stepwise else None,
                    "output": value if outcome.status == "ok" else None,
                }
            )
        return rows

    def observe(self, source: str, observe: str) -> list[dict[str, Any]]:
        """Run a draft on all probes, to the first time-out, and give one of its variables."""
        rows: list[dict[str, Any]] = []
        for instance in self._blocks.block(PROBE, 0).instances:
            rows.append(self._observed(source, instance, observe))
            if rows[-1]["status"] in UNSOUND:
                break
        return rows

    def _observed(self, source: str, instance: Instance, observe: str) -> dict[str, Any]:
        outcome = self._box.run(source, instance, observe=observe)
        return {"status": outcome.status, "reason": outcome.reason, "value": outcome.value}

    def _digest(
        self, block: Block, outputs: list[Any]
    ) -> tuple[str | None, tuple[str, str] | None]:
        """Give the digest of a block's outputs, or the status and reason if they have no form."""
        header = (self.digest, self.world, block.stage, str(block.number))
        try:
            named = zip(block.names, outputs, strict=True)
            return hashing.digest(header, self.spec.canonical, named), None
        except (ValueError, TypeError) as error:
            # The task says it better than a canonical form can.
            grades = self.code.grade_all(block.instances, outputs)
            reason = str(grades) if isinstance(grades, Invalid) else f"output: {error}"
            return None, ("invalid", reason)

    def _keep(self, block: Block, outputs: list[Any], quick: Quick | None) -> str:
        self._num_tokens += 1
        token = str(self._num_tokens)
        self._tokens[token] = block, outputs, quick
        while len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return token


def _limit_share(outcome: Outcome, limits: Limits, idle_bytes: int) -> float:
    """Give the largest share of a limit on time or memory that a job used; 1 if it broke any."""
    # What the warm process holds is charged to no job.
    own_bytes = max(0, outcome.max_rss_bytes - idle_bytes)
    return max(
        outcome.wall_s / limits.wall_s,
        outcome.cpu_s / limits.cpu_s,
        own_bytes / (limits.memory_mb * MB),
        float(outcome.status in UNSOUND),
    )


def _one_thread() -> None:
    """Make torch, if the task loaded it, as single-threaded as numpy is by its environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


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


if __name__ == "__main__":
    main()
