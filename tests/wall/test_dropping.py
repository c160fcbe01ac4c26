"""Inputs that are dropped: their memory is free, and nobody can be given them any more."""

from pathlib import Path

import numpy as np
import pytest

from sandbox import Job, Limits, Sandbox, SandboxError

SUM = Job("def main(x): return float(x.sum())", "main", "kept")
ROUNDS, LARGE_MB = 4, 64
SLACK_MB = 16  # of what the interpreter itself may take or leave


def named(name):
    return Job(SUM.source, "main", name)


def large():
    """Give two trees that take so much memory together."""
    return {name: {"x": np.ones(LARGE_MB << 16)} for name in ("first", "second")}


def resident_mb(box):
    """Give the warm process' own memory."""
    lines = Path(f"/proc/{box._process.popen.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def test_memory_goes_down_each_time(level):
    with Sandbox.open(level=level, inputs={"kept": {"x": np.ones(3)}}) as box:
        before = resident_mb(box)
        for _ in range(ROUNDS):
            box.add_inputs(large())
            assert resident_mb(box) > before + LARGE_MB - SLACK_MB
            assert box.run(named("second")).value == LARGE_MB << 16
            box.drop_inputs(["first", "second"])
            assert resident_mb(box) < before + SLACK_MB
            assert box.run(SUM).value == 3


def test_candidates_are_bounded_as_if_it_had_never_been_there(level):
    takes = Job(f"def main(x): return len(bytearray({LARGE_MB} << 20))", "main", "kept")
    inputs = {"kept": {"x": np.ones(3)}}
    with Sandbox.open(level=level, inputs=inputs, limits=Limits(memory_mb=LARGE_MB - 8)) as box:
        box.add_inputs(large())
        box.drop_inputs(large())
        assert box.run(takes).status == "over_limit"
        less = Job(takes.source.replace(str(LARGE_MB), str(LARGE_MB // 2)), "main", "kept")
        assert box.run(less).status == "ok"


def test_a_dropped_name_is_free_again_and_cannot_be_asked_for():
    with Sandbox.open(level="weak", inputs={"kept": {"x": np.ones(3)}}) as box:
        box.add_inputs({"a": {"x": np.ones(4)}, "b": {"x": np.ones(5)}})
        box.drop_inputs(["a"])
        with pytest.raises(SandboxError, match="no input named 'a'"):
            box.run(named("a"))
        assert box.run(named("b")).value == 5
        box.add_inputs({"a": {"x": np.ones(6)}})
        assert box.run(named("a")).value == 6


def test_what_is_not_there_cannot_be_dropped_and_then_nothing_is():
    with Sandbox.open(level="weak", inputs={"kept": {"x": np.ones(3)}}) as box:
        with pytest.raises(SandboxError, match="no input named 'other'"):
            box.drop_inputs(["kept", "other"])
        assert box.run(SUM).value == 3
        box.drop_inputs([])


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_warm_process_that_is_started_again_is_not_given_what_was_dropped(dies):
    with Sandbox.open(level="weak", inputs={"kept": {"x": np.ones(3)}}) as box:
        before = resident_mb(box)
        box.add_inputs(large())
        if dies == "before":
            kill(box)
        box.drop_inputs(large())
        if dies == "after":
            kill(box)
        assert box.run(SUM).value == 3
        assert resident_mb(box) < before + SLACK_MB


def kill(box):
    box._process.popen.kill()
    box._process.popen.wait()
