"""Candidates with a device: a fresh interpreter each, alone on the device, behind a wider filter.

The device "cpu" stands in for all but CUDA itself; what needs a GPU is skipped where there is none.
"""

import errno
import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sandbox import Job, Limits, Sandbox, SandboxError, turns
from sandbox.levels import available
from sandbox.linux import seccomp
from sandbox.linux.rules import ALLOWED, rules
from sandbox.linux.syscalls import AUDIT_ARCH, NUMBERS

LIMITS = Limits(wall_s=60, cpu_s=1, memory_mb=128, tasks=1, file_mb=0, result_mb=2, output_kb=4)
INPUTS = {"none": {}, "x": {"x": np.arange(5.0)}}
FIGURE = r"[\d.]+"
PATIENCE_S = 600
CUDA_QUESTION = "import torch; print(torch.cuda.is_available())"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available("landlock").available, reason="needs Landlock and seccomp"),
]


@functools.cache
def has_cuda():
    """Ask in a process of its own: whoever asks torch has CUDA in it from then on."""
    said = subprocess.run(
        [sys.executable, "-c", CUDA_QUESTION], capture_output=True, text=True, timeout=PATIENCE_S
    )
    return said.stdout.strip() == "True"


def open_box(**more):
    given = {"level": "weak", "device": "cpu", "inputs": INPUTS, "limits": LIMITS}
    return Sandbox.open(**{**given, **more})


@pytest.fixture(scope="module")
def box():
    with open_box() as box:
        yield box


def run(box, source, **more):
    return box.run(Job(**{"source": source, "entry": "main", "input": "none", **more}))


def value(box, source, **more):
    outcome = run(box, source, **more)
    assert outcome.status == "ok", outcome.reason
    return outcome.value


# --- what it gives ---


def test_a_value_comes_back_from_a_fresh_interpreter(box):
    source = "import sys\ndef main(x): print('hi'); return {'sum': x.sum(), 'x': x * 2}"
    outcome = run(box, source, input="x")
    assert (outcome.status, outcome.stdout, outcome.level) == ("ok", "hi\n", "weak")
    assert outcome.value["sum"] == 10
    np.testing.assert_array_equal(outcome.value["x"], INPUTS["x"]["x"] * 2)


def test_the_same_numbers_are_drawn_as_by_a_fork(box):
    source = (
        "import random, numpy as np\ndef main(rng):\n"
        "    return [rng.random(), random.random(), np.random.random(),\n"
        "            np.random.default_rng().random(), random.SystemRandom().random()]"
    )
    with Sandbox.open(level="weak", inputs=INPUTS, limits=LIMITS) as forked:
        drawn = [value(each, source, rng_seed=7, pass_rng=True) for each in (box, forked, box)]
    assert drawn[0] == drawn[1] == drawn[2]


def test_each_candidate_starts_from_the_same_inputs_and_modules(box):
    spoil = """
import numpy as np
def main(x):
    np.sum = None
    x.flags.writeable = True
    x[:] = 9
"""
    run(box, spoil, input="x")
    look = "import numpy as np\ndef main(x): return [float(np.sum(x)), x.flags.writeable]"
    assert value(box, look, input="x") == [10.0, False]


def test_a_harness_and_a_feed_work_as_elsewhere(box):
    harness = "def call(candidate, public, rng): return candidate(**public) + 1"
    with open_box(harness=harness) as harnessed:
        assert value(harnessed, "def main(): return 41") == 42

    def feed():
        total = 0
        for item in range(3):
            total += yield {"item": item}
        return total

    job = Job(source="def main(item): return item * 10", entry="main", input="none")
    assert box.run(job, feed).value == 30


@pytest.mark.parametrize(
    ("source", "status", "reason"),
    [
        ("def main(): 1 / 0", "crashed", r"ZeroDivisionError: division by zero\n  line 1, in main"),
        ("def main(:", "invalid", "SyntaxError"),
        ("x = 1", "invalid", "main is not defined"),
        ("import os\ndef main(): os._exit(3)", "crashed", "exited with status 3"),
        ("import os\ndef main(): os.abort()", "crashed", "killed by SIGABRT"),
        ("import os\ndef main(): os.kill(os.getpid(), 9)", "over_limit", "killed by SIGKILL"),
    ],
)
def test_what_goes_wrong_is_a_status(box, source, status, reason):
    outcome = run(box, source)
    assert outcome.status == status
    assert reason.split(r"\n")[0] in outcome.reason


# --- limits ---

BREAKS = {
    "cpu_s": ("timeout", "def main():\n    while True: pass"),
    "memory_mb": (
        "over_limit",
        "import time\ndef main():\n    kept = bytearray(b'x') * (200 << 20)\n    time.sleep(300)",
    ),
    "tasks": (
        "over_limit",
        "import threading, time\ndef main():\n"
        "    for _ in range(2): threading.Thread(target=time.sleep, args=(300,)).start()\n"
        "    time.sleep(300)",
    ),
    "output_kb": ("over_limit", "def main():\n    while True: print('x' * 99)"),
    "result_mb": ("over_limit", "import numpy as np\ndef main(): return np.zeros(1 << 19)"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_every_limit_ends_it_and_is_named(box, name):
    status, source = BREAKS[name]
    outcome = run(box, source)
    assert (outcome.status, outcome.reason.partition(":")[0]) == (status, name)


def test_wall_time_counts_from_the_first_line_of_the_candidate():
    with open_box(limits=replace(LIMITS, wall_s=0.3)) as short:
        outcome = run(short, "import time\ndef main(): time.sleep(300)")
        assert (outcome.status, outcome.reason.partition(":")[0]) == ("timeout", "wall_s")
        assert value(short, "def main(): return 1") == 1  # though to start takes about as long


@pytest.mark.slow
@pytest.mark.soak
def test_a_device_out_of_memory_is_a_limit():
    with open_box(preload=("numpy", "torch"), limits=replace(LIMITS, memory_mb=512)) as box:
        outcome = run(box, "import torch\ndef main(): raise torch.OutOfMemoryError('no more')")
        assert outcome.status == "over_limit"
        assert outcome.reason.startswith("device_memory: ")
        learn = """
import torch
def main():
    weights = torch.ones(4, requires_grad=True)
    optimizer = torch.optim.SGD([weights], 0.5)
    (weights ** 2).sum().backward()
    optimizer.step()
    return weights.detach().numpy()
"""
        np.testing.assert_array_equal(value(box, learn), np.zeros(4))


# --- the wall ---

REFUSED = {
    "a socket": "import socket\ndef main(): socket.socket(socket.AF_UNIX)",
    "a socket of the network": "import socket\ndef main(): socket.create_connection(('127.0.0.1', 9))",
    "another program": "import os\ndef main(): os.execv('/bin/true', ['true'])",
    "a file of the system": "def main(): open('/etc/passwd')",
    "a file of ours": "def main(): open(SECRET)",
    "a new file": "def main(): open('here', 'w')",
    "a new file elsewhere": "def main(): open('/tmp/elsewhere', 'w')",
    "a file's rights": "import os\ndef main(): os.chmod(SECRET, 0)",
    "another process's name": "import os\ndef main(): open(f'/proc/{os.getppid()}/cmdline')",
    "another process's memory": "import os\ndef main(): open(f'/proc/{os.getppid()}/mem')",
    "a signal to its parent": "import os\ndef main(): os.kill(os.getppid(), 0)",
    "its own memory as a file": "def main(): open('/proc/self/mem', 'wb')",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_driver_needs_is_refused(box, what, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    outcome = run(box, f"SECRET = {str(secret)!r}\n{REFUSED[what]}")
    assert (outcome.status, outcome.reason.partition(":")[0]) == ("crashed", "PermissionError")


def test_a_new_process_is_refused_though_threads_are_not(box):
    outcome = run(box, "import os\ndef main(): os.fork()")
    assert (outcome.status, outcome.reason.partition(":")[0]) == ("over_limit", "tasks")
    with open_box(limits=replace(LIMITS, tasks=3)) as wider:
        source = """
import os, threading
def main():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(1))
    thread.start()
    thread.join()
    try:
        os.fork()
    except BlockingIOError:
        seen.append(2)
    return seen
"""
        assert value(wider, source) == [1, 2]


def test_threads_that_ran_before_the_candidate_are_held_too():
    """What a driver's threads are: started after the rules on files, before the filter of calls."""
    script = """
import os, socket, tempfile, threading
from sandbox.job import Limits
from sandbox.walls.device import Device

go, seen = threading.Event(), []

def try_all():
    go.wait()
    for attempt in (lambda: open("/etc/passwd"), socket.socket, os.fork):
        try:
            attempt()
            seen.append("done")
        except OSError as error:
            seen.append(error.errno)

wall, thread = Device(), threading.Thread(target=try_all)
wall.enclose_driver("cpu", tempfile.gettempdir(), Limits())
thread.start()
wall.enclose_candidate(Limits(), 0, 0.0)
go.set()
thread.join()
print(seen)
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert said.stdout.strip() == str([errno.EACCES, errno.EPERM, errno.EAGAIN]), said.stderr


def test_it_finds_nothing_of_whoever_started_it(box, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    with open_box() as fresh:
        look = """
import os, sys
def main():
    held = [os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in range(3, 64)
            if os.path.lexists(f'/proc/self/fd/{n}')]
    return [sorted(os.environ), 'sandbox' in os.listdir(sys.path[-1]), held]
"""
        names, ours, held = value(fresh, look)
    assert not [name for name in names if "KEY" in name or "PATH" in name]
    assert not ours
    assert held == ["pipe"]  # its report


def test_the_filter_is_wider_by_little():
    ordinary, driver = (rules(tasks=False, files=False, driver=each) for each in (False, True))
    wider = {name for name, rule in driver.items() if ordinary.get(name) != rule}
    assert wider == {"ioctl", "clone", "mlock", "munlock", "get_mempolicy"}
    assert ALLOWED not in (driver["ioctl"], driver["clone"])
    assert driver == rules(tasks=True, files=False, driver=True)  # never a process
    assert set(driver) <= set(NUMBERS)
    for machine in AUDIT_ARCH:
        assert seccomp.assemble(machine, tasks=False, files=False, driver=True).program(1)


# --- its life ---


def test_nothing_is_left_of_it(box):
    before = set(children(os.getpid()))
    source = """
import os, threading, time
def main():
    for _ in range(3): threading.Thread(target=time.sleep, args=(300,)).start()
"""
    run(box, source)
    warm = box._process.popen.pid
    assert children(warm) == []
    assert set(children(os.getpid())) == before
    assert not list(Path(box._scratch).iterdir())


def test_one_at_a_time_has_the_device():
    stay = "import time\ndef main():\n    begin = time.monotonic()\n    time.sleep(0.4)\n    return [begin, time.monotonic()]"
    stays = []

    def work():
        with open_box() as box:
            stays.extend(value(box, stay) for _ in range(2))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    stays.sort()
    assert len(stays) == 4
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(stays))


def test_waiting_for_a_turn_is_nobodys_time():
    with open_box(limits=replace(LIMITS, wall_s=0.5)) as box:
        holder = turns.Turns("cpu")
        released = threading.Event()

        def hold():
            with holder.take():
                holding.set()
                time.sleep(1.0)
                released.set()

        holding = threading.Event()
        thread = threading.Thread(target=hold)
        thread.start()
        holding.wait(PATIENCE_S)
        outcome = run(box, "def main(): return 1")
        assert released.is_set()  # it did wait
        assert (outcome.status, outcome.value) == ("ok", 1)
        thread.join()
        holder.close()


def test_a_turn_ends_with_its_holders():
    script = """
import sys, time
from sandbox import turns
with turns.Turns("cpu").take():
    print("held", flush=True)
    time.sleep(300)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    mine = turns.Turns("cpu")
    with mine.take():
        pass
    mine.close()
    mine.close()


def test_a_warm_process_keeps_the_turn_until_it_has_ended_its_candidate(box):
    """Whoever asked may be killed: the device is free only when nobody uses it."""
    value(box, "def main(): return 1")
    held = Path(f"/proc/{box._process.popen.pid}/fd").iterdir()
    assert any(str(fd.readlink()).endswith("sandbox-cpu.lock") for fd in held)


# --- how it is asked for ---


def test_it_must_be_asked_for_by_the_weakest_level():
    with pytest.raises(SandboxError, match=r"^min_level landlock: .* runs at level weak"):
        open_box(level="auto")
    with pytest.raises(SandboxError, match=r"^min_level strict: .* runs at level weak"):
        open_box(min_level="strict")
    for level in ("landlock", "strict", "container"):
        with pytest.raises(SandboxError, match="runs at level weak"):
            open_box(level=level, min_level="weak")
    with pytest.raises(SandboxError, match="'none' is unknown"):
        open_box(min_level="none")
    with open_box(level="auto", min_level="weak") as box:
        assert box.level == "weak"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "../cpu", "mps", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(SandboxError, match="write cuda, cuda:NUMBER or cpu"):
        open_box(device=name)


@pytest.mark.parametrize("share", [0, 1.5, -1])
def test_a_share_of_memory_is_a_share(share):
    with pytest.raises(SandboxError, match="give a share"):
        open_box(device_memory=share)


def test_cuda_is_started_by_torch():
    with pytest.raises(SandboxError, match="add torch to what is preloaded"):
        open_box(device="cuda")


def test_one_device_has_one_name(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert turns.normalised("cuda") == turns.normalised("cuda:0")
    assert turns.physical("cuda:1") == "cuda-1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-a/b")
    assert turns.physical("cuda:0") == "cuda-1"
    assert turns.physical("cuda:1") == "cuda-GPU-a_b"
    with pytest.raises(SandboxError, match="not among CUDA_VISIBLE_DEVICES"):
        turns.physical("cuda:2")


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_the_worlds_fault():
    """A driver that does not start is no verdict on a candidate, and says why."""
    if has_cuda():
        pytest.skip("CUDA works here")
    with (
        open_box(device="cuda", preload=("numpy", "torch")) as box,
        pytest.raises(SandboxError, match="broke before the candidate"),
    ):
        run(box, "def main(): return 1")


def test_an_ordinary_user_has_it_too(as_nobody):
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    script = """
from sandbox import Job, Limits, Sandbox
with Sandbox.open(level="weak", device="cpu", inputs={"none": {}}) as box:
    for source in ("def main(): return 1", "def main(): open('/etc/passwd')"):
        print(box.run(Job(source=source, entry="main", input="none")).status)
"""
    said = as_nobody([sys.executable, "-c", script], PATIENCE_S)
    assert said.stdout.split() == ["ok", "crashed"], said.stderr


# --- with a GPU ---


@pytest.mark.slow
@pytest.mark.skipif("not has_cuda()", reason="torch finds no CUDA device here")
def test_cuda_works_behind_the_wall():
    limits = replace(LIMITS, cpu_s=60, memory_mb=4096)
    with open_box(device="cuda", preload=("numpy", "torch"), limits=limits) as box:
        source = """
import torch
def main():
    weights = torch.ones(64, 64, device='cuda', requires_grad=True)
    torch.nn.functional.conv2d(weights[None, None], weights[None, None, :3, :3]).sum().backward()
    return torch.linalg.eigvalsh(torch.eye(8, device='cuda')).cpu().numpy()
"""
        np.testing.assert_allclose(value(box, source), np.ones(8), rtol=1e-6)
        greedy = "import torch\ndef main(): torch.ones(1 << 50, dtype=torch.uint8, device='cuda')"
        assert run(box, greedy).status == "over_limit"
        assert run(box, "import socket\ndef main(): socket.socket()").status == "crashed"


def children(pid):
    """Give the processes below one, but for those that are ours to reap."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == pid:
            found.append(int(place.parent.name))
    return found
