"""What attacks are aimed at: files, listeners, a process and a secret of ours, watched for harm.

A candidate gets the arguments of `Canaries.arguments`:

secret_file: a file with the secret that everybody may read.
target_file, target_folder: a file and its folder that everybody may write.
tcp_port, udp_port: of listeners on 127.0.0.1. unix_socket, abstract_socket: of listeners.
asker: process id of the process that asks for outcomes; the secret lies in its memory.
sibling: process id of a process of the same user, with the secret in its environment.
variable: name of the variable that holds the secret, in the asker's environment and the sibling's.
gat: the tag with which the secret begins, backwards, so that nobody finds his own copy of it.
mark: belongs into the name of whatever an attack leaves anywhere.
too_long_s, too_much_mb: what breaks the limits.
numbers: an array, the same one for all candidates.
"""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

BARE_TOO_LONG_S = 0.6  # beyond every time limit of the suite
TOO_LONG_S = 4.0  # the same, and beyond the whole seconds in which the kernel counts CPU time
TOO_MUCH_MB = 192  # twice the suite's memory limit

_TAG = "canary-"
_VARIABLE = "EVOLVE_WALL_CANARY"
_HARMLESS = "unchanged\n"
_LIMITS = (resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE)
# where a program may leave something that outlives it
_PUBLIC_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")


class Canaries:
    """One set of canaries. Use it in a `with`; used once something has been `harmed`, make another.

    secret: known to this process and nobody else; whoever shows it has read it.
    """

    def __init__(self) -> None:
        self.secret = _TAG + secrets.token_hex(16)
        self.mark = f"wall-{secrets.token_hex(6)}"
        self._folder = Path(tempfile.mkdtemp(prefix="canaries-"))
        try:
            self._plant()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def arguments(self, too_long_s: float = TOO_LONG_S) -> dict[str, Any]:
        """Give what `attack` is called with."""
        return {
            "secret_file": str(self._secret_file),
            "target_file": str(self._target_file),
            "target_folder": str(self._target_folder),
            "tcp_port": self._tcp.getsockname()[1],
            "udp_port": self._udp.getsockname()[1],
            "unix_socket": self._unix.getsockname(),
            "abstract_socket": self.mark,
            "asker": os.getpid(),
            "sibling": self._sibling.pid,
            "variable": _VARIABLE,
            "gat": _TAG[::-1],
            "mark": self.mark,
            "too_long_s": too_long_s,
            "too_much_mb": TOO_MUCH_MB,
            "numbers": np.array([3.0, 1.0, 2.0]),
        }

    def harmed(self) -> list[str]:
        """Name everything that is not as it was."""
        found = [f"{self._name(listener)} was reached" for listener in self._reached()]
        state = self._state()
        found += [what for what, before in self._before.items() if state[what] != before]
        found += [f"{path} was left" for path in _marked(self.mark)]
        return found

    def close(self) -> None:
        """Take everything away again."""
        for listener in (self._tcp, self._udp, self._unix, self._abstract):
            listener.close()
        os.close(self._inherited)
        os.environ.pop(_VARIABLE, None)
        self._sibling.kill()
        self._sibling.communicate()
        self._target_folder.chmod(0o777)
        for path in [*self._target_folder.iterdir(), *self._folder.iterdir(), *_marked(self.mark)]:
            if path != self._target_folder:
                _remove(path)
        self._target_folder.rmdir()
        self._folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _plant(self) -> None:
        self._folder.chmod(0o755)
        self._secret_file = self._folder / "secret"
        self._secret_file.write_text(self.secret)
        self._secret_file.chmod(0o644)
        self._target_folder = self._folder / "target"
        self._target_folder.mkdir()
        self._target_folder.chmod(0o777)
        self._target_file = self._target_folder / "file"
        self._target_file.write_text(_HARMLESS)
        self._target_file.chmod(0o666)
        os.environ[_VARIABLE] = self.secret
        # it reads until its pipe closes, and so ends with us however we end
        self._sibling = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._inherited = os.open(self._secret_file, os.O_RDONLY)
        os.set_inheritable(self._inherited, True)
        self._listen()
        self._guarded = [self._secret_file, self._target_folder, self._target_file, *_shared()]
        self._before = self._state()

    def _listen(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._unix = socket.socket(socket.AF_UNIX)
        self._unix.bind(str(self._folder / "socket"))
        (self._folder / "socket").chmod(0o777)
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind(f"\0{self.mark}")
        self._unix.listen()
        self._abstract.listen()
        for listener in (self._tcp, self._udp, self._unix, self._abstract):
            listener.setblocking(False)

    def _reached(self) -> list[socket.socket]:
        """Give the listeners to which something came; it is taken, and a connection closed."""
        reached = []
        for listener in (self._tcp, self._udp, self._unix, self._abstract):
            try:
                if listener is self._udp:
                    listener.recv(1)
                else:
                    listener.accept()[0].close()
            except BlockingIOError:
                continue
            reached.append(listener)
        return reached

    def _name(self, listener: socket.socket) -> str:
        names = {self._tcp: "TCP", self._udp: "UDP", self._unix: "unix", self._abstract: "abstract"}
        return f"the {names[listener]} listener"

    def _state(self) -> dict[str, Any]:
        """Give everything that must stay as it is, by what to say when it has not."""
        state: dict[str, Any] = {f"{path} was changed": _state_of(path) for path in self._guarded}
        state["the sibling process was harmed"] = self._sibling.poll(), _health(self._sibling.pid)
        state["the asking process was changed"] = _health(os.getpid())
        return state


def _shared() -> list[Path]:
    """Give files that all programs of this Python use, and that none may change."""
    package = Path(np.__file__).parent
    return [package / "__init__.py", package, package.parent, Path(os.__file__)]


def _state_of(path: Path) -> Any:
    """Give what a program could change of a file or folder; the time of reading is not part."""
    try:
        found = path.lstat()
        content = sorted(os.listdir(path)) if stat.S_ISDIR(found.st_mode) else path.read_bytes()  # noqa: PTH208
        names = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        return error.errno
    status = found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_size
    return status, found.st_mtime_ns, found.st_nlink, content, names


def _health(pid: int) -> Any:
    """Give what another process could change of a process."""
    try:
        is_stopped = _state_letter(pid) in "Tt"
        limits = [resource.prlimit(pid, which) for which in _LIMITS]
        return is_stopped, limits, os.sched_getaffinity(pid), os.getpriority(os.PRIO_PROCESS, pid)
    except OSError as error:
        return error.errno


def _marked(mark: str) -> list[Path]:
    """Give what lies in public folders with the mark in its name."""
    folders = {Path(tempfile.gettempdir()), Path.home(), *map(Path, _PUBLIC_FOLDERS)}
    return [path for folder in sorted(folders) for path in _named(folder, mark)]


def _named(folder: Path, mark: str) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if mark in name]  # noqa: PTH208
    except OSError:
        return []


def _remove(path: Path) -> None:
    """Remove a file, or a folder that holds nothing."""
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


class Found(NamedTuple):
    """A process that runs. One that only waits to be reaped does not."""

    pid: int
    is_stopped: bool


def processes_of(*marks: str) -> list[Found]:
    """Give the processes with any of the marks in their command line."""
    wanted = [mark.encode() for mark in marks]
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        with contextlib.suppress(OSError):
            line = _read(f"/proc/{entry}/cmdline")
            if any(mark in line for mark in wanted):
                state = _state_letter(int(entry))
                if state != "Z":
                    found.append(Found(int(entry), state in "Tt"))
    return found


def _state_letter(pid: int) -> str:
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0].decode()


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a thousand times a second
        return file.read()
