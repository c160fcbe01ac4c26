"""Trains nets from scratch, all of one shape in one batched program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evolve.task import rng

from .nets import CONTEXT, Architecture, forward, initial
from .sources import digits, text, windows


@dataclass(frozen=True)
class Recipe:
    """How a family is trained: AdamW, the rate rising over `warm` steps, then falling to zero."""

    steps: int
    batch: int
    rate: float
    decay: float = 0.01
    warm: int = 20


RECIPES = {
    "mlp": Recipe(steps=1200, batch=64, rate=0.003),
    "cnn": Recipe(steps=600, batch=64, rate=0.004),
    "lm": Recipe(steps=800, batch=12, rate=0.008, decay=0.05),
}
BETAS = 0.9, 0.98
REPORT_EVERY = 25  # steps


def fit(
    names: Sequence[str],
    shape: Architecture,
    report: Callable[[int], None],
    device: str = "cpu",
    recipe: Recipe | None = None,
) -> dict[str, np.ndarray]:
    """Train one net for each name, which seeds it; give parameters with a leading axis of nets.

    report: told of the number of steps that were just done, summed over nets.
    """
    recipe = recipe or RECIPES[shape.family]
    starts = [initial(shape, rng("pruning", "start", name)) for name in names]
    params = {
        key: torch.from_numpy(np.stack([start[key] for start in starts])).to(device)
        for key in starts[0]
    }
    descend(shape, params, batches(names, shape.family, recipe, device), recipe, report)
    return {key: value.detach().cpu().numpy() for key, value in params.items()}


def descend(
    shape: Architecture,
    params: dict[str, Tensor],
    batches: Iterator[tuple[Tensor, Tensor]],
    recipe: Recipe,
    report: Callable[[int], None] = lambda steps: None,
    masks: dict[str, Tensor] | None = None,
) -> None:
    """Train parameters in place on batches (inputs, targets); masked weights stay at zero."""
    nets = len(next(iter(params.values())))
    for value in params.values():
        value.requires_grad_()
    optimizer = torch.optim.AdamW(
        params.values(), recipe.rate, betas=BETAS, weight_decay=recipe.decay
    )
    for step in range(recipe.steps):
        inputs, targets = next(batches)
        warm, left = (step + 1) / recipe.warm, 1 - step / recipe.steps
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(warm, left)
        losses(forward(shape, params, inputs), targets).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if masks is not None:
            with torch.no_grad():
                for key, mask in masks.items():
                    params[key] *= mask
        if (step + 1) % REPORT_EVERY == 0:
            report(REPORT_EVERY * nets)
    for value in params.values():
        value.requires_grad_(False)


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Give the mean loss of every net, (M,), in nats. logits: (M, ..., classes); targets: (M, ...)."""
    each = functional.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return each.view(len(logits), -1).mean(1)


def batches(
    names: Sequence[str], family: str, recipe: Recipe, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give batches of (inputs, targets), each net's drawn by its own name."""
    draws = [rng("pruning", "batches", name) for name in names]
    if family == "lm":
        codes = text("fit").codes
        last = len(codes) - CONTEXT - 1
        while True:
            starts = np.stack([draw.integers(0, last, recipe.batch) for draw in draws])
            pieces = torch.from_numpy(windows(codes, starts, CONTEXT)).to(device)
            yield pieces[..., :-1], pieces[..., 1:]
    images, labels = (torch.from_numpy(array).to(device) for array in digits("fit"))
    while True:
        rows = np.stack([draw.integers(0, len(labels), recipe.batch) for draw in draws])
        chosen = torch.from_numpy(rows).to(device)
        yield images[chosen], labels[chosen]
