"""Data selection: choose training examples from a dirty pool, of digits or of a user's own data.

An instance is one pool at one budget. The chosen examples, with their given labels, train small
nets whose accuracy on clean images is the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evolve.task import Artefacts, Grade, Instance, Invalid, cached, progress

from .composition import composition, feedback
from .digits import digits
from .grading import Choice, accuracies
from .material import Material
from .own_data import own_material
from .pools import REGIMES, UNTOUCHED, Pool, Regime, draw_pool, hide, unseen
from .probes import probes
from .proxies import train_proxies

BUDGETS = (0.05, 0.1, 0.2)
# A mix, so that no single kind of dirt decides; the first of them recur where pools are fewer.
MIX = ("default", "hard", "imbalance", "clean", "default", "hard", "imbalance", "default")


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split: pools x budgets, or the few small ones of `probe`.

    Pools of `test` are graded on other images, and are dirty in ways that no other split shows.
    """
    if split == "probe":
        # Read first: a file that cannot be used is told of before anything is done.
        classes = material(settings).classes
        yield from probes(lambda: _pools("train", 0, settings), classes)
        return
    for number, (name, public, private) in enumerate(_pools(split, block, settings)):
        for budget in BUDGETS:
            regime = regime_of(name, number, split, settings).name
            yield at_budget(name, public, private, budget, regime, split, settings)


def material(settings: Any) -> Material:
    """Give what pools are drawn from. Raises: Unusable if that is a file with something wrong."""
    return own_material(settings.data.path) if settings.data.path else digits()


def at_budget(
    name: str,
    public: Mapping[str, Any],
    private: Mapping[str, Any],
    budget: float,
    regime: str,
    split: str,
    settings: Any,
) -> Instance:
    """Give the instance of a pool, as `describe` describes it, at one budget, a share of it."""
    percent = f"{round(100 * budget)}%"
    size, own = len(public["y"]), material(settings)
    return Instance(
        name=f"{name}-{percent}",
        public={
            "pool": {**public, "n_classes": own.classes, "budget_frac": budget},
            "k": round(budget * size),
        },
        private={
            **private,
            "whole": np.arange(size),
            "evaluation": own.evaluation(split),
            "initialisations": settings.initialisations,
            "device": settings.device,
        },
        groups={"regime": regime, "budget": percent},
        unit=name,
    )


def grade(instance: Instance, output: Any) -> Grade:
    """Train on one choice. Raises: Invalid if it is none."""
    return grade_many([instance], [output])[0]


def grade_many(instances: Sequence[Instance], outputs: Sequence[Any]) -> list[Grade]:
    """Train on many choices at once; what each scores does not depend on the others.

    Raises: Invalid for the first output that is no choice.
    """
    choices = [
        _choice(instance, output) for instance, output in zip(instances, outputs, strict=True)
    ]
    grades = []
    scores = accuracies(instances, choices)
    for instance, choice, score in zip(instances, choices, scores, strict=True):
        found = composition(instance.private, choice.rows)
        grades.append(Grade(score=score, measures=found, feedback=feedback(found)))
    return grades


def _choice(instance: Instance, output: Any) -> Choice:
    """Give what an output chooses. Raises: Invalid.

    Only controls can hand back the very arrays of the private values: `whole` for the whole pool,
    whatever k is, and {"rows", "labels"} with `soft_labels` to train with those.
    """
    if output is instance.private["whole"]:
        return Choice(output)
    if isinstance(output, dict) and output.get("labels") is instance.private["soft_labels"]:
        return Choice(_rows(instance, output["rows"]), soft=True)
    return Choice(_rows(instance, output))


def _rows(instance: Instance, output: Any) -> np.ndarray:
    """Give the chosen rows in ascending order, since a choice is a set. Raises: Invalid."""
    size, k = len(instance.public["pool"]["y"]), instance.public["k"]
    try:
        chosen = np.asarray(output)
    except ValueError as error:
        raise Invalid(f"{instance.name}: indices make no array: {error}") from error
    if chosen.ndim != 1:
        raise Invalid(f"{instance.name}: indices have shape {chosen.shape}: return one list")
    if len(chosen) == 0:
        raise Invalid(f"{instance.name}: no index: choose at least one example")
    if chosen.dtype.kind not in "iu":
        raise Invalid(f"{instance.name}: indices are {chosen.dtype}: return integers")
    if len(chosen) > k:
        raise Invalid(f"{instance.name}: {len(chosen)} indices: choose at most k = {k}")
    if chosen.min() < 0 or chosen.max() >= size:
        span = f"{chosen.min()} to {chosen.max()}"
        raise Invalid(f"{instance.name}: indices run from {span}: stay in 0 to {size - 1}")
    rows = np.unique(chosen).astype(np.int64)
    if len(rows) < len(chosen):
        twice = len(chosen) - len(rows)
        raise Invalid(f"{instance.name}: {twice} indices are repeated: choose each once")
    return rows


def _pools(split: str, block: int, settings: Any) -> list[tuple[str, dict, dict]]:
    """Give the pools of a block as (name, public, private), from the cache if they are there."""
    count = getattr(settings, f"{split}_pools")
    kept = _artefacts(split, block, count, settings)
    return [
        (
            f"{split}-{block}-{number}",
            # Plain views: what is a memory map here is an ordinary array elsewhere.
            {key: np.asarray(array[number]) for key, array in kept.public.items()},
            {key: np.asarray(array[number]) for key, array in kept.private.items()},
        )
        for number in range(count)
    ]


def _artefacts(split: str, block: int, count: int, settings: Any) -> Artefacts:
    names = [f"{split}-{block}-{number}" for number in range(count)]
    own = material(settings)

    def build() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        pools = [
            draw_pool(name, settings.pool_size, regime_of(name, number, split, settings), own)
            for number, name in enumerate(names)
        ]
        return describe(names, pools, own.classes, settings.device)

    depends = {
        "size": settings.pool_size,
        "pools": count,
        "device": settings.device,
        "dirt": settings.data.dirt,
    }
    return cached(depends, build, name=f"pools-{split}-{block}")


def regime_of(name: str, number: int, split: str, settings: Any) -> Regime:
    """Give how dirty a pool is: by its number, and by its name on the hidden test."""
    if not settings.data.dirt:
        return UNTOUCHED
    regime = REGIMES[MIX[number % len(MIX)]]
    return unseen(name, regime) if split == "test" else regime


def describe(
    names: Sequence[str], pools: Sequence[Pool], classes: int, device: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Give what selectors see of pools, and what they do not: arrays with an axis of pools."""
    views = train_proxies(
        names, pools, classes, device, lambda done, total: progress(done, total, "proxy nets")
    )
    seen = [hide(name, pool.images, pool.trusted) for name, pool in zip(names, pools, strict=True)]
    public = {
        "X": np.stack([images for images, _ in seen]),
        "y": np.stack([pool.labels for pool in pools]),
        "probs": views.probs,
        "emb": views.emb,
        "hid": views.hid,
        "grad_norm": views.grad_norm,
        "Xt": np.stack([trusted for _, trusted in seen]),
        "yt": np.stack([pool.trusted_labels for pool in pools]),
        "tgt_probs": views.tgt_probs,
    }
    private = {
        "images": np.stack([pool.images for pool in pools]),
        "labels": public["y"],
        "soft_labels": views.probs[:, :, -1].mean(1),
        "truth": np.stack([pool.truth for pool in pools]),
        "group": np.stack([pool.group for pool in pools]),
        "difficulty": np.stack(
            [difficulty(probs, pool) for probs, pool in zip(views.probs, pools, strict=True)]
        ),
    }
    return public, private


def difficulty(probs: np.ndarray, pool: Pool) -> np.ndarray:
    """Rank examples (N,) in 0..1 by how little the proxies believe the given label over training.

    probs: (K, T, N, C).
    """
    belief = probs[:, :, np.arange(len(pool.labels)), pool.labels].mean((0, 1))
    return np.argsort(np.argsort(-belief, kind="stable")) / (len(belief) - 1)
