"""The seccomp filter: its program means its rules, and holds and lets live in real processes."""

# ruff: noqa: PTH101, PTH102 - attempts are made in the words of the system

import ctypes
import errno
import fcntl
import functools
import importlib.util
import json
import mmap
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.linux import libc, seccomp
from sandbox.linux.rules import ALL_BITS, FIRST_UNKNOWN, OWN_PID, REFUSED, UNKNOWN, rules
from sandbox.linux.syscalls import AUDIT_ARCH, NUMBERS, machine

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
I386, ARM = 0x40000003, 0x40000028  # AUDIT_ARCH_I386, AUDIT_ARCH_ARM
X32_BIT = 0x40000000
PID = 4711
CALLS = Path(__file__).with_name("calls")
PATIENCE_S = 300

FORBIDDEN = """
    socket socketpair connect bind sendto sendmsg memfd_create shmget mq_open msgget semget
    io_uring_setup io_setup userfaultfd perf_event_open bpf ptrace process_vm_readv
    process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal keyctl add_key request_key unshare
    setns mount umount2 pivot_root chroot chmod fchmod fchmodat chown fchown lchown fchownat utime
    utimes utimensat futimesat setxattr lsetxattr fsetxattr removexattr mknod mknodat link linkat
    symlink symlinkat execve execveat personality setsid setpgid inotify_init1 fanotify_init
    quotactl name_to_handle_at open_by_handle_at kcmp swapon reboot init_module finit_module syslog
    set_mempolicy seccomp setuid setgid setresuid setgroups capset truncate creat
    sched_setaffinity sched_setscheduler setpriority ioprio_set acct settimeofday clock_settime
    vmsplice splice tee mlock mlockall flock sync syncfs
"""

kinds = st.tuples(st.sampled_from(list(AUDIT_ARCH)), st.booleans(), st.booleans())
numbers = st.one_of(st.integers(0, FIRST_UNKNOWN + 20), st.integers(0, 2**32 - 1))
words = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 40),
    st.just(PID),
    st.integers(0, 63).map((1).__lshift__),
)


@given(kinds, numbers, st.lists(words, min_size=6, max_size=6))
@example(("x86_64", True, False), NUMBERS["clone"]["x86_64"], [0x11 | 0x20000000] + [0] * 5)
@example(("x86_64", False, False), X32_BIT | 1, [0] * 6)
def test_the_program_means_its_rules(kind, number, arguments):
    arch = AUDIT_ARCH[kind[0]]
    assert verdict(program(*kind), number, arch, arguments) == meaning(*kind, number, arguments)


@pytest.mark.parametrize("kind", [(m, t, f) for m in AUDIT_ARCH for t in (0, 1) for f in (0, 1)])
def test_every_number_gets_its_answer_for_all_values_named_in_rules(kind):
    for rule in {REFUSED, *rules(tasks=kind[1], files=kind[2]).values()}:
        for value in (*rule.values, 0, 1, rule.mask, ALL_BITS):
            arguments = [0] * 6
            if rule.argument is not None:
                arguments[rule.argument] = PID if value == OWN_PID else value
            for number in range(FIRST_UNKNOWN + 2):
                found = verdict(program(*kind), number, AUDIT_ARCH[kind[0]], arguments)
                assert found == meaning(*kind, number, arguments)


@given(kinds, numbers, st.integers(0, 2**32 - 1))
@example(("x86_64", True, True), 1, I386)
@example(("aarch64", True, True), 1, ARM)
@example(("aarch64", True, True), 1, AUDIT_ARCH["x86_64"])
def test_calls_of_another_architecture_kill(kind, number, arch):
    if arch != AUDIT_ARCH[kind[0]]:
        assert verdict(program(*kind), number, arch, [0] * 6) == KILL


@pytest.mark.parametrize("name", AUDIT_ARCH)
def test_an_answer_is_found_in_few_steps(name):
    for number in range(FIRST_UNKNOWN):
        assert steps(program(name, True, True), number, AUDIT_ARCH[name], [0] * 6) <= 25


def test_what_must_be_refused_has_no_rule():
    assert not set(FORBIDDEN.split()) & set(rules(tasks=True, files=True))


def test_only_with_files_folders_may_be_changed():
    more = set(rules(tasks=False, files=True)) - set(rules(tasks=False, files=False))
    assert {"mkdir", "unlink", "rename", "ftruncate"} <= more


here = pytest.mark.skipif(
    platform.machine() not in AUDIT_ARCH or not sys.platform.startswith("linux"),
    reason="needs Linux on x86-64 or aarch64",
)


@here
@pytest.mark.slow
@pytest.mark.parametrize("group", [(), ("scipy",), ("torch",)])
def test_what_candidates_do_succeeds_under_the_filter(group):
    workloads = load_workloads()
    chosen = {
        name: each
        for name, each in workloads.WORKLOADS.items()
        if set(each.needs) & {"scipy", "torch"} == set(group)
    }
    if not chosen or not all(map(importlib.util.find_spec, group)):
        pytest.skip(f"{group[0]} is not installed")
    done = subprocess.run(
        [sys.executable, CALLS / "workloads.py", "--filter", *chosen],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    ends = {report["name"]: report["ends"] for report in reports}
    assert ends == {name: each.ends for name, each in chosen.items()}, done.stderr


@here
@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (lambda: socket.socket(), errno.EPERM),
        (lambda: socket.socketpair(), errno.EPERM),
        (lambda: os.memfd_create("x"), errno.EPERM),
        (lambda: os.execv("/bin/true", ["true"]), errno.EPERM),
        (lambda: os.chmod("/nowhere", 0), errno.EPERM),
        (lambda: os.utime("/nowhere"), errno.EPERM),
        (lambda: os.link("/nowhere", "/nowhere2"), errno.EPERM),
        (lambda: os.mkdir("/nowhere/x"), errno.EPERM),
        (lambda: os.truncate("/nowhere", 0), errno.EPERM),
        (lambda: os.open(os.devnull, os.O_RDONLY | os.O_TRUNC), errno.EACCES),
        (lambda: os.setsid(), errno.EPERM),
        (lambda: os.kill(os.getppid(), 0), errno.EPERM),
        (lambda: os.kill(0, 0), errno.EPERM),
        (lambda: os.kill(1, 0), errno.EPERM),
        (lambda: os.fork(), errno.EAGAIN),
        (lambda: os.sched_setaffinity(0, {0}), errno.EPERM),
        (lambda: libc.syscall(FIRST_UNKNOWN + 2, 0), errno.ENOSYS),
        (lambda: libc.syscall(NUMBERS["clone3"][machine()], 0, 0), errno.ENOSYS),
        (lambda: libc.prctl(libc.PR_SET_DUMPABLE, 1), errno.EPERM),
        (lambda: libc.prctl(libc.PR_SET_PDEATHSIG, 0), errno.EPERM),
        (lambda: fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 16), errno.EPERM),
        (lambda: fcntl.ioctl(0, 0x5412, b"x"), errno.ENOTTY),  # TIOCSTI, types for the user
        (lambda: mmap.mmap(-1, 1 << 21, mmap.MAP_SHARED | 0x40000), errno.ENOMEM),  # MAP_HUGETLB
        (lambda: seccomp.assemble(machine(), tasks=1, files=1).install(1), errno.EPERM),
    ],
)
def test_an_attempt_is_refused(attempt, expected):
    assert in_child(attempt) == expected


@here
def test_with_tasks_a_clone_may_not_make_namespaces_or_siblings():
    clone = NUMBERS["clone"][machine()]
    for flag in (0x20000, 0x10000000, 0x40000000, 0x8000, 0x800000):
        refused = functools.partial(libc.syscall, clone, flag | signal.SIGCHLD, 0, 0, 0, 0)
        assert in_child(refused, tasks=True) == errno.EPERM
    assert in_child(lambda: os.fork() or os._exit(0), tasks=True) == 0


@here
def test_an_x32_call_kills():
    if machine() != "x86_64":
        pytest.skip("x32 belongs to x86-64")
    assert in_child(lambda: libc.syscall(X32_BIT | 39)) == -signal.SIGSYS


@here
def test_a_32_bit_call_kills():
    if machine() != "x86_64":
        pytest.skip("int 0x80 belongs to x86-64")
    assert in_child(getpid_of_i386, filtered=False) in (0, -signal.SIGSEGV)
    assert in_child(getpid_of_i386) in (-signal.SIGSYS, -signal.SIGSEGV)  # or not in the kernel


@here
def test_the_kernel_tells_of_the_filter():
    def look():
        status = Path("/proc/self/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status

    assert in_child(look) == 0


def program(machine, tasks, files):
    return _program(machine, bool(tasks), bool(files))


@functools.cache
def _program(machine, tasks, files):
    code = seccomp.assemble(machine, tasks=tasks, files=files).program(PID)
    return list(struct.iter_unpack("=HBBI", code))


def meaning(machine, tasks, files, number, arguments):
    """Say what the rules say of a call."""
    if machine == "x86_64" and number >= X32_BIT:
        return KILL
    if number >= FIRST_UNKNOWN:
        rule = UNKNOWN
    else:
        name = names(machine).get(number)
        rule = rules(tasks=tasks, files=files).get(name, REFUSED)
    if rule.argument is None:
        return ERRNO | rule.refusal if rule.refusal else ALLOW
    values = [PID if value == OWN_PID else value for value in rule.values]
    among = (arguments[rule.argument] & rule.mask) in values
    return ALLOW if among != rule.unless else ERRNO | rule.refusal


@functools.cache
def names(machine):
    return {numbers[machine]: name for name, numbers in NUMBERS.items()}


def verdict(code, number, arch, arguments):
    return execute(code, number, arch, arguments)[0]


def steps(code, number, arch, arguments):
    return execute(code, number, arch, arguments)[1]


def execute(code, number, arch, arguments):
    """Do what the kernel does with a filter: give its answer and the number of steps."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments)
    register = at = 0
    for taken in range(1, len(code) + 1):
        operation, then, otherwise, k = code[at]
        at += 1
        if operation == 0x06:
            return k, taken
        if operation == 0x20:
            (register,) = struct.unpack_from("=I", data, k)
        elif operation == 0x54:
            register &= k
        elif operation == 0x05:
            at += k
        elif operation == 0x15:
            at += then if register == k else otherwise
        elif operation == 0x35:
            at += then if register >= k else otherwise
        else:
            raise AssertionError(f"operation {operation:#x}")
    raise AssertionError("it never returned")


def in_child(act, *, tasks=False, filtered=True):
    """Give the error number that an act meets in a child, 0 for none, or minus its signal."""
    made = seccomp.assemble(machine(), tasks=tasks, files=False)
    pid = os.fork()
    if pid == 0:
        end = 255
        try:
            if filtered:
                made.install(os.getpid())
            act()
            end = 0
        except OSError as error:
            end = error.errno
        finally:
            os._exit(end)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def getpid_of_i386():
    """Make the call of that name as a 32-bit program does."""
    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20; int 0x80; ret
    memory = mmap.mmap(
        -1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7
    )  # read, write, run
    memory.write(code)
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()


def load_workloads():
    spec = importlib.util.spec_from_file_location("workloads", CALLS / "workloads.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["workloads"] = module
    spec.loader.exec_module(module)
    return module
