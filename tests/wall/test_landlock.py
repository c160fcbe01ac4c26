"""Landlock: what is named can be opened, everything else is refused, for good."""

# ruff: noqa: E731, PTH101, PTH208 - acts are small functions, in the words of the system

import contextlib
import errno
import fcntl
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from sandbox.linux import landlock
from sandbox.linux.landlock import Ruleset

pytestmark = pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")

TRUNCATION, NETWORK, DEVICE_CONTROL, SCOPES = 3, 4, 5, 6  # ABI from which on each is handled
TIOCGPTN = 0x80045430  # some control of a device that Landlock does not exempt


def since(version):
    return pytest.mark.skipif(landlock.abi() < version, reason=f"needs Landlock ABI {version}")


@pytest.fixture
def places(tmp_path):
    """Give folders named by what is allowed in them, each with a file `a` and a folder `inner`."""
    for name in ("readable", "listable", "writable", "nothing"):
        folder = tmp_path / name
        (folder / "inner").mkdir(parents=True)
        (folder / "a").write_text("x")
        (folder / "inner" / "b").write_text("x")
    return tmp_path


@pytest.fixture
def rules(places):
    with contextlib.closing(
        Ruleset(
            readable=[places / "readable", places / "missing", places / "readable/a/missing"],
            listable=[places / "listable"],
            writable=[places / "writable"],
            devices=[os.devnull],
        )
    ) as made:
        yield made


@pytest.mark.parametrize(
    "act",
    [
        lambda at: (at / "readable/a").read_text(),
        lambda at: (at / "readable/inner/b").read_text(),
        lambda at: os.listdir(at / "readable/inner"),
        lambda at: os.listdir(at / "listable"),
        lambda at: (at / "writable/a").write_text("y"),
        lambda at: (at / "writable/new").write_text("y"),
        lambda at: os.truncate(at / "writable/a", 0),
        lambda at: (at / "writable/made").mkdir(),
        lambda at: (at / "writable/a").unlink(),
        lambda at: (at / "writable/inner/b").rename(at / "writable/inner/c"),
        lambda at: Path(os.devnull).write_text("y"),
        lambda at: Path(os.devnull).read_text(),
    ],
)
def test_what_is_named_can_be_done(rules, places, act):
    assert under(rules, lambda: act(places)) == 0


@since(2)
def test_a_file_can_be_moved_between_writable_folders(rules, places):
    assert under(rules, lambda: (places / "writable/a").rename(places / "writable/inner/a")) == 0


@pytest.mark.parametrize(
    "act",
    [
        lambda at: (at / "nothing/a").read_text(),
        lambda at: os.listdir(at / "nothing"),
        lambda at: os.listdir(at),
        lambda at: Path("/etc/passwd").read_text(),
        lambda at: Path("/proc/self/environ").read_text(),
        lambda at: (at / "listable/a").read_text(),
        lambda at: (at / "readable/a").write_text("y"),
        lambda at: (at / "readable/a").open("a"),
        lambda at: (at / "readable/new").write_text("y"),
        lambda at: (at / "readable/a").unlink(),
        lambda at: (at / "listable/made").mkdir(),
        lambda at: (at / "writable/link").symlink_to("/etc"),
        lambda at: os.mkfifo(at / "writable/pipe"),
        lambda at: socket.socket(socket.AF_UNIX).bind(os.fspath(at / "writable/socket")),
        lambda at: Path("/dev/zero").read_bytes(),
        lambda at: os.execv("/bin/true", ["true"]),
        lambda at: os.chmod(at / "nothing", 0o700) or os.listdir(at / "nothing"),
    ],
)
def test_everything_else_is_refused(rules, places, act):
    assert under(rules, lambda: act(places)) == errno.EACCES


def test_a_link_leads_nowhere_else(rules, places):
    (places / "readable/way-out").symlink_to(places / "nothing/a")
    assert under(rules, lambda: (places / "readable/way-out").read_text()) == errno.EACCES
    outside = lambda: (places / "writable/a").rename(places / "readable/a")
    assert under(rules, outside) in (errno.EACCES, errno.EXDEV)


@since(TRUNCATION)
def test_truncation_is_refused(rules, places):
    assert under(rules, lambda: os.truncate(places / "readable/a", 0)) == errno.EACCES
    cut = lambda: os.open(places / "readable/a", os.O_RDONLY | os.O_TRUNC)
    assert under(rules, cut) == errno.EACCES
    assert (places / "readable/a").read_text() == "x"


@since(NETWORK)
def test_tcp_is_refused(rules):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        connect = lambda: socket.socket().connect(address)  # looks nothing up, loads no codec
        assert under(rules, connect) == errno.EACCES
        assert in_child(connect) == 0
    assert under(rules, lambda: socket.socket().bind(("127.0.0.1", 0))) == errno.EACCES


@since(DEVICE_CONTROL)
def test_a_device_cannot_be_controlled(rules):
    control = lambda: fcntl.ioctl(os.open(os.devnull, os.O_RDWR), TIOCGPTN)
    assert under(rules, control) == errno.EACCES
    assert in_child(control) == errno.ENOTTY


@since(SCOPES)
def test_other_processes_and_abstract_sockets_are_out_of_reach(rules):
    parent = os.getpid()
    assert under(rules, lambda: os.kill(parent, 0)) == errno.EPERM
    assert under(rules, lambda: os.kill(os.getpid(), 0)) == 0
    name = f"\0landlock-{parent}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        connect = lambda: socket.socket(socket.AF_UNIX).connect(name)
        assert under(rules, connect) == errno.EPERM
        assert in_child(connect) == 0


def test_rules_serve_many_forks_and_bind_only_those(rules, places):
    for _ in range(3):
        assert under(rules, lambda: (places / "nothing/a").read_text()) == errno.EACCES
    assert (places / "nothing/a").read_text() == "x"


def test_rules_hold_in_children_and_new_threads(rules, places):
    def in_thread():
        found = []
        read = lambda: found.append(error_of((places / "nothing/a").read_text))
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        assert found == [errno.EACCES]

    assert under(rules, in_thread) == 0
    assert under(rules, lambda: os._exit(in_child((places / "nothing/a").read_text))) == (
        errno.EACCES
    )


def test_rules_cannot_be_widened(rules, places):
    def widen():
        with contextlib.closing(Ruleset(readable=["/"])) as more:
            more.restrict()
        (places / "nothing/a").read_text()

    assert under(rules, widen) != 0


def test_restrict_closes_the_descriptor_in_the_child_only(rules):
    fd = rules.fd
    assert under(rules, lambda: os.fstat(fd)) == errno.EBADF
    os.fstat(fd)


def test_a_single_file_and_an_open_path_can_be_named(places):
    fd = os.open(places / "nothing", os.O_PATH)
    with contextlib.closing(Ruleset(readable=[places / "readable/a", fd])) as rules:
        os.close(fd)
        assert under(rules, lambda: (places / "readable/a").read_text()) == 0
        assert under(rules, lambda: (places / "nothing/inner/b").read_text()) == 0
        assert under(rules, lambda: (places / "readable/inner/b").read_text()) == errno.EACCES
        assert under(rules, lambda: os.listdir(places / "readable")) == errno.EACCES


@pytest.mark.parametrize("version", range(1, landlock.abi() + 1))
def test_every_older_version_refuses_what_it_can(places, version):
    with contextlib.closing(
        Ruleset(readable=[places / "readable"], writable=[places / "writable"], version=version)
    ) as rules:
        assert under(rules, lambda: (places / "readable/a").read_text()) == 0
        assert under(rules, lambda: (places / "writable/new").write_text("y")) == 0
        assert under(rules, lambda: (places / "nothing/a").read_text()) == errno.EACCES
        assert under(rules, lambda: (places / "readable/a").write_text("y")) == errno.EACCES


def test_no_descriptor_is_left_over(places):
    before = len(os.listdir("/proc/self/fd"))
    rules = Ruleset(readable=[places / "readable", places / "missing"], devices=[os.devnull])
    rules.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        Ruleset(readable=[1 << 20])
    assert len(os.listdir("/proc/self/fd")) == before


def under(rules, act):
    """Do as `in_child`, under rules."""
    return in_child(act, rules)


def in_child(act, rules=None):
    """Give the error number that an act meets in a child, 0 for none, or minus its signal."""
    pid = os.fork()
    if pid == 0:
        end = 255
        try:
            signal.alarm(30)
            if rules is not None:
                rules.restrict()
            end = error_of(act)
        finally:
            os._exit(end)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def error_of(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return 0
