"""How long things live: no process outlives its job, its sandbox or the process that asked."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import sandbox
from sandbox import Job, Limits, Sandbox, SandboxError

ROOT = Path(sandbox.__file__).parents[1]
PATIENCE_S = 600  # for the kernel and a loaded machine; what is awaited takes milliseconds
MANY_FILES = 3000
SQUARE = Job("def main(x): return x * x", "main", "a")
INPUTS = {"a": {"x": 7}}
FOLDER_SEEN = ("weak", "landlock")  # at level strict it lies in a mount namespace

PARENT = """
import sys
from sandbox import Job, Limits, Sandbox
limits = Limits(wall_s=300, cpu_s=300, tasks=9)
box = Sandbox.open(level=sys.argv[1], inputs={"a": {"x": 1}}, limits=limits)
print(box._process.popen.pid, box._scratch, flush=True)
if sys.argv[2] == "working":
    source = '''
import os, time
def main(x):
    if os.fork() == 0: os.setsid()
    time.sleep(300)
'''
    box.run(Job(source, "main", "a"))
sys.stdin.read()
"""


def test_close_ends_the_warm_process_and_removes_its_folder(level):
    box = Sandbox.open(level=level, inputs=INPUTS)
    pid, scratch = box._process.popen.pid, box._scratch
    assert Path(scratch).is_dir() == (level in FOLDER_SEEN)
    box.close()
    box.close()
    assert not alive(pid)
    assert not Path(scratch).exists()
    with pytest.raises(SandboxError, match="closed"):
        box.run(SQUARE)


@pytest.mark.parametrize("doing", ["idle", "working"])
def test_nothing_is_left_when_the_asking_process_is_killed(level, doing):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, level, doing],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        warm, scratch = parent.stdout.readline().split()
        family = [int(warm)]
        if doing == "working":
            family += until(lambda: two_below(int(warm)))
        elif level in FOLDER_SEEN:
            # so many files that the removal, begun at the hang-up, is on when SIGTERM comes
            for name in range(MANY_FILES):
                Path(scratch, str(name)).touch()
        parent.kill()
    until(functools.partial(none_alive, family))
    until(lambda: not Path(scratch).exists())


@pytest.mark.parametrize("delay_s", [0, 0.1, 0.3])  # a start takes a few tenths of a second
def test_nothing_is_left_when_the_asking_process_is_killed_while_it_opens(level, delay_s, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, level, "idle"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as parent:
        [warm] = until(lambda: children_of_program(parent.pid, "sandbox.warm"))
        time.sleep(delay_s)
        parent.kill()
    until(lambda: not alive(warm))
    assert list(tmp_path.iterdir()) == []


def test_a_killed_warm_process_is_started_again_with_all_its_inputs(level):
    with Sandbox.open(level=level, inputs=INPUTS) as box:
        box.add_inputs({"b": {"x": 8}})
        for _ in range(3):
            os.kill(box._process.popen.pid, signal.SIGKILL)
            box._process.popen.wait()
            assert box.run(Job(SQUARE.source, "main", "b")).value == 64
            assert box.run(SQUARE).value == 49
    assert not Path(box._scratch).exists()


def test_what_a_killed_warm_process_could_not_end_is_ended(level):
    """Without a pid namespace, children of a candidate outlive it and the warm process."""
    source = """
import os, time
def main(x):
    os.fork()
    time.sleep(300)
"""
    limits = Limits(wall_s=300, cpu_s=300, tasks=3)
    with Sandbox.open(level=level, inputs=INPUTS, limits=limits) as box:
        seen = []

        def kill_each():
            for _ in range(3):
                warm = until(lambda: box._process and two_below(box._process.popen.pid) and box)
                family = two_below(warm._process.popen.pid)
                seen.extend(family)
                os.kill(warm._process.popen.pid, signal.SIGKILL)
                until(functools.partial(none_alive, family))

        killer = threading.Thread(target=kill_each)
        killer.start()
        assert box.run(Job(source, "main", "a")).status == "over_limit"
        killer.join()
    assert len(seen) == 6
    assert none_alive(seen)


def test_a_candidate_with_which_each_warm_process_dies_gets_no_verdict_and_stops_nobody():
    # at level weak a candidate can signal its parent, and so can a machine without memory
    killer = Job("import os\ndef main(x): os.kill(os.getppid(), 9)", "main", "a")
    with Sandbox.open(level="weak", inputs=INPUTS) as box:
        outcome = box.run(killer)
        assert outcome.status == "over_limit"
        assert "the warm process died 3 of 3 times with it" in outcome.reason
        assert box.run(SQUARE).value == 49


def test_a_warm_process_that_falls_silent_each_time_is_no_verdict_either(monkeypatch):
    monkeypatch.setattr(sandbox.box, "_GRACE_S", 0.5)
    stopper = Job("import os\ndef main(x): os.kill(os.getppid(), 19)", "main", "a")
    with Sandbox.open(level="weak", inputs=INPUTS, limits=Limits(wall_s=0.5)) as box:
        monkeypatch.setattr(sandbox.asking, "_CLOSE_S", 0.1)
        outcome = box.run(stopper)
        monkeypatch.undo()
        assert outcome.status == "over_limit"
        assert "the warm process died 3 of 3 times with it" in outcome.reason
        assert box.run(SQUARE).value == 49


def test_a_candidate_killed_from_outside_gets_no_verdict(level):
    # as the system does when memory runs out
    sleeper = Job("import time\ndef main(x): time.sleep(300)", "main", "a")
    with Sandbox.open(level=level, inputs=INPUTS, limits=Limits(wall_s=300)) as box:
        warm = box._process.popen.pid
        killer = threading.Thread(
            target=lambda: os.kill(until(lambda: children_of(warm))[0], signal.SIGKILL)
        )
        killer.start()
        outcome = box.run(sleeper)
        killer.join()
        assert (outcome.status, outcome.value) == ("over_limit", None)
        assert outcome.reason.startswith("killed by SIGKILL from outside")
        assert box._process.popen.pid == warm


def test_an_interrupted_job_is_ended_and_the_sandbox_can_be_used_on(level):
    sleeper = Job("import time\ndef main(x): time.sleep(300)", "main", "a")
    with Sandbox.open(level=level, inputs=INPUTS, limits=Limits(wall_s=300)) as box:
        warm = box._process.popen.pid
        old = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(KeyboardInterrupt):
                box.run(sleeper)
        finally:
            signal.signal(signal.SIGALRM, old)
        assert not alive(warm)
        assert box.run(SQUARE).value == 49


def test_a_module_that_starts_threads_cannot_be_used(level):
    harness = """
import threading, time
threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
def call(candidate, public, rng): return 1
"""
    with pytest.raises(SandboxError, match="more than one thread"):
        Sandbox.open(level=level, inputs=INPUTS, harness=harness)


def test_preloaded_inputs_are_not_charged_to_the_candidate(level):
    inputs = {"a": {"x": np.ones(12 << 20)}}
    limits = Limits(memory_mb=64)
    with Sandbox.open(level=level, inputs=inputs, limits=limits) as box:
        fits = box.run(Job("def main(x): return float(x[:1 << 20].copy().sum())", "main", "a"))
        assert (fits.status, fits.value) == ("ok", float(1 << 20))
        copies = box.run(Job("def main(x): return float(x.copy().sum())", "main", "a"))
        assert copies.status == "over_limit"


def test_more_tasks_may_run_when_the_limit_allows_it(level):
    source = """
import os, threading, time
def main(x):
    thread = threading.Thread(target=time.sleep, args=(0.05,))
    thread.start()
    if os.fork() == 0: time.sleep(300)
    thread.join()
    return x
"""
    with Sandbox.open(level=level, inputs=INPUTS, limits=Limits(tasks=4)) as box:
        outcome = box.run(Job(source, "main", "a"))
        assert (outcome.status, outcome.value) == ("ok", 7)
        assert children_of(box._process.popen.pid) == []


def test_a_file_up_to_its_bound_may_be_written_and_is_removed(level):
    source = """
def main(x):
    with open("f", "wb") as file: file.write(bytes(x << 20))
    with open("f", "rb") as file: return len(file.read())
"""
    inputs = {"fits": {"x": 1}, "large": {"x": 2}, "none": {}}
    names = Job("import os\ndef main(): return os.listdir()", "main", "none")
    with Sandbox.open(level=level, inputs=inputs, limits=Limits(file_mb=1)) as box:
        assert box.run(Job(source, "main", "fits")).value == 1 << 20
        assert box.run(Job(source, "main", "large")).status == "over_limit"
        assert box.run(names).value == []
        assert Path(box._scratch).parent == Path(tempfile.gettempdir())
    assert not Path(box._scratch).exists()


def test_a_folder_tells_nothing_of_the_files_that_others_made(level):
    source = """
import os

def main(many):
    folder = os.stat(".")
    with open("first", "wb") as file: number = os.fstat(file.fileno()).st_ino
    for name in range(many): open(f"{name:0200}", "wb").close()
    return folder.st_size, folder.st_nlink, folder.st_mode, number
"""
    inputs = {"looks": {"many": 0}, "fills": {"many": 900}}
    with Sandbox.open(level=level, inputs=inputs, limits=Limits(file_mb=1)) as box:
        before, _, after = (
            box.run(Job(source, "main", name)).value for name in ("looks", "fills", "looks")
        )
    # on a disk a file's number tells what the machine does
    assert before[:3] == after[:3]
    assert before == after or level != "strict"


def interrupt(*_):
    raise KeyboardInterrupt


def until(found):
    """Wait until something holds, and give it."""
    end = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def none_alive(pids: list[int]) -> bool:
    return not any(map(alive, pids))


def two_below(pid: int) -> list[int]:
    """Give the candidate and its child, or nothing while they are not both there."""
    found = children_of(pid)
    found += [grandchild for child in found for grandchild in children_of(child)]
    return found if len(found) == 2 else []


def children_of_program(pid: int, name: str) -> list[int]:
    """Give the children whose command line holds a name."""
    return [
        child for child in children_of(pid) if name in Path(f"/proc/{child}/cmdline").read_text()
    ]


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []
