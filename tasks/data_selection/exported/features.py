"""Describes anyone's data as selectors expect it: the dict `pool`, by small nets in plain numpy.

    rows = choose(select, X, y, k)

`select` is an exported function; X (N, ...) are features of any shape, best such that distances
mean something (pixels, embeddings); y (N,) are labels of any kind, some of which may be wrong.
`trusted` is a pair of clean examples and their labels, five of every class or more. Without one,
what the nets believe most, early in training, stands in for it: selectors that lean on the trusted
examples are then less good than measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Select = Callable[..., Any]
Weights = list[np.ndarray]

# As in the task that selectors were found on.
NETS, CHECKPOINTS, SPACING, HIDDEN = 4, 12, 1.5, 64
RATE, DECAY = 0.01, 0.01
# Steps and batch of nets on the whole pool, for 2,000 examples; more examples take more steps.
STEPS, BATCH, EXAMPLES = 360, 64, 2000
TRUSTED_STEPS, TRUSTED_BATCH, TRUSTED_PER_CLASS = 300, 25, 5
GRADIENT_CHECKPOINT = 2


def choose(
    select: Select,
    X: Any,
    y: Any,
    k: int,
    *,
    trusted: tuple[Any, Any] | None = None,
    random_state: int = 0,
) -> np.ndarray:
    """Let a selector choose at most k of N examples: row numbers in ascending order.

    Raises: ValueError if the data cannot be described.
    """
    pool = describe(X, y, trusted=trusted, random_state=random_state)
    pool["budget_frac"] = min(k / len(pool["y"]), 1.0)
    return np.unique(np.asarray(select(pool, k, np.random.default_rng(random_state))))


def describe(
    X: Any, y: Any, *, trusted: tuple[Any, Any] | None = None, random_state: int = 0
) -> dict[str, Any]:
    """Give the dict `pool` of N examples with C classes, all but `budget_frac`.

    Memory: 4 x 12 x N x C predictions of 4 bytes. Raises: ValueError.
    """
    rng = np.random.default_rng(random_state)
    rows, mean, spread = _standardised(X)
    names, labels = np.unique(np.asarray(y), return_inverse=True)
    if len(labels) != len(rows) or len(names) < 2:
        raise ValueError(f"{len(rows)} examples, {len(labels)} labels of {len(names)} classes")
    steps = max(STEPS, math.ceil(STEPS * len(rows) / EXAMPLES))
    visits = [round(steps * ((t + 1) / CHECKPOINTS) ** SPACING) for t in range(CHECKPOINTS)]
    probs = np.empty((NETS, CHECKPOINTS, len(rows), len(names)), np.float32)
    for t, nets in enumerate(_trained(rows, labels, len(names), steps, BATCH, visits, rng)):
        hidden, probs[:, t] = _look(nets, rows)
        if t == GRADIENT_CHECKPOINT:
            error = probs[:, t] - np.eye(len(names), dtype=np.float32)[labels]
            norms = np.linalg.norm(error, axis=2) * np.linalg.norm(hidden, axis=2)
    if trusted is None:
        known = _believed(probs, labels, len(names))
        examples, right = rows[known], labels[known]
    else:
        examples = (_flat(trusted[0]) - mean) / spread
        right = np.searchsorted(names, np.asarray(trusted[1]))
        if not np.isin(np.asarray(trusted[1]), names).all():
            raise ValueError("trusted labels hold a class that y does not")
    (last,) = _trained(
        examples, right, len(names), TRUSTED_STEPS, TRUSTED_BATCH, [TRUSTED_STEPS], rng
    )
    return {
        "X": rows,
        "y": labels.astype(np.int64),
        "probs": probs,
        "emb": hidden.mean(0),
        "hid": hidden,
        "grad_norm": norms.mean(0),
        "Xt": examples.astype(np.float32),
        "yt": right.astype(np.int64),
        "tgt_probs": _look(last, rows)[1].mean(0),
        "n_classes": len(names),
    }


def _standardised(X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = _flat(X)
    if not np.isfinite(rows).all():
        raise ValueError("X holds values that are NaN or infinite")
    mean, spread = rows.mean(0), rows.std(0)
    spread = np.where(spread > 0, spread, 1)
    return ((rows - mean) / spread).astype(np.float32), mean, spread


def _flat(X: Any) -> np.ndarray:
    rows = np.asarray(X, dtype=np.float64)
    return rows.reshape(len(rows), -1)


def _believed(probs: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Give the row numbers of the five of every class that nets believe most early."""
    early = probs[:, : CHECKPOINTS // 3].mean((0, 1))[np.arange(len(labels)), labels]
    order = np.argsort(-early, kind="stable")
    return np.concatenate([order[labels[order] == c][:TRUSTED_PER_CLASS] for c in range(classes)])


def _trained(
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    steps: int,
    batch: int,
    visits: list[int],
    rng: np.random.Generator,
) -> Iterator[Weights]:
    """Train nets with one hidden layer by AdamW, rate falling to zero; give them at each visit."""
    width = rows.shape[1]
    w1 = rng.normal(0, math.sqrt(2 / width), (NETS, width, HIDDEN))
    w2 = rng.normal(0, 1 / math.sqrt(HIDDEN), (NETS, HIDDEN, classes))
    shapes = w1, np.zeros((NETS, 1, HIDDEN)), w2, np.zeros((NETS, 1, classes))
    nets = [part.astype(np.float32) for part in shapes]
    moments = [(np.zeros_like(part), np.zeros_like(part)) for part in nets]
    targets = np.eye(classes, dtype=np.float32)[labels]
    rows = rows.astype(np.float32)
    for step in range(1, steps + 1):
        drawn = rng.integers(0, len(rows), (NETS, batch))
        rate = RATE * (1 - (step - 1) / steps)
        slopes = _gradients(nets, rows[drawn], targets[drawn])
        for part, slope, (first, second) in zip(nets, slopes, moments, strict=True):
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            part *= 1 - rate * DECAY
            part -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        if step in visits:
            yield nets


def _gradients(nets: Weights, x: np.ndarray, target: np.ndarray) -> Weights:
    """Give the slopes of the mean cross-entropy."""
    hidden = np.maximum(x @ nets[0] + nets[1], 0)
    error = (_softmax(hidden @ nets[2] + nets[3]) - target) / x.shape[1]
    back = (error @ nets[2].transpose(0, 2, 1)) * (hidden > 0)
    return [
        x.transpose(0, 2, 1) @ back,
        back.sum(1, keepdims=True),
        hidden.transpose(0, 2, 1) @ error,
        error.sum(1, keepdims=True),
    ]


def _look(nets: Weights, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give activations (K, N, h) and class probabilities (K, N, C)."""
    hidden = np.maximum(rows @ nets[0] + nets[1], 0)
    return hidden, _softmax(hidden @ nets[2] + nets[3])


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
