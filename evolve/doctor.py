"""What this machine can enforce, and a live proof of it: the document of `evolve doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from archive.passwords import hidden_password
from evolve.config import archive_place
from evolve.errors import UsageError
from evolve.gpus import Gpu, has_driver, visible_gpus
from evolve.models.keys import read_keys
from evolve.spec import Slot
from sandbox import Job, Limits, Sandbox, SandboxError
from sandbox.kernel import kernel
from sandbox.levels import LEVELS, MIN_LEVEL, Level, choose, survey
from sandbox.linux import cgroups

Document = dict[str, Any]
# Done, of how many, and what was done last.
Told = Callable[[int, int, str], None]

PACKAGES = ("numpy", "torch")
CONTROL = "control"

_GPU_QUESTION = (
    "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')"
)
_GPU_PATIENCE_S = 30.0  # torch from a slow disk; usually two seconds
WEAKER = (
    "weaker than landlock: one candidate at a time may control the device; only by --min-level weak"
)
_GPU_PROGRAM = "import torch\ndef main(device): return float(torch.ones(8, device=device).sum())"
_GPU_SUM = 8.0


def examine(
    level: str = "auto",
    *,
    quick: bool = True,
    archive: str | None = None,
    told: Told | None = None,
) -> Document:
    """Find out what this machine can enforce, and attack it.

    level: the one to prove; "auto" for the one that a run would use. quick: a dozen attacks, about
    a second; else the whole suite, a minute or more. told: hears of every attack made.
    Raises: UsageError for an unknown level.
    """
    with _gpu_question() as gpu:
        found = survey()
        chosen, why = _choose(level)
        proof = list(prove(chosen, quick, told)) if chosen else []
        device = gpu()
        return {
            "level": chosen,
            "why": why,
            "min_level": MIN_LEVEL,
            "levels": {name: found[name]._asdict() for name in LEVELS},
            "kernel": kernel()._asdict(),
            "control_group": _control_group(),
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in PACKAGES},
            "gpu": device,
            "gpus": [_shared(gpu) for gpu in visible_gpus()],
            "gpu_worker": _gpu_worker(device),
            "keys": list(read_keys(Path.cwd()).names),
            "archive": _shown(archive_place(archive)),
            "proof": proof,
            "held": bool(proof) and all(line["held"] for line in proof),
        }


def prove(level: Level, quick: bool, told: Told | None = None) -> Iterator[Document]:
    """Run the positive control and then attacks against a level; give a line of each.

    Attacks that the level does not promise to hold are left out.
    """
    from sandbox.attack import attacks
    from sandbox.proof import prove

    chosen = [attack for attack in attacks(quick=quick) if attack.promised_at(level)]
    done = 0
    try:
        with closing(prove(level, chosen)) as findings:
            for finding in findings:
                if not done:
                    # Both came before: no attack is made where an honest program fails.
                    yield _line(CONTROL, "an honest program runs and gives its value", True, "ok")
                done += 1
                if told is not None:
                    told(done, len(chosen), finding.attack.name)
                yield _line(finding.attack.name, finding.attack.title, finding.held, finding.said)
    except SandboxError as error:
        yield _line(CONTROL, "an honest program runs and gives its value", False, str(error))


def _line(attack: str, title: str, held: bool, said: str) -> Document:
    family = attack.partition("/")[0]
    return {"attack": attack, "family": family, "title": title, "held": held, "said": said}


def _choose(level: str) -> tuple[Level | None, str]:
    """Give the level to use, and why not a better one; no level, and why, when none can be had."""
    if level not in ("auto", *LEVELS):
        raise UsageError(f"--level {level}: there are: auto, {', '.join(LEVELS)}")
    try:
        chosen = choose(level)
    except SandboxError as error:
        return None, str(error)
    if level != "auto":
        return chosen, "as --level says"
    found = survey()
    better = [f"{name}: {found[name].reason}" for name in LEVELS[LEVELS.index(chosen) + 1 :]]
    return chosen, "; ".join(better) or "there is no better one"


def _control_group() -> Document:
    """Tell what candidates can be bounded by together, beside what the watch sees."""
    place, reason = cgroups.find()
    bounds = list(place.controllers) if place else []
    return {"available": place is not None, "reason": reason, "bounds": bounds}


@contextmanager
def _gpu_question() -> Iterator[Callable[[], str | None]]:
    """Ask for the GPU's name in a process of its own; the answer is waited for when it is needed.

    CUDA must not be touched here, and torch takes a second to load: without a driver it is not asked.
    """
    if not has_driver() or importlib.util.find_spec("torch") is None:
        yield lambda: None
        return
    with subprocess.Popen(
        [sys.executable, "-c", _GPU_QUESTION],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
    ) as process:

        def answer() -> str | None:
            with suppress(subprocess.TimeoutExpired):
                said, _ = process.communicate(timeout=_GPU_PATIENCE_S)
                return said.strip() or None
            return None

        try:
            yield answer
        finally:
            process.kill()


def _shared(gpu: Gpu) -> Document:
    """Tell of a GPU, and of the slots that it holds where a task does not say what one needs."""
    slots = gpu.holds(Slot().gpu_memory_mb)
    return {"name": gpu.name, "memory_mb": gpu.memory_mb, "slots": slots}


def _gpu_worker(gpu: str | None, device: str = "cuda") -> Document:
    """Tell whether a candidate that needs the GPU can be run, by running one."""
    reason = "no GPU that torch can use" if gpu is None else ""
    if gpu is not None:
        try:
            with Sandbox.open(
                level="weak",
                preload=("numpy", "torch"),
                inputs={"it": {"device": device}},
                limits=Limits(memory_mb=4096),
                device=device,
            ) as box:
                outcome = box.run(Job(source=_GPU_PROGRAM, entry="main", input="it"))
            if outcome.value != _GPU_SUM:
                reason = outcome.reason or f"gave {outcome.value!r} for {_GPU_SUM}"
        except SandboxError as error:
            reason = str(error).splitlines()[-1]  # what comes before is how it came to it
    return {"available": not reason, "reason": reason, "promise": WEAKER}


def _version(package: str) -> str | None:
    """Give the version of a package, which is not loaded; None when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _shown(place: str) -> str:
    """Give an archive's place as it may be shown."""
    return hidden_password(place) if "://" in place else str(Path(place).expanduser())
