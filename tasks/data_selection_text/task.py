"""Data selection on text: choose documents of a dirty pool that make a model of a target domain.

An instance is one pool at one budget. The chosen documents train small byte language models; their
bits per byte on other texts of the target's domain, with the sign turned, are the score. After
Xie et al. 2023, "Data Selection for Language Models via Importance Resampling".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, cached, progress

from .composition import composition, feedback
from .features import BINS, features
from .grading import losses
from .own_data import OwnTexts, own_texts
from .pools import HIDDEN, KNOWN, Pool, draw_pool, unseen
from .probes import probes

BUDGETS = (0.05, 0.1, 0.2)


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split, a pool at a budget each, or the few small ones of `probe`.

    Pools of `test` have targets of other domains and other junk than those of `train` and `valid`.
    """
    if split == "probe":
        yield from probes(lambda: _pools("train", 0, settings))
        return
    for number, (name, public, private) in enumerate(_pools(split, block, settings)):
        yield at_budget(
            name, public, private, budget_of(number), settings, _group(split, number, settings)
        )


def budget_of(number: int) -> float:
    """Give the budget of a pool, a share of it: twelve pools show four domains at three budgets."""
    turns = number // len(KNOWN.domains)
    return BUDGETS[(number + turns + 1) % len(BUDGETS)]


def at_budget(
    name: str,
    public: Mapping[str, Any],
    private: Mapping[str, Any],
    budget: float,
    settings: Any,
    domain: str,
) -> Instance:
    """Give the instance of a pool, as `describe` describes it, at one budget, a share of it."""
    percent = f"{round(100 * budget)}%"
    size = len(public["docs"])
    docs, target, feats = public["docs"], public["target"], dict(public)
    del feats["docs"], feats["target"]
    return Instance(
        name=f"{name}-{percent}",
        public={
            "docs": docs,
            "target": target,
            "k": max(round(budget * size), 1),
            "feats": {**feats, "gram_bins": BINS, "budget_frac": budget},
        },
        private={
            **private,
            "whole": np.arange(size),
            "initialisations": settings.initialisations,
            "device": settings.device,
        },
        groups={"domain": domain, "budget": percent},
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
    for instance, choice, bits in zip(instances, choices, losses(instances, choices), strict=True):
        found = composition(instance.public, instance.private, choice)
        grades.append(Grade(score=-bits, measures=found, feedback=feedback(found, bits)))
    return grades


def describe(pool: Pool) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Give what selectors see of a pool, and what they do not."""
    public = {"docs": pool.docs, "target": pool.target, **features(pool.docs, pool.target)}
    private = {"evaluation": pool.evaluation, "origin": pool.origin, "group": pool.group}
    return public, private


def _choice(instance: Instance, output: Any) -> np.ndarray:
    """Give the chosen rows in ascending order, since a choice is a set. Raises: Invalid."""
    if output is instance.private["whole"]:
        # Only a control can hand this very array back: the whole pool, whatever k is.
        return instance.private["whole"]
    size, k = len(instance.public["docs"]), instance.public["k"]
    try:
        chosen = np.asarray(output)
    except ValueError as error:
        raise Invalid(f"{instance.name}: indices make no array: {error}") from error
    if chosen.ndim != 1:
        raise Invalid(f"{instance.name}: indices have shape {chosen.shape}: return one list")
    if len(chosen) == 0:
        raise Invalid(f"{instance.name}: no index: choose at least one document")
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


def _pools(split: str, block: int, settings: Any) -> Iterator[tuple[str, dict, dict]]:
    """Give the pools of a block as (name, public, private), from the cache if they are there."""
    count = getattr(settings, f"{split}_pools")
    own = own_texts(settings.data.path, settings.target.path)
    depends = {"size": settings.pool_size, "data": own.digest if own else ""}
    for number in range(count):
        name = f"{split}-{block}-{number}"

        def build(name: str = name, number: int = number) -> tuple[dict, dict]:
            progress(number, count, f"pools of {split}")
            return describe(_draw(split, name, number, settings.pool_size, own))

        kept = cached(depends, build, name=f"pool-{name}")
        # Plain views: what is a memory map here is an ordinary array elsewhere.
        public = {key: np.asarray(array) for key, array in kept.public.items()}
        private = {key: np.asarray(array) for key, array in kept.private.items()}
        if own:
            del private["origin"], private["group"]
        yield name, public, private


def _draw(split: str, name: str, number: int, size: int, own: OwnTexts | None) -> Pool:
    if own:
        return own.draw_pool(split, name, size)
    regime = unseen(name, HIDDEN) if split == "test" else KNOWN
    return draw_pool(name, number, size, regime)


def _group(split: str, number: int, settings: Any) -> str:
    if settings.data.path:
        return "own"
    domains = (HIDDEN if split == "test" else KNOWN).domains
    return domains[number % len(domains)]
