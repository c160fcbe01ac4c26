"""Small inputs of odd shapes, and slices of real ones: what the functional hash looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evolve.task import Instance, rng

# (number of the train pool, k): three regimes, 3,990 items of the 4,096 and more in all.
SLICES = ((0, 60), (1, 133), (2, 60))
SLICE = 1330
# Descriptions with an axis of examples, and which axis that is.
AXES = {"X": 0, "y": 0, "probs": 2, "emb": 0, "hid": 1, "grad_norm": 0, "tgt_probs": 0}

RealPools = Callable[[], list[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]]]


def probes(real: RealPools, classes: int) -> Iterator[Instance]:
    """Give the probes; the first is tiny, and no two of its dimensions are equal.

    real: gives the train pools, of so many classes; called when the synthetic probes are through.
    """
    yield _instance("sizes", synthetic("sizes", n=37, d=11, k=2, t=3, c=5, h=7, trusted=13), k=6)
    ties = synthetic("ties", n=67, d=12, k=4, t=5, c=3, h=8, trusted=9, scale=1e-3)
    yield _instance("ties", _tied(ties), k=20)
    one = synthetic("one class", n=41, d=9, k=3, t=4, c=2, h=6, trusted=4, scale=1e3)
    yield _instance("one class", {**one, "y": np.zeros_like(one["y"])}, k=50)
    pools = real()
    for number, k in SLICES:
        _, public, _ = pools[number % len(pools)]
        part = {
            key: array.take(np.arange(min(SLICE, len(public["y"]))), AXES[key])
            if key in AXES
            else array
            for key, array in public.items()
        }
        yield _instance(f"slice {number}", {**part, "n_classes": classes}, k)


def synthetic(
    name: str, *, n: int, d: int, k: int, t: int, c: int, h: int, trusted: int, scale: float = 1.0
) -> dict[str, Any]:
    """Draw n examples of c blurred clusters, and k nets at t checkpoints that half believe them."""
    draw = rng("data_selection", "probe", name)
    truth = draw.integers(0, c, n)
    labels = np.where(draw.random(n) < 0.3, draw.integers(0, c, n), truth)
    centres = draw.normal(0, 2, (c, d))
    belief = (
        draw.normal(0, 1, (k, t, n, c)) + np.linspace(0.5, 3, t)[:, None, None] * np.eye(c)[labels]
    )
    probs = np.exp(belief)
    probs /= probs.sum(-1, keepdims=True)
    hid = np.abs(draw.normal(0, 1, (k, n, h)) + draw.normal(0, 1, (c, h))[truth])
    said = np.exp(draw.normal(0, 1, (n, c)) + 2 * np.eye(c)[truth])
    known = np.arange(trusted) % c
    pool = {
        "X": scale * (centres[truth] + draw.normal(0, 1, (n, d))),
        "y": labels,
        "probs": probs,
        "emb": hid.mean(0),
        "hid": hid,
        "grad_norm": draw.gamma(2, 1, n),
        "Xt": scale * (centres[known] + draw.normal(0, 1, (trusted, d))),
        "yt": known,
        "tgt_probs": said / said.sum(-1, keepdims=True),
    }
    floats = {key: array.astype(np.float32) for key, array in pool.items() if array.dtype == float}
    return {**pool, **floats, "n_classes": c}


def _tied(pool: dict[str, Any]) -> dict[str, Any]:
    """Round everything coarsely, repeat the first examples, and make one feature constant."""
    x = pool["X"].copy()
    x[:, 0] = x[0, 0]
    x[len(x) // 2 :][: len(x) // 2] = x[: len(x) // 2]
    coarse = {key: np.round(pool[key], 1) for key in ("probs", "tgt_probs", "grad_norm")}
    return {**pool, **coarse, "X": x}


def _instance(name: str, pool: dict[str, Any], k: int) -> Instance:
    public = {"pool": {**pool, "budget_frac": min(k / len(pool["y"]), 1.0)}, "k": k}
    return Instance(name=f"probe-{name.replace(' ', '-')}", public=public)
