"""The system calls that we name, with their numbers on both architectures that we know.

One table serves both; a test compares it with the system's headers.
"""

from __future__ import annotations

import errno
import functools
import os
import sys

# Of each machine as `uname` names it, what the kernel calls it in a filter (linux/audit.h).
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def number(name: str) -> int:
    """Give the number of a call here. Raises: KeyError, not in the table; OSError (ENOSYS)."""
    known = NUMBERS[name][machine()]
    if known is None:
        raise OSError(errno.ENOSYS, f"{machine()} has no system call {name}")
    return known


@functools.cache
def machine() -> str:
    """Give the machine whose numbers this process uses: a key of AUDIT_ARCH.

    Raises: OSError (ENOSYS) on one for which there is no table.
    """
    name = os.uname().machine
    if name not in AUDIT_ARCH or sys.maxsize < 1 << 32:
        raise OSError(
            errno.ENOSYS,
            f"no numbers of system calls for Python with {sys.maxsize.bit_length() + 1} bits on "
            f"{name}: only 64 bits on {' and '.join(AUDIT_ARCH)} are known",
        )
    return name


def _parse(table: str) -> dict[str, dict[str, int | None]]:
    """Read `name=x86_64,aarch64` entries, where - stands for a call that a machine lacks."""
    numbers = {}
    for entry in table.split():
        name, _, values = entry.partition("=")
        columns = zip(AUDIT_ARCH, values.split(","), strict=True)
        numbers[name] = {
            machine: None if value == "-" else int(value) for machine, value in columns
        }
    return numbers


NUMBERS = _parse(
    """
    read=0,63 write=1,64 readv=19,65 writev=20,66 pread64=17,67 pwrite64=18,68 preadv=295,69
    pwritev=296,70 lseek=8,62 close=3,57 close_range=436,436 dup=32,23 dup2=33,- dup3=292,24
    pipe=22,- pipe2=293,59 sendfile=40,71 copy_file_range=326,285 fcntl=72,25 ioctl=16,29
    fadvise64=221,223 poll=7,- ppoll=271,73 select=23,- pselect6=270,72 epoll_create=213,-
    epoll_create1=291,20 epoll_ctl=233,21 epoll_wait=232,- epoll_pwait=281,22 eventfd=284,-
    eventfd2=290,19

    open=2,- openat=257,56 stat=4,- lstat=6,- fstat=5,80 newfstatat=262,79 statx=332,291
    statfs=137,43 fstatfs=138,44 access=21,- faccessat=269,48 faccessat2=439,439 readlink=89,-
    readlinkat=267,78 getdents=78,- getdents64=217,61 getcwd=79,17 chdir=80,49 fchdir=81,50
    umask=95,166

    mkdir=83,- mkdirat=258,34 rmdir=84,- unlink=87,- unlinkat=263,35 rename=82,- renameat=264,38
    renameat2=316,276 ftruncate=77,46 fallocate=285,47 fsync=74,82 fdatasync=75,83

    brk=12,214 mmap=9,222 munmap=11,215 mprotect=10,226 mremap=25,216 madvise=28,233 msync=26,227
    mlock=149,228 munlock=150,229 get_mempolicy=239,236

    time=201,- gettimeofday=96,169 clock_gettime=228,113 clock_getres=229,114 nanosleep=35,101
    clock_nanosleep=230,115 times=100,153 alarm=37,- getitimer=36,102 setitimer=38,103

    rt_sigaction=13,134 rt_sigprocmask=14,135 rt_sigreturn=15,139 rt_sigpending=127,136
    rt_sigtimedwait=128,137 rt_sigsuspend=130,133 rt_sigqueueinfo=129,138
    rt_tgsigqueueinfo=297,240 sigaltstack=131,132 restart_syscall=219,128 pause=34,-
    kill=62,129 tkill=200,130 tgkill=234,131

    getpid=39,172 gettid=186,178 getppid=110,173 getpgid=121,155 getpgrp=111,- getsid=124,156
    getuid=102,174 geteuid=107,175 getgid=104,176 getegid=108,177 getresuid=118,148
    getresgid=120,150 getgroups=115,158 capget=125,90 getpriority=140,141 getrlimit=97,163
    prlimit64=302,261 getrusage=98,165 prctl=157,167 arch_prctl=158,- uname=63,160 sysinfo=99,179
    getrandom=318,278 getcpu=309,168

    clone=56,220 fork=57,- vfork=58,- wait4=61,260 waitid=247,95 exit=60,93 exit_group=231,94
    futex=202,98 set_robust_list=273,99 set_tid_address=218,96 rseq=334,293 sched_yield=24,124
    sched_getaffinity=204,123 sched_getparam=143,121 sched_getscheduler=145,120
    sched_get_priority_max=146,125 sched_get_priority_min=147,126

    clone3=435,435 openat2=437,437

    seccomp=317,277 landlock_create_ruleset=444,444 landlock_add_rule=445,445
    landlock_restrict_self=446,446 capset=126,91 mount_setattr=442,442
    """
)
