"""Small nets side by side: one batched program for all learning rates and initial weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGEST_WEIGHT = 100.0  # a net that runs away stays finite, and its loss is as bad as can be


def gradients(nets: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Give the gradients of the mean cross-entropy of B nets, each on a batch of its own.

    nets: weights (B, in, out) and biases (B, out) in turns. x: (B, n, d); y: (B, n) classes.
    """
    layers = [x]
    for number in range(0, len(nets) - 2, 2):
        layers.append(np.maximum(layers[-1] @ nets[number] + nets[number + 1][:, None], 0))
    slope = _shares(layers[-1] @ nets[-2] + nets[-1][:, None])
    np.put_along_axis(slope, y[..., None], np.take_along_axis(slope, y[..., None], -1) - 1, axis=-1)
    slope /= x.shape[1]
    found: list[np.ndarray] = []
    for number in range(len(nets) - 2, -1, -2):
        found[:0] = [layers[number // 2].swapaxes(1, 2) @ slope, slope.sum(1)]
        if number:
            slope = (slope @ nets[number].swapaxes(1, 2)) * (layers[number // 2] > 0)
    return found


def losses(nets: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Give the mean cross-entropy of each net on the same rows, (B,). x: (n, d); y: (n,)."""
    hidden = np.broadcast_to(x, (len(nets[0]), *x.shape))
    for number in range(0, len(nets) - 2, 2):
        hidden = np.maximum(hidden @ nets[number] + nets[number + 1][:, None], 0)
    said = (hidden @ nets[-2] + nets[-1][:, None]).astype(np.float64)
    said -= said.max(-1, keepdims=True)
    right = said[:, np.arange(len(y)), y] - np.log(np.exp(said).sum(-1))
    return np.asarray(-right.mean(-1))


def moved(tensor: np.ndarray, delta: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Give a tensor (B, ...) after a step; the harness does the same, to the bit."""
    factors = rates.reshape(-1, *(1,) * (tensor.ndim - 1))
    there = np.nan_to_num(tensor - factors * delta, nan=0.0)
    return np.clip(there, -LARGEST_WEIGHT, LARGEST_WEIGHT)


def _shares(said: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(said - said.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return shares
