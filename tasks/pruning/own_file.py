"""Loads what a user's `build()` gives, and tells in one sentence whatever is wrong with it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evolve.task import Unusable

BUILD = "build"  # the function in the user's file, unless another is named
LEAST_EXAMPLES = 16


def load(named: Any, device: str) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Build the user's net and check all of it. Raises: Unusable."""
    built = _called(_function(named.path), named)
    if not isinstance(built, tuple) or len(built) != 4:
        raise Unusable(
            "net.path: build() must return four things: a torch module, calibration inputs, "
            f"evaluation inputs and evaluation labels; it returned {_kind(built)}"
        )
    module = built[0]
    if not isinstance(module, nn.Module):
        raise Unusable(f"net.path: the first thing is no torch.nn.Module but {_kind(module)}")
    calibration, inputs, labels = (
        _tensor(value, what).to(device)
        for value, what in zip(
            built[1:], ("calibration inputs", "evaluation inputs", "labels"), strict=True
        )
    )
    module = module.to(device).eval().requires_grad_(False)
    if len(inputs) != len(labels):
        raise Unusable(f"net.path: {len(inputs)} evaluation inputs, but {len(labels)} labels")
    if calibration.shape[1:] != inputs.shape[1:]:
        raise Unusable(
            f"net.path: calibration inputs are {tuple(calibration.shape[1:])} each, evaluation "
            f"inputs {tuple(inputs.shape[1:])}: give both in one form"
        )
    _check_answers(module, inputs, labels)
    return module, calibration, inputs, labels


def _function(path: str) -> Callable[..., Any]:
    """Import the user's file and give the function it names. Raises: Unusable."""
    file, colon, name = path.rpartition(":")
    file, name = (file, name) if colon and name.isidentifier() else (path, BUILD)
    spec = importlib.util.spec_from_file_location("evolve_own_net", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise Unusable(f"net.path: {file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that dataclasses and pickles of it work
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        raise Unusable(f"net.path: {file} cannot be imported: {_short(error)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise Unusable(f"net.path: {file} defines no function `{name}` (FILE.py:NAME names it)")
    return function


def _called(build: Callable[..., Any], named: Any) -> Any:
    try:
        return build(named.checkpoint.path) if named.checkpoint.path else build()
    except Exception as error:  # whatever the user's function raises
        raise Unusable(f"net.path: build() failed: {_short(error)}") from error


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    if not isinstance(value, Tensor) or value.ndim == 0:
        raise Unusable(f"net.path: {what} must be one tensor or array, not {_kind(value)}")
    if len(value) < LEAST_EXAMPLES:
        raise Unusable(f"net.path: {len(value)} {what}: give {LEAST_EXAMPLES} at least")
    if value.is_floating_point() and not value.isfinite().all():
        raise Unusable(f"net.path: {what} hold numbers that are not finite")
    return value.detach()


def _check_answers(module: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise Unusable(f"net.path: labels are {labels.dtype}: give whole numbers, the classes")
    try:
        with torch.no_grad():
            logits = module(inputs[:2])
    except Exception as error:  # whatever the user's module raises
        raise Unusable(f"net.path: the net fails on evaluation inputs: {_short(error)}") from error
    wanted = (2, *labels.shape[1:])
    if not isinstance(logits, Tensor) or logits.shape[:-1] != wanted or labels.ndim > 2:
        raise Unusable(
            f"net.path: for labels {tuple(labels.shape)} the net must answer logits (n, classes) or "
            f"(n, places, classes), one row per label; it gave {_kind(logits)} for two inputs"
        )
    low, high, classes = int(labels.min()), int(labels.max()), logits.shape[-1]
    if low < 0 or high >= classes:
        raise Unusable(f"net.path: labels run from {low} to {high}, but there are {classes} logits")


def _kind(value: Any) -> str:
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
    size = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"{type(value).__name__}{shape}{size}"


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
