"""What a setting names, loaded: modules, the harness; and inputs that nobody can change."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from sandbox import first_steps
from sandbox.candidate import HARNESS_FILE, Call
from sandbox.job import SandboxError


def load(setting: Mapping[str, Any]) -> Call | None:
    """Import what is preloaded, and give the call of the harness, if there is one.

    Raises: SandboxError naming what cannot be had.
    """
    # No candidate imports this package, nor sees where modules were looked for.
    own = str(Path(__file__).resolve().parents[1])
    named = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [path for path in sys.path if path != own or own not in named]
    for name in setting["preload"]:
        _preload(name)
    call = _harness(setting["harness"])
    first_steps.take()
    return call


def frozen(tree: Any) -> Any:
    """Make all arrays of a tree read-only."""
    if isinstance(tree, np.ndarray):
        tree.flags.writeable = False
    elif isinstance(tree, dict):
        for value in tree.values():
            frozen(value)
    elif isinstance(tree, list):
        for value in tree:
            frozen(value)
    return tree


def _preload(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever a foreign module raises
        raise SandboxError(f"preload: {name} cannot be imported: {error!r}") from error


def _harness(source: str | None) -> Call | None:
    if source is None:
        return None
    linecache.cache[HARNESS_FILE] = len(source), None, source.splitlines(True), HARNESS_FILE
    module = ModuleType("harness")
    sys.modules["harness"] = module
    try:
        exec(compile(source, HARNESS_FILE, "exec"), module.__dict__)
    except Exception as error:  # whatever the harness raises
        lines = traceback.format_exc(limit=-1)
        raise SandboxError(f"the harness cannot be imported: {lines}") from error
    call = module.__dict__.get("call")
    if not callable(call):
        raise SandboxError("the harness must define call(candidate, public, rng)")
    return cast(Call, call)
