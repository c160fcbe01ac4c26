"""The blocks of a task's instances, built at first use and handed to the wall."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from evolve.errors import TaskError
from evolve.grading import TaskCode
from evolve.hurdle import QUICK_STAGE, quick_names
from evolve.statistics import grouping
from evolve.task import Instance
from evolve.task_box import TaskBox

PROBE, TRAIN, TEST = "probe", "train", "test"
# Blocks that every program of a run is run on; QUICK is a part of TRAIN.
WHOLE, QUICK = (TRAIN, 0), (QUICK_STAGE, 0)
KEPT_BLOCKS = ((PROBE, 0), WHOLE, QUICK)
# Of all others so many stay at hand: `valid` and `test`, which are read in turns when programs are
# compared on both, or a few fresh ones, each for the two or three programs of one confirmation. One
# of data_selection takes 107 MB.
MAX_OTHER_BLOCKS = 3


@dataclass(frozen=True)
class Block:
    """A block, handed to the wall. idle_bytes: resident memory of a job on it that does nothing."""

    stage: str
    number: int
    instances: tuple[Instance, ...]
    idle_bytes: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.stage, self.number

    @property
    def names(self) -> list[str]:
        return [instance.name for instance in self.instances]


class Blocks:
    """Gives blocks, and forgets what was not used for longest.

    waiting: gives the keys of blocks that must not be forgotten now.
    """

    def __init__(
        self,
        code: TaskCode,
        box: TaskBox,
        *,
        test_is_open: bool,
        waiting: Callable[[], Collection[tuple[str, int]]],
    ) -> None:
        self._code, self._box = code, box
        self._test_is_open, self._waiting = test_is_open, waiting
        self._held: dict[tuple[str, int], Block] = {}  # the last one used stands last

    def block(self, stage: str, number: int) -> Block:
        """Give a block, building it and handing its public inputs to the wall at first use.

        Raises: TaskError for the hidden split, or instances that cannot be a block.
        """
        key = (stage, number)
        block = self._held.pop(key, None) or self._built(stage, number)
        self._held[key] = block
        return block

    def _built(self, stage: str, number: int) -> Block:
        if stage == TEST and not self._test_is_open:
            raise TaskError("the split `test` is hidden: only `evolve verify` opens it")
        if (stage, number) == QUICK:
            return self._part_of_whole()
        instances = self._code.instances(stage, number)
        self._refuse_names_of_others(stage, number, instances)
        if (stage, number) not in KEPT_BLOCKS:
            self._make_room()
        self._box.hold(instances)
        return Block(stage, number, instances, self._box.run("", instances[0]).max_rss_bytes)

    def _part_of_whole(self) -> Block:
        """Give the quick stage, whose inputs are behind the wall with those of the whole block."""
        whole = self.block(*WHOLE)
        names = quick_names(
            grouping(
                {"name": each.name, "groups": dict(each.groups), "unit": each.unit}
                for each in whole.instances
            )
        )
        if not names:
            raise TaskError(
                f"{self._code.spec.name}: its train block is too small for a quick stage"
            )
        instances = tuple(each for each in whole.instances if each.name in names)
        return Block(*QUICK, instances, whole.idle_bytes)

    def _refuse_names_of_others(
        self, stage: str, number: int, instances: tuple[Instance, ...]
    ) -> None:
        """Raises: TaskError when an instance is named like one of another block."""
        names = {instance.name for instance in instances}
        for block in self._held.values():
            if shared := sorted(names.intersection(block.names)):
                raise TaskError(
                    f"{self._code.spec.name}/task.py: an instance named {shared[0]!r} is in block "
                    f"{block.number} of {block.stage!r} and in block {number} of {stage!r}: put "
                    "split and block into the name, it seeds the candidates' generators"
                )

    def _make_room(self) -> None:
        """Forget blocks that were not used for longest, but none whose outputs wait for a grade."""
        waiting = self._waiting()
        others = [key for key in self._held if key not in KEPT_BLOCKS]
        excess = len(others) + 1 - MAX_OTHER_BLOCKS
        for key in [key for key in others if key not in waiting][: max(excess, 0)]:
            self._box.drop(self._held.pop(key).instances)
