"""The way a result takes: a length through a pipe, a frame in shared memory, both believed by nobody."""

from typing import NamedTuple

import pytest

from sandbox import Job, Limits, Sandbox

LIMITS = Limits(wall_s=60, cpu_s=30, result_mb=1)
SHORT = Limits(wall_s=0.5, cpu_s=30, result_mb=1)

# A candidate that has found the memory in which results are left: frames below its own hold it.
PREFIX = """
import os, sys, time
from sandbox import wire

def shared():
    frame = sys._getframe()
    while "setting" not in frame.f_locals: frame = frame.f_back
    return frame.f_locals["setting"].shared

def leave(raw, length=None):
    shared()[:len(raw)] = raw
    os.write(3, (len(raw) if length is None else length).to_bytes(8, "little"))

def frame(kind): return b"".join(wire.encode({"kind": kind, "reason": "", "value": "forged"}))

"""


class Forgery(NamedTuple):
    """What a candidate reports by itself, and what must be seen."""

    status: str
    reason: str
    body: str


FORGERIES = {
    "half a length": Forgery("crashed", "without a whole result", "os.write(3, bytes(4))"),
    "a length and no frame": Forgery("crashed", "without a whole result", "leave(b'', 100)"),
    "a length beyond the memory": Forgery(
        "crashed", "without a whole result", "leave(frame('ok'), 2**64 - 1)"
    ),
    "half a frame": Forgery("crashed", "without a whole result", "leave(frame('ok'), 40)"),
    "a frame and more": Forgery("crashed", "without a whole result", "leave(frame('ok') + b'x')"),
    "what is no frame": Forgery("crashed", "without a whole result", "leave(b'[1, 2, 3]')"),
    "two results": Forgery(
        "crashed", "without a whole result", "leave(frame('ok')); leave(frame('ok'))"
    ),
    "an unknown verdict": Forgery(
        "crashed", "a frame that no candidate should write", "leave(frame('won'))"
    ),
    "the watch's own verdict": Forgery(
        "crashed", "a frame that no candidate should write", "leave(frame('timeout'))"
    ),
    "a result, and then a crash": Forgery(
        "crashed", "exited with status 1", "leave(frame('ok')); os._exit(1)"
    ),
}


@pytest.fixture(scope="module")
def box(level):
    with Sandbox.open(level=level, inputs={"none": {}}, limits=LIMITS) as box:
        yield box


def run(box, body):
    return box.run(Job(f"{PREFIX}def main():\n    {body}\n    os._exit(0)", "main", "none"))


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_report_is_a_crash(box, name):
    forgery = FORGERIES[name]
    outcome = run(box, forgery.body)
    assert (outcome.status, outcome.value) == (forgery.status, None), outcome
    assert forgery.reason in outcome.reason


def test_a_whole_forged_result_is_only_the_candidates_own_output(box):
    outcome = run(box, "leave(frame('ok'))")
    assert (outcome.status, outcome.value) == ("ok", "forged")


@pytest.mark.parametrize(
    "body", ["leave(frame('ok')); time.sleep(300)", "while True: os.write(3, bytes(1 << 16))"]
)
def test_a_report_does_not_lift_a_limit(level, body):
    with Sandbox.open(level=level, inputs={"none": {}}, limits=SHORT) as box:
        outcome = run(box, body)
    assert (outcome.status, outcome.value) == ("timeout", None)
    assert outcome.reason.startswith("wall_s: ")


def test_what_a_candidate_left_in_the_shared_memory_is_gone_for_the_next_one(box):
    run(box, "leave(bytes([7]) * 100_000)")
    outcome = box.run(Job(PREFIX + "def main(): return any(shared()[:])", "main", "none"))
    assert outcome.value is False, outcome
