"""Namespaces and mounts: a view of the machine that holds only what was put into it.

Needs no privilege where the system lets users have namespaces (user_namespaces(7)). The process
that enters has all capabilities inside and none outside.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

from sandbox.linux import libc, process
from sandbox.linux.syscalls import number

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_OWN_VIEW = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID = 1, 2

_HOSTNAME = b"sandbox"
_INSIDE_ID = 1000  # who a process is inside: an ordinary user
# Root becomes one of these: systemd leaves them to nobody, and no user of ours is among them.
_FIRST_SPARE_ID, _SPARE_IDS = 1_900_000_000, 90_000_000
_HIGHEST_SMALL_ID = 65_533  # where a container maps few ids: next to nobody's
_MOUNT_POINTS = ("/tmp", "/run", "/var", "/usr")
_ROOT_OPTIONS = "mode=755,size=1m,nr_inodes=16384"  # empty files and folders to bind upon
_SCRATCH_INODES = 1024
_CAPABILITIES = struct.pack("=Ii", 0x20080522, 0)  # version of the call, and whose: one's own
_NONE = bytes(24)  # effective, permitted and inheritable, twice 32 of each

# Below /proc/sys: what forbids namespaces, the value by which it does, and what a person can do.
_SWITCHES = (
    ("user/max_user_namespaces", "0", "`sysctl user.max_user_namespaces=10000` allows them"),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "`sysctl kernel.unprivileged_userns_clone=1` lets users have namespaces",
    ),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile of this "
        "Python with the rule `userns,`, lets it have namespaces",
    ),
)


def enter(paths: Sequence[str], scratch: str) -> None:
    """Enter user, mount, network, ipc and uts namespaces, as an ordinary user who owns nothing.

    paths: files and folders that are seen inside, read-only, each under its own name.
    scratch: a folder to work in; nothing can be written into it, but into what `cover` lays there.
    Open descriptors stay usable. Raises: OSError.
    """
    process.keep_proc()
    spare = _spare_id()
    if os.geteuid() == 0 and spare is not None:
        # Root itself leaves, since some limits do not bind it.
        libc.call("unshare", _OWN_VIEW)
        _hide_names()
        _swap_root(paths, scratch)
        _become(spare)
        _own_users(_CLONE_NEWNS)  # a view of its own, in which it may mount
    else:
        _own_users(_OWN_VIEW)
        _hide_names()
        _swap_root(paths, scratch)


def cover(scratch: str, scratch_bytes: int) -> None:
    """Lay a new folder in memory over the one to work in, for a process that has entered.

    Landlock holds there what it allows below the folder above. Raises: OSError.
    """
    user, group = os.geteuid(), os.getegid()
    size = f"size={scratch_bytes},nr_inodes={_SCRATCH_INODES}"
    options = f"mode=700,uid={user},gid={group},{size}"
    _mount("tmpfs", scratch, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)


def uncover(scratch: str) -> None:
    """Take away what `cover` has laid there, with all that is in it. Raises: OSError."""
    libc.call("umount2", scratch.encode(), _MNT_DETACH)


def obstacle(error: OSError) -> str:
    """Say what most likely kept this process from entering, and what to change."""
    if error.errno == errno.ENOSYS:
        return "it needs Linux 5.12 or later"
    for name, refusing, remedy in _SWITCHES:
        if process.setting(name) == refusing:
            return f"{name.replace('/', '.')} is {refusing}: {remedy}"
    return (
        "in a container, its profile most likely forbids namespaces: start it with "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN`"
        ", or use level landlock"
    )


def fork(group: int | None = None) -> int:
    """Fork a child that is process 1 of a pid namespace of its own; its end ends all below it.

    group: as in `process.fork`. Raises: OSError.
    """
    return process.fork(_CLONE_NEWPID, group)


def drop_capabilities() -> None:
    """Give up every capability, inside and outside. Raises: OSError."""
    libc.syscall(number("capset"), _CAPABILITIES, _NONE)


def _own_users(also: int) -> None:
    """Enter a user namespace, and at once those of `also`, which then belong to it."""
    user, group = os.geteuid(), os.getegid()
    process.let_read(True)  # else the maps belong to root (after a change of user)
    libc.call("unshare", _CLONE_NEWUSER | also)
    process.write_own("setgroups", "deny")
    process.write_own("uid_map", f"{_INSIDE_ID} {user} 1")
    process.write_own("gid_map", f"{_INSIDE_ID} {group} 1")


def _hide_names() -> None:
    """Take the machine's names from this uts namespace, which began as a copy."""
    for name in ("sethostname", "setdomainname"):
        libc.call(name, _HOSTNAME, len(_HOSTNAME))


def _spare_id() -> int | None:
    """Find a user that owns nothing; None in a user namespace that has not so many."""
    candidates = (_FIRST_SPARE_ID + os.getpid() % _SPARE_IDS, _HIGHEST_SMALL_ID)
    return next(filter(process.is_user, candidates), None)


def _become(user: int) -> None:
    """Become another user, and the group of the same number, for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _swap_root(paths: Sequence[str], scratch: str) -> None:
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    # opened now: what lies below the mount point is hidden soon
    sources = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in paths]
    top = next(place for place in _MOUNT_POINTS if Path(place).is_dir())
    _mount("tmpfs", top, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, _ROOT_OPTIONS)
    os.chdir(top)
    for path, fd in sources:
        _bind(path, fd)
    Path(f".{scratch}").mkdir(parents=True, exist_ok=True)
    _make_read_only()
    libc.call("pivot_root", b".", b".")  # the old root lies over the new one for a moment
    libc.call("umount2", b".", _MNT_DETACH)
    os.chdir(scratch)


def _bind(path: str, fd: int) -> None:
    """Show a file or folder under its own name below the working folder."""
    target = Path(f".{path}")
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    # recursive: a folder with mounts below it, which are locked to us, can only come with them
    _mount(f"/proc/self/fd/{fd}", str(target), "", _MS_BIND | _MS_REC)
    os.close(fd)


def _make_read_only() -> None:
    """Let nothing below the working folder be written, or gain a user by being run."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    libc.syscall(number("mount_setattr"), _AT_FDCWD, b".", _AT_RECURSIVE, attributes, size)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    texts = (source.encode(), target.encode(), kind.encode())
    try:
        libc.call("mount", *texts, flags, options.encode())
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} (on {target})") from error
