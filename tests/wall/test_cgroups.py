"""Control groups: where they may be made, what a folder of one warm process is, and what it adds.

A fake hierarchy is a folder of plain files, so that every machine tries all that is decided here;
what the kernel does is tried where its own hierarchy can be written.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sandbox import Job, Limits, Sandbox
from sandbox.job import MB
from sandbox.levels import available
from sandbox.linux import cgroups, process
from sandbox.linux.cgroups import Group, Leaf, Place
from sandbox.watch import Watch

OWN_MEMORY = 2**40  # more than any process that runs tests has
LIMITS = Limits(wall_s=60, cpu_s=0.3, memory_mb=64, tasks=9, file_mb=1, result_mb=1)
BOTH = ("memory", "pids")
NOBODY = 65534
PATIENCE_S = 600
HYBRID = """\
9:name=systemd:/
4:memory:/somewhere
0::/user.slice/run.scope
"""
HYBRID_MOUNTS = """\
32 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
"""
# Nobody waits for these children, one at a time, each shorter than a look of the watch.
UNSEEN = """
import os, signal
def main(x):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        end, own = os.pipe()
        if os.fork() == 0:
            for _ in range(30_000): pass
            os._exit(0)
        os.close(own)
        os.read(end, 1)
        os.close(end)
"""
FORKS_AND_STAYS = "import os, time\ndef main(x):\n    os.fork() or time.sleep(300)\n    return 1"
HONEST = "def main(x): return x + 1"

AS_NOBODY = f"""
import os, sys
from sandbox import Job, Limits, Sandbox
from sandbox.linux import cgroups
assert os.getuid() == {NOBODY}
place, reason = cgroups.find()
assert place is not None and str(place.folder) == sys.argv[1], (place, reason)
limits = Limits(wall_s=60, cpu_s=0.3, tasks=9)
for level in sys.argv[2:]:
    with Sandbox.open(level=level, inputs={{"a": {{"x": 1}}}}, limits=limits) as box:
        assert os.path.isdir(box._process.group)
        for source in {(UNSEEN, HONEST)!r}:
            outcome = box.run(Job(source, "main", "a"))
            print(level, outcome.status, outcome.reason.partition(":")[0])
    assert not [name for name in os.listdir(place.folder) if name.startswith("evolve-")]
"""


marks: set[Path] = set()  # folders that are delegated


def folder(path, *, own=False, controllers="", enabled="", marked=False):
    """Make a folder as the kernel does, as far as files go. own: whether a process sits in it."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.controllers").write_text(controllers)
    (path / "cgroup.subtree_control").write_text(enabled)
    (path / "cgroup.procs").write_text("42\n" if own else "")
    (path / "cgroup.type").write_text("domain\n")
    if marked:
        marks.add(path)
    return path


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Give a folder for a hierarchy; what is made in it has the files that the kernel makes."""

    def made(path, *arguments, **named):
        really_made(path, *arguments, **named)
        for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "cgroup.freeze"):
            (Path(path) / name).touch()
        for name in ("memory.max", "memory.oom.group", "memory.swap.max", "pids.max"):
            (Path(path) / name).touch()
        (Path(path) / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 0\n")
        (Path(path) / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 1\n")

    def removed(path, *arguments, **named):
        for file in Path(path).iterdir():
            if file.is_file():
                file.unlink()
        really_removed(path, *arguments, **named)

    def mark(path, name):
        if name != "user.delegate" or Path(path) not in marks:
            raise OSError
        return b"1"

    really_made, really_removed = os.mkdir, os.rmdir
    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(os, "rmdir", removed)
    monkeypatch.setattr(os, "getxattr", mark)
    marks.clear()
    return tmp_path / "tree"


def test_the_own_folder_is_found_on_every_kind_of_mount():
    find = cgroups.own_folder
    unified = Path("/sys/fs/cgroup/unified")
    assert find(HYBRID, HYBRID_MOUNTS) == (unified / "user.slice/run.scope", unified)
    assert find("0::/\n", HYBRID_MOUNTS) == (unified, unified)
    only_v1 = HYBRID_MOUNTS.splitlines(keepends=True)[0]
    assert find(HYBRID, only_v1) is None
    assert find("4:memory:/\n", HYBRID_MOUNTS) is None
    # a container that sees only its own part, without a namespace of its own
    part = "1 2 0:3 /docker/a /sys/fs/cgroup ro - cgroup2 cgroup rw"
    top = Path("/sys/fs/cgroup")
    assert find("0::/docker/a/main\n", part) == (top / "main", top)
    assert find("0::/docker/b\n", part) is None
    assert find("0::/../b\n", HYBRID_MOUNTS) is None


def test_a_session_that_nobody_delegated_is_left_alone(fake):
    top = folder(fake, controllers="memory pids", enabled="memory pids")
    (top / "cgroup.type").unlink()  # the machine's own root
    own = folder(top / "session.scope", own=True, controllers="memory pids")
    assert list(cgroups._places(own, top)) == []


def test_beside_us_in_a_delegated_folder_there_are_bounds(fake):
    service = folder(fake / "run.service", controllers="cpu memory pids", marked=True)
    own = folder(service / "main", own=True)
    assert list(cgroups._places(own, folder(fake))) == [Place(service, BOTH), Place(fake, ())]


def test_where_we_sit_there_can_be_no_bounds(fake):
    own = folder(fake / "run.scope", own=True, controllers="memory pids", marked=True)
    top = folder(fake, own=True)
    assert list(cgroups._places(own, top)) == [Place(own, ()), Place(top, ())]


def test_the_controllers_are_those_that_are_there(fake):
    own = folder(fake, controllers="hugetlb pids", enabled="")
    assert list(cgroups._places(own, own)) == [Place(own, ("pids",))]


def test_a_folder_that_cannot_be_written_is_no_place(fake, monkeypatch):
    own = folder(fake, controllers="memory pids")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert list(cgroups._places(own, own)) == []


def test_the_nearest_of_the_best_places_is_taken(fake, monkeypatch):
    near = folder(fake / "near", own=True, marked=True)
    folder(fake, controllers="memory pids")
    cgroups.find.cache_clear()
    monkeypatch.setattr(cgroups, "own_folder", lambda groups, mounts: (near, fake))
    try:
        assert cgroups.find() == (Place(fake, BOTH), "")
        monkeypatch.setattr(cgroups, "own_folder", lambda groups, mounts: None)
        cgroups.find.cache_clear()
        assert cgroups.find() == (None, "no hierarchy of version 2 is mounted here")
    finally:
        cgroups.find.cache_clear()


def test_bounds_are_those_of_the_limits(fake):
    place = Place(folder(fake, controllers="memory pids"), BOTH)
    group = Group(place, LIMITS)
    leaf = group.folder / "leaf"
    assert (fake / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (group.folder / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (leaf / "memory.max").read_text() == str((64 + 1 + 1 + 16) * MB)
    assert (leaf / "memory.swap.max").read_text() == "0"
    assert (leaf / "memory.oom.group").read_text() == "1"
    assert (leaf / "pids.max").read_text() == "9"
    assert (group.folder / "warm" / "memory.max").read_text() == ""
    group.remove()
    assert not group.folder.exists()


def test_a_group_that_cannot_be_made_leaves_nothing(fake, monkeypatch):
    place = Place(folder(fake), BOTH)
    monkeypatch.setattr(cgroups, "find", lambda: (place, ""))
    (fake / "cgroup.subtree_control").unlink()
    assert cgroups.make(LIMITS) is None
    assert list(fake.glob("evolve-*")) == []


def test_one_task_without_a_bound_on_memory_gains_nothing(fake, monkeypatch):
    place = Place(folder(fake), ("pids",))
    monkeypatch.setattr(cgroups, "find", lambda: (place, ""))
    assert cgroups.make(Limits(tasks=1)) is None
    group = cgroups.make(LIMITS)
    assert group.folder.is_dir()
    group.remove()


def test_what_a_dead_maker_left_is_removed_and_what_lives_is_not(fake):
    place = Place(folder(fake), ())
    living = Group(place, LIMITS)
    dead = Group(place, LIMITS)
    os.close(dead._lock)  # as the kernel does at its end
    unfinished = fake / "evolve-unfinished"
    unfinished.mkdir()
    foreign = fake / "other"
    foreign.mkdir()
    Group(place, LIMITS).remove()
    assert not dead.folder.exists()
    assert living.folder.exists()
    assert unfinished.exists()
    assert foreign.exists()
    living.remove()


def test_a_leaf_counts_from_where_it_began(fake):
    group = Group(Place(folder(fake), BOTH), LIMITS)
    leaf = Leaf(group.folder / "leaf")
    assert leaf.memory_bytes == 82 * MB
    assert (leaf.cpu_s(), leaf.ran_out()) == (0.0, False)
    (group.folder / "leaf" / "cpu.stat").write_text("usage_usec 1750000\n")
    assert leaf.cpu_s() == pytest.approx(0.25)
    events = group.folder / "leaf" / "memory.events"
    events.write_text("oom 1\noom_kill 2\n")  # the machine ran out, not this folder
    assert not leaf.ran_out()
    events.write_text("oom 2\noom_kill 2\n")
    assert leaf.ran_out()
    leaf.freeze()
    assert (group.folder / "leaf" / "cgroup.freeze").read_text() == "1"
    leaf.begin()
    assert (group.folder / "leaf" / "cgroup.freeze").read_text().endswith("0")
    assert (leaf.cpu_s(), leaf.ran_out()) == (0.0, False)
    group.remove()


class Exhausted(cgroups.Nowhere):
    """A leaf that says of every candidate that its memory ran out."""

    memory_bytes = 82 * MB

    def ran_out(self):
        return True


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [(Exhausted(), "memory_mb: 82 MB used, bound 64 MB"), (cgroups.Nowhere(), "killed by SIGKILL")],
)
def test_a_kill_for_want_of_memory_names_the_limit(monkeypatch, leaf, reason):
    monkeypatch.setattr("sandbox.watch._end_orphans", lambda leaf: 0)
    report, report_end = os.pipe()
    printed, printed_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        from sandbox.candidate import STARTED

        os.write(report_end, STARTED.pack(time.monotonic(), 0.0, 0, 0))
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(report_end)
    os.close(printed_end)
    asker = os.pidfd_open(os.getpid())  # never hangs up
    # The child is a copy of this process, as large as all tests before have made it.
    watch = Watch(pid, report, printed, asker, LIMITS, b"", OWN_MEMORY, leaf)
    status, told = watch.wait().verdict
    for end in (report, printed, asker):
        os.close(end)
    assert status == "over_limit"
    assert told.startswith(reason)


@pytest.fixture
def place():
    """Give the kernel's own hierarchy, where it can be written."""
    found, reason = cgroups.find()
    if found is None:
        pytest.skip(f"no control group: {reason}")
    return found


@pytest.fixture(params=["landlock", "strict"])
def grouped(request, place):
    """Give a box of which the candidates are in a control group."""
    if not available(request.param).available:
        pytest.skip(available(request.param).reason)
    with Sandbox.open(level=request.param, inputs={"a": {"x": 1}}, limits=LIMITS) as box:
        yield box
        group = Path(box._process.group)
        assert group.is_dir()
    assert not group.exists()


def test_children_that_nobody_sees_count_as_cpu_time(grouped):
    outcome = grouped.run(Job(UNSEEN, "main", "a"))
    assert outcome.status == "timeout"
    assert outcome.reason.startswith("cpu_s: ")
    assert outcome.cpu_s > LIMITS.cpu_s  # what was waited for is less


def test_after_an_end_the_next_candidate_is_born_alive(grouped):
    """Some kernels kill who is born into a folder that was killed once."""
    for source, status in ((UNSEEN, "timeout"), (FORKS_AND_STAYS, "ok"), (HONEST, "ok")):
        assert grouped.run(Job(source, "main", "a")).status == status
        procs = Path(grouped._process.group, "leaf", "cgroup.procs")
        assert procs.read_text() == ""


def test_a_child_is_born_into_the_folder_and_ends_with_the_group(place):
    group = Group(place, LIMITS)
    leaf = Leaf(group.folder / "leaf")
    pid = process.fork(0, leaf.folder)
    if pid == 0:
        time.sleep(PATIENCE_S)
        os._exit(0)
    assert (group.folder / "leaf" / "cgroup.procs").read_text().split() == [str(pid)]
    group.remove()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert not group.folder.exists()


def test_an_ordinary_user_with_a_delegated_folder(place, as_nobody):
    if os.getuid() != 0:
        pytest.skip("only root can delegate")
    about = [Path(f"/proc/self/{name}").read_text() for name in ("cgroup", "mountinfo")]
    own, _ = cgroups.own_folder(*about)
    given = place.folder / f"delegated-{os.getpid()}"
    main = given / "main"
    main.mkdir(parents=True)
    levels = [level for level in ("landlock", "strict") if available(level).available]
    try:
        os.setxattr(given, "user.delegate", b"1")
        for path in (given, main):
            for name in ("", "cgroup.procs", "cgroup.subtree_control"):
                os.chown(path / name, NOBODY, NOBODY)
        (main / "cgroup.procs").write_text("0")  # what this process starts is there too
        told = as_nobody([sys.executable, "-B", "-c", AS_NOBODY, str(given), *levels], PATIENCE_S)
    finally:
        (own / "cgroup.procs").write_text("0")
        cgroups._remove_leftovers(given)
        main.rmdir()
        given.rmdir()
    assert told.returncode == 0, told.stderr
    expected = [line for level in levels for line in (f"{level} timeout cpu_s", f"{level} ok")]
    assert [line.strip() for line in told.stdout.splitlines()] == expected
