"""Proxy nets, trained on a whole noisy pool or on its trusted examples, and what they show.

A selector sees only this: predictions at checkpoints, hidden activations, gradient norms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evolve.task import rng

from .pools import Pool
from .training import Nets, Recipe, hidden_units, initial, logits, train

NETS = 4
CHECKPOINTS = 12
PROXY = Recipe(steps=360)
# Checkpoints lie denser early, where nets have not learnt wrong labels yet; 1 is even spacing.
SPACING = 1.5
# Batches of 25, so that fifty examples are two.
TRUSTED = Recipe(steps=300, batch=25)
# Gradient norms are most telling early in training (Paul et al. 2021).
GRADIENT_CHECKPOINT = 2


@dataclass(frozen=True)
class Views:
    """What the proxies of P pools of N examples show: K nets, T checkpoints, C classes, h units.

    probs: (P, K, T, N, C). hid: (P, K, N, h). emb: (P, N, h), the mean of `hid` over nets.
    grad_norm: (P, N). tgt_probs: (P, N, C), of nets that saw only the trusted examples.
    """

    probs: np.ndarray
    hid: np.ndarray
    emb: np.ndarray
    grad_norm: np.ndarray
    tgt_probs: np.ndarray


def train_proxies(
    names: Sequence[str],
    pools: Sequence[Pool],
    classes: int,
    device: str,
    report: Callable[[int, int], None],
) -> Views:
    """Train the proxies of pools, which have names, and look at every pool through its own.

    report: called with the nets done and in all.
    """
    count, size = len(pools), len(pools[0].labels)
    checkpoints = [
        round(PROXY.steps * ((t + 1) / CHECKPOINTS) ** SPACING) for t in range(CHECKPOINTS)
    ]
    images = torch.from_numpy(np.stack([pool.images for pool in pools])).to(device)
    labels = torch.from_numpy(np.stack([pool.labels for pool in pools])).to(device)
    probs = np.empty((count * NETS, CHECKPOINTS, size, classes), np.float32)
    hid = np.empty((count * NETS, size, PROXY.hidden), np.float32)
    norms = np.empty((count * NETS, size), np.float32)

    def look(step: int, which: slice, nets: Nets) -> None:
        pool = torch.arange(which.start, which.stop, device=images.device) // NETS
        hidden = hidden_units(nets, images[pool])
        shown = torch.softmax(logits(nets, hidden), 1).transpose(1, 2)
        checkpoint = checkpoints.index(step)
        probs[which, checkpoint] = shown.cpu().numpy()
        if checkpoint == GRADIENT_CHECKPOINT:
            error = shown - _one_hot(labels[pool], classes)
            norms[which] = (error.norm(dim=2) * hidden.norm(dim=2)).cpu().numpy()
        if step == PROXY.steps:
            hid[which] = hidden.cpu().numpy()
            report(which.stop, count * NETS)

    order, start = _plans(names, "proxy", size, (images.shape[2], classes), PROXY)
    table = images.flatten(0, 1), _one_hot(labels.flatten(), classes)
    train(*table, order, start, PROXY, look, frozenset(checkpoints))
    hid = hid.reshape(count, NETS, size, PROXY.hidden)
    return Views(
        probs=probs.reshape(count, NETS, CHECKPOINTS, size, classes),
        hid=hid,
        emb=hid.mean(1),
        grad_norm=norms.reshape(count, NETS, size).mean(1),
        tgt_probs=_trusted_predictions(names, pools, classes, images),
    )


def _trusted_predictions(
    names: Sequence[str], pools: Sequence[Pool], classes: int, images: torch.Tensor
) -> np.ndarray:
    """Give the mean class probabilities (P, N, C) of nets that saw the trusted examples only."""
    trusted = torch.from_numpy(np.concatenate([pool.trusted for pool in pools])).to(images.device)
    labels = torch.from_numpy(np.concatenate([pool.trusted_labels for pool in pools]))
    shown = np.empty((len(pools) * NETS, images.shape[1], classes), np.float32)

    def look(step: int, which: slice, nets: Nets) -> None:
        pool = torch.arange(which.start, which.stop, device=images.device) // NETS
        said = logits(nets, hidden_units(nets, images[pool]))
        shown[which] = torch.softmax(said, 1).transpose(1, 2).cpu().numpy()

    shape = images.shape[2], classes
    order, start = _plans(names, "trusted", len(pools[0].trusted), shape, TRUSTED)
    targets = _one_hot(labels.to(images.device), classes)
    train(trusted, targets, order, start, TRUSTED, look, frozenset([TRUSTED.steps]))
    return shown.reshape(len(pools), NETS, -1, classes).mean(1)


def _plans(
    names: Sequence[str], purpose: str, size: int, shape: tuple[int, int], recipe: Recipe
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the batches (M, steps, batch) and initial weights (M, P), each pool on its own rows.

    shape: features and classes.
    """
    order, start = [], []
    for number, name in enumerate(names):
        for net in range(NETS):
            draw = rng("data_selection", purpose, name, net)
            rows = draw.integers(0, size, (recipe.steps, recipe.batch))
            order.append(rows + number * size)
            start.append(initial(draw, *shape, recipe.hidden))
    return np.stack(order), np.stack(start)


def _one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels, classes).to(torch.float32)
