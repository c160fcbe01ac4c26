"""A Ray cluster: one of our own on this machine, or one that runs already."""

from __future__ import annotations

import logging
import math
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services, state, utils
from ray._private.authentication import authentication_token_setup

from evolve.config import RaySettings
from evolve.errors import UsageError, WorldError

LOCAL, AUTO = "local", "auto"
LOOPBACK = "127.0.0.1"
MB = 2**20
AUTH_MODE, TOKEN_PATH, TOKEN_BYTES = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", 32
TOKEN_VARIABLES = {AUTH_MODE, TOKEN_PATH, "RAY_AUTH_TOKEN"}
# The head of a cluster answers at once, or is not there.
REACH_S = 10.0
# Of an own cluster: shared memory for tasks and artefacts; both are small, and copied once.
OBJECT_STORE_BYTES = 512 * MB
# What an own cluster inherits from us: where programs, caches and devices are; nothing that could be
# a key. Its workers inherit it in turn.
INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
)
INHERITED_PREFIXES = ("RAY_", "XDG_", "CUDA_", "NVIDIA_", "LC_")


class Cluster:
    """Where Ray finds places. on_gpu: each needs a part of a GPU, all of one unless told."""

    def __init__(self, settings: RaySettings, *, on_gpu: bool) -> None:
        self._settings = settings
        self._gpus = settings.gpus if settings.gpus is not None else float(on_gpu)
        self._folder: str | None = None
        self._is_connected = False
        # HOST:PORT of the one that was joined, which `auto` finds by itself; "" for an own one.
        self.address = ""
        # Variables of our own by which Ray knows that it shows a token, and which.
        self._told_ray: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        return self._settings.address == LOCAL

    @property
    def needs(self) -> str:
        """What one place needs, in words."""
        parts = [f"{self._settings.cpus:g} CPU"]
        parts += [f"{self._gpus:g} GPU"] if self._gpus else []
        parts += [f"{self._settings.memory_mb} MB"] if self._settings.memory_mb else []
        return ", ".join(parts)

    @property
    def has(self) -> str:
        """What all nodes have together, in words."""
        return ", ".join(f"{number:g} {what}" for what, number in sorted(_resources().items()))

    def connect(self, num_slots: int) -> None:
        """Connect to the cluster, or start an own one with room for so many slots.

        Raises: WorldError if there is none at the address; UsageError if an own one has no room.
        """
        if ray.is_initialized():
            return  # by who started this process, and who ends it
        self._is_connected = True
        with _quiet(), _handlers_kept():
            if self.is_own:
                self._start(num_slots)
            else:
                self._join()
        if self.is_own and self.room() == 0:
            has = self.has
            self.disconnect()
            raise UsageError(f"this machine has {has}; one slot needs {self.needs}")

    def disconnect(self) -> None:
        """Let go of the cluster; an own one ends."""
        if self._is_connected:
            ray.shutdown()
        if self._told_ray:
            _forget(self._told_ray)
            self._told_ray = ()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def nodes(self) -> list[str]:
        """The ids of the nodes that can hold a place, once they are free."""
        return [node["NodeID"] for node in _nodes() if self._room_of(node["Resources"])]

    def lacks(self) -> str:
        """Say why no node can ever hold a place, in words; "" if one can, once it is free."""
        if self.nodes:
            return ""
        return f"no node has {self.needs} for one of them; all together have {self.has}"

    def room(self) -> int:
        """Count the places that all nodes have room for, one by one; what others hold is taken."""
        free: dict[str, dict[str, float]]
        free = state.available_resources_per_node()  # type: ignore[no-untyped-call]
        return sum(self._room_of(free.get(node["NodeID"], node["Resources"])) for node in _nodes())

    def start(self, actor: type, groups: Collection[str] = ()) -> Any:
        """Have Ray start an actor somewhere; it is started when there is room.

        groups: of methods, that wait for no others.
        """
        options: dict[str, Any] = {
            "num_cpus": self._settings.cpus,
            "num_gpus": self._gpus,
            "max_restarts": 0,
            "scheduling_strategy": "SPREAD",
            "concurrency_groups": dict.fromkeys(groups, 1),
            # Nobody looks at them, and each question would report four.
            "enable_task_events": False,
        }
        if self._settings.memory_mb:
            options["memory"] = self._settings.memory_mb * MB
        return ray.remote(**options)(actor).remote()

    def _room_of(self, resources: dict[str, float]) -> int:
        needs = {"CPU": self._settings.cpus, "GPU": self._gpus}
        if self._settings.memory_mb:
            needs["memory"] = self._settings.memory_mb * MB
        parts = [resources.get(what, 0.0) / need for what, need in needs.items() if need]
        return math.floor(min(parts, default=0.0) + 1e-6)

    def _start(self, num_slots: int) -> None:
        # Sockets lie in it: a path of the system's own, since theirs must be short.
        self._folder = tempfile.mkdtemp(prefix="evolve-ray-")
        cores = len(os.sched_getaffinity(0))
        # Else its services listen to the whole network, whatever address the node is told to have.
        ray_constants.ENABLE_RAY_CLUSTER = False
        if not os.environ.keys() & TOKEN_VARIABLES:
            self._told_ray = AUTH_MODE, TOKEN_PATH
            _keep_token(Path(self._folder, "token"))
        try:
            with _only_inherited():
                ray.init(
                    address="local",
                    num_cpus=max(cores, math.ceil(num_slots * self._settings.cpus)),
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    _node_ip_address=LOOPBACK,
                    _temp_dir=self._folder,
                    **_SILENT,
                )
        except Exception as error:  # Ray raises bare ones, with a log behind them
            free = shutil.disk_usage(self._folder).free // MB
            self.disconnect()
            raise WorldError(
                f"Ray does not start on this machine: {_first_line(error)} (its files lie in "
                f"{tempfile.gettempdir()}, where {free} MB are free; TMPDIR names another folder)"
            ) from error

    def _join(self) -> None:
        told, address = self._settings.address, address_of(self._settings)
        host = address.rpartition(":")[0]
        try:
            # Else Ray takes our loopback for an address that others could reach.
            ray_constants.ENABLE_RAY_CLUSTER = host not in (LOOPBACK, "localhost")
            if told == AUTO and AUTH_MODE not in os.environ and _asks_for_token(address):
                self._told_ray = (AUTH_MODE,)
                authentication_token_setup.maybe_enable_token_auth_if_token_available(False)
            ray.init(address=address, **_SILENT)
        except (OSError, ValueError, RuntimeError) as error:
            raise _no_cluster(told, address, error) from error
        self.address = address


def address_of(settings: RaySettings) -> str:
    """Give where a cluster answers, HOST:PORT; "local" for an own one, which is not there yet.

    Raises: WorldError if nobody answers there.
    """
    told = settings.address
    if told == LOCAL:
        return LOCAL
    address = _address_of_own() if told == AUTO else told
    host, _, port = address.rpartition(":")
    try:
        # Ray itself would try for minutes.
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(told, address, error) from error
    return address


def _no_cluster(told: str, address: str, error: Exception) -> WorldError:
    return WorldError(
        f"--set ray.address={told}: no Ray cluster answers at {address} ({_first_line(error)}); "
        f"{_ADVICE}"
    )


_ADVICE = (
    "`ray start --head` starts one, ray.address=local one of this run's own; where it asks for a "
    "token, set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH unless it is in ~/.ray/auth_token"
)
_SILENT: dict[str, Any] = {
    "log_to_driver": False,
    "logging_level": logging.ERROR,
    "configure_logging": False,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Have Ray send no statistics anywhere, and leave to us what is said."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # An own cluster makes a token, as it should, and would tell each time how to do without.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    # Ray keeps the command line with the job, and tells whoever asks; it may hold a password.
    told, utils.get_entrypoint_name = utils.get_entrypoint_name, lambda: "evolve"
    try:
        yield
    finally:
        utils.get_entrypoint_name = told


@contextmanager
def _only_inherited() -> Iterator[None]:
    """Hide our environment, but for what is harmless, from processes that are started meanwhile."""
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name not in INHERITED and not name.startswith(INHERITED_PREFIXES)
    }
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep what Ctrl-C and SIGTERM do here: Ray would take them over."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _address_of_own() -> str:
    """Give where the Ray of this machine is, started by hand. Raises: WorldError."""
    try:
        address = services.get_ray_address_from_environment(AUTO, None)
    except ConnectionError:  # it would advise on options that are Ray's, not ours
        address = None
    if address is None:
        raise WorldError(f"--set ray.address={AUTO}: no Ray runs on this machine; {_ADVICE}")
    return str(address)


def _asks_for_token(address: str) -> bool:
    """Tell whether the Ray of this machine at an address was started with a token.

    Ray itself goes by whether this user has one; a node without then cannot answer, and nobody says so.
    So its rule holds only where nobody may look, as where another user started it.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            words = (process / "cmdline").read_bytes().split(b"\0")
            if f"--gcs-address={address}".encode() in words:
                if process.stat().st_uid != os.getuid():
                    return True
                try:
                    variables = (process / "environ").read_bytes().split(b"\0")
                except PermissionError:  # ours, but it has made itself unreadable
                    return True
                return f"{AUTH_MODE}=token".encode() in variables
    return False


def _keep_token(path: Path) -> None:
    """Make the token of an own cluster here: Ray would leave one in the home folder for ever.

    There it would be taken for the token of any cluster that is started by hand later.
    """
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(TOKEN_BYTES))
    os.environ.update({AUTH_MODE: "token", TOKEN_PATH: str(path)})
    _read_token_anew()


def _forget(variables: Iterable[str]) -> None:
    """Let the next cluster of this process have a token of its own, or none."""
    for name in variables:
        os.environ.pop(name, None)
    _read_token_anew()


def _read_token_anew() -> None:
    authentication_token_setup.AuthenticationTokenLoader.instance().reset_cache()  # type: ignore[attr-defined]
    authentication_token_setup.Config.initialize("")  # type: ignore[attr-defined]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _resources() -> dict[str, float]:
    found = {"CPU": 0.0, "GPU": 0.0, "memory": 0.0}
    for node in _nodes():
        for what in found:
            found[what] += node["Resources"].get(what, 0.0)
    memory = found.pop("memory")
    return {**found, "MB": memory // MB}


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]
