"""Runs an attack without any wall, to show that it bites where none holds it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sandbox.attack import Attack, control
from sandbox.canaries import BARE_TOO_LONG_S, Canaries, processes_of

_HANGS_S = 15.0  # an evaluator that has not answered by then never does
_LOOK_S = 0.2  # between two looks at whether it was stopped
_KILL_S = 0.01  # for the kernel to end what was killed
# A parent of its own, so that an attack on the parent does not reach the asking process.
_PARENT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


class Unsafe(ValueError):
    """The attack must not be run without a wall."""


def bite(attack: Attack) -> str:
    """Run an attack in a careless evaluator; say how it bit, or nothing when it did not.

    Whatever it starts is ended, and whatever it leaves in public folders is removed.
    Raises: Unsafe.
    """
    if attack.bare == "unsafe":
        raise Unsafe(f"{attack.name} is not run without a wall: {attack.bare_note}")
    folder = Path(tempfile.mkdtemp(prefix="careless-"))
    try:
        with Canaries() as canaries:
            end, left = _evaluate(attack, canaries, folder)
            harm = canaries.harmed()
        answer = _answer(folder / "answer")
    finally:
        # however deep it is; as another user we may not be able to open what we own
        subprocess.run(["chmod", "-R", "u+rwx", folder], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", folder])
    if answer is None:
        return f"the evaluator {end} and gave no score"
    if answer["score"]:
        return "it wrote its own score"
    if answer["said"].startswith("bitten"):
        return str(answer["said"])
    if not answer["same"]:
        return "the next program gives something else"
    return "; ".join([*harm, *[f"process {pid} was left" for pid in left]])


def _evaluate(attack: Attack, canaries: Canaries, folder: Path) -> tuple[str, list[int]]:
    """Run the evaluator until it ends, stops or hangs; say which, and what outlived it."""
    arguments = canaries.arguments(BARE_TOO_LONG_S)
    request = {
        "program": attack.source,
        "control": control(),
        "canaries": {**arguments, "numbers": arguments["numbers"].tolist()},
        "secret": canaries.secret,
    }
    Path(folder, "request").write_text(json.dumps(request))
    Path(folder, "scratch").mkdir()
    python = (sys.executable, "-P", "-s", "-m", "sandbox.careless", str(folder / "answer"))
    own = str(Path(__file__).resolve().parents[1])
    with Path(folder, "request").open() as question:
        process = subprocess.Popen(
            [*_PARENT, *python, canaries.mark],
            cwd=folder / "scratch",
            env={**os.environ, "PYTHONPATH": own, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=question,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            start_new_session=True,
            preexec_fn=_spare_the_disk,
        )
    try:
        return _wait(process, canaries.mark), [each.pid for each in processes_of(canaries.mark)]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _end_all(canaries.mark)


def _spare_the_disk() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _wait(process: subprocess.Popen[bytes], mark: str) -> str:
    for _ in range(round(_HANGS_S / _LOOK_S)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"ended with status {process.wait(_LOOK_S)}"
        if any(each.is_stopped for each in processes_of(mark)):
            return "was stopped"
    return "hung"


def _end_all(mark: str) -> None:
    """Kill what is left, and whatever that starts meanwhile."""
    while found := processes_of(mark):
        for each in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        time.sleep(_KILL_S)


def _answer(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return None
