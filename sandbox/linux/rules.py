"""Which system calls a candidate may make: few enough to be read, enough for numpy and torch.

The list was derived from what numpy, scipy and torch on the CPU really call
(`tests/wall/calls/trace_calls.py`). Everything that is not here is refused, so a forbidden call
is named only where it takes another error number than EPERM to be survived by libc.

Only the low 32 bits of one argument are ever looked at. That is all the kernel reads of those
that we name (int, unsigned int, pid_t and clone's flags), but for mmap's flags, where we ask for
low bits.
"""

from __future__ import annotations

import errno
import mmap
import os
from typing import NamedTuple

ALL_BITS = 0xFFFFFFFF
OWN_PID = -1  # stands for the process that the filter is installed in

# From this number on, the same on every architecture, a call does not exist (ENOSYS): as on Linux
# 5.8, so that libc falls back from all that came later to what we judge by its arguments.
FIRST_UNKNOWN = 440


class Rule(NamedTuple):
    """How one call is answered: allowed, refused, or allowed by one argument.

    refusal: error number of a refused call; 0 for one that is always allowed.
    argument: index of the one that decides: allowed when `argument & mask` is one of `values`,
        or none of them where `unless` holds; None when no argument matters.
    """

    refusal: int
    argument: int | None = None
    values: tuple[int, ...] = ()
    mask: int = ALL_BITS
    unless: bool = False


ALLOWED = Rule(0)
REFUSED = Rule(errno.EPERM)
UNKNOWN = Rule(errno.ENOSYS)
NO_TASK = Rule(errno.EAGAIN)  # as at RLIMIT_NPROC: Python says "can't start new thread"

_O_ACCESS_OR_TRUNCATE = os.O_ACCMODE | os.O_TRUNC
_MAP_HUGETLB = 0x40000
_MADV_HWPOISON, _MADV_SOFT_OFFLINE = 100, 101

_F_SETFL = 4  # the last of what is ordinary: duplicates and flags. Locks could be seen by others
_F_DUPFD_CLOEXEC, _F_GETPIPE_SZ, _F_GET_SEALS = 1030, 1032, 1034
_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX = (
    0x5400 + low for low in (0x01, 0x13, 0x1B, 0x21, 0x50, 0x51)
)
_PR_GET_DUMPABLE, _PR_SET_NAME, _PR_GET_NAME, _PR_GET_NO_NEW_PRIVS = 3, 15, 16, 39
_PR_SET_VMA = 0x53564D41

_CLONE_NEW = 0x7E020000  # cgroup, ipc, mount, net, pid, user and uts namespaces
_CLONE_PARENT, _CLONE_THREAD, _CLONE_UNTRACED = 0x8000, 0x10000, 0x800000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # what types into a terminal

_ALWAYS = """
    read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup2 dup3
    pipe pipe2 sendfile fadvise64 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl
    epoll_wait epoll_pwait eventfd eventfd2

    stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink
    readlinkat getdents getdents64 getcwd chdir fchdir umask

    brk munmap mprotect mremap msync

    time gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep times
    alarm getitimer setitimer

    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
    sigaltstack restart_syscall pause

    getpid gettid getppid getpgid getpgrp getsid getuid geteuid getgid getegid getresuid getresgid
    getgroups capget getpriority getrlimit getrusage arch_prctl uname sysinfo getrandom getcpu

    wait4 waitid exit exit_group futex set_robust_list set_tid_address rseq sched_yield
    sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
    sched_get_priority_min
"""

# Landlock says where. Not `truncate`, which it does not see before ABI 3: `ftruncate` needs a
# file that could be opened for writing.
_FOR_FILES = """
    mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 ftruncate fallocate fsync
    fdatasync copy_file_range
"""

_BY_ARGUMENT = {
    # O_RDONLY | O_TRUNC empties a file that Landlock before ABI 3 takes to be only read.
    "open": Rule(errno.EACCES, 1, (os.O_TRUNC,), _O_ACCESS_OR_TRUNCATE, unless=True),
    "openat": Rule(errno.EACCES, 2, (os.O_TRUNC,), _O_ACCESS_OR_TRUNCATE, unless=True),
    # Huge pages are in none of the figures by which memory is watched, nor is shared memory that
    # has no file and is not mapped any more.
    "mmap": Rule(
        errno.ENOMEM,
        3,
        (0, mmap.MAP_SHARED, mmap.MAP_ANONYMOUS),
        _MAP_HUGETLB | mmap.MAP_SHARED | mmap.MAP_ANONYMOUS,
    ),
    "madvise": Rule(errno.EPERM, 2, (_MADV_HWPOISON, _MADV_SOFT_OFFLINE), unless=True),
    # Not F_SETPIPE_SZ, which would change the report's pipe, nor what sends signals to others.
    "fcntl": Rule(
        errno.EPERM,
        1,
        (*range(_F_SETFL + 1), _F_DUPFD_CLOEXEC, _F_GETPIPE_SZ, _F_GET_SEALS),
    ),
    "ioctl": Rule(
        errno.ENOTTY, 1, (_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX)
    ),
    "prctl": Rule(
        errno.EPERM,
        0,
        (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA, _PR_GET_DUMPABLE, _PR_GET_NO_NEW_PRIVS),
    ),
    "prlimit64": Rule(errno.EPERM, 0, (0,)),  # of itself
    **dict.fromkeys(
        ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
        Rule(errno.EPERM, 0, (OWN_PID,)),  # not 0 or below, which are groups; nor its own children
    ),
}

# What a driver calls for good after it was started: its ioctls have any number, and it waits in
# threads of its own. Its sockets were made before, and nobody can be accepted on them.
_DRIVER = {
    "ioctl": Rule(errno.ENOTTY, 1, (_TIOCSTI, _TIOCLINUX), unless=True),
    "clone": Rule(errno.EAGAIN, 0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_NEW),
    "mlock": ALLOWED,  # within RLIMIT_MEMLOCK
    "munlock": ALLOWED,
    "get_mempolicy": ALLOWED,
}

_TASKS = {
    "clone": Rule(errno.EPERM, 0, (0,), _CLONE_NEW | _CLONE_PARENT | _CLONE_UNTRACED),
    "fork": ALLOWED,
    "vfork": ALLOWED,
}


def rules(*, tasks: bool, files: bool, driver: bool = False) -> dict[str, Rule]:
    """Give the rule of every call that is not simply REFUSED, by its name.

    tasks: whether it may start threads and processes. files: whether it may write any.
    driver: whether a device's driver works in the process; it may start threads then, and no
        process whatever `tasks` says.
    """
    return {
        **dict.fromkeys(_ALWAYS.split(), ALLOWED),
        **(dict.fromkeys(_FOR_FILES.split(), ALLOWED) if files else {}),
        **_BY_ARGUMENT,
        **(_TASKS if tasks and not driver else dict.fromkeys(_TASKS, NO_TASK)),
        **(_DRIVER if driver else {}),
        **dict.fromkeys(("clone3", "openat2"), UNKNOWN),  # arguments in memory: not to be judged
    }
