"""The score of a choice: bits per byte, on other texts of the target's kind, of models trained on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from evolve.task import Instance, rng

from .training import CONTEXT, Recipe, bits_per_byte, initial, train

LEARNER = Recipe()
# So many models at a time on a CPU: their weights and activations stay in the cache.
MODELS_AT_A_TIME = 4


def losses(instances: Sequence[Instance], choices: Sequence[np.ndarray]) -> list[float]:
    """Give the mean bits per byte over the initialisations of every instance.

    choices: row numbers, each (n,) int64 and ascending. All models are trained as one program.
    """
    jobs = [
        (place, number)
        for place, instance in enumerate(instances)
        for number in range(instance.private["initialisations"])
    ]
    device = instances[0].private["device"]
    at_a_time = MODELS_AT_A_TIME if device == "cpu" else len(jobs)
    found: list[list[float]] = [[] for _ in instances]
    for first in range(0, len(jobs), at_a_time):
        some = jobs[first : first + at_a_time]
        text, begins = _laid_out([choices[i] for i, _ in some], [instances[i] for i, _ in some])
        plans = [
            _plan(instances[i], choices[i], number, begin)
            for (i, number), begin in zip(some, begins, strict=True)
        ]
        places = np.stack([places for places, _ in plans])
        start = np.stack([weights for _, weights in plans])
        models = train(torch.from_numpy(text).to(device), places, start, LEARNER)
        for number, (i, _) in enumerate(some):
            docs = instances[i].private["evaluation"]
            graded = torch.from_numpy(docs.reshape(-1).astype(np.int64)).to(device)
            told = torch.from_numpy(_told(docs)).to(device)
            found[i].append(bits_per_byte(models, number, graded, told))
    return [float(np.mean(each)) for each in found]


def _laid_out(
    choices: Sequence[np.ndarray], instances: Sequence[Instance]
) -> tuple[np.ndarray, list[int]]:
    """Lay the chosen documents of all models behind one another, with where each model's begin."""
    chosen = [
        instance.public["docs"][choice].reshape(-1)
        for choice, instance in zip(choices, instances, strict=True)
    ]
    ends = np.cumsum([len(each) for each in chosen])
    return np.concatenate(chosen).astype(np.int64), [0, *ends[:-1].tolist()]


def _plan(
    instance: Instance, choice: np.ndarray, number: int, begin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the places (steps, batch) of the bytes to be told, and the initial weights (P,).

    The luck depends on the instance only, so that two programs meet the same.
    """
    draw = rng("data_selection_text", "grade", instance.name, number)
    weights = initial(draw, LEARNER)
    docs = instance.public["docs"]
    lengths = (docs[choice] != 0).sum(1)
    row = _whole(draw.random((LEARNER.steps, LEARNER.batch)), np.array(len(choice)))
    within = CONTEXT + _whole(draw.random((LEARNER.steps, LEARNER.batch)), lengths[row] - CONTEXT)
    return begin + row * docs.shape[1] + within, weights


def _whole(share: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Turn shares in [0, 1) into integers from 0 to below a bound."""
    return np.minimum((share * bound).astype(np.int64), bound - 1)


def _told(docs: np.ndarray) -> np.ndarray:
    """Give all places (n,) of documents (e, L) that have eight bytes before them and are no padding."""
    places = np.arange(docs.size).reshape(docs.shape)[:, CONTEXT:]
    return places[docs[:, CONTEXT:] != 0]
