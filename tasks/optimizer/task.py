"""Optimizer: an update rule that trains small nets fast, at any of three learning rates.

An instance is one learning problem; its nets (learning rates x initial weights) are trained side by
side here, outside the wall, and a program sees gradients and weights only, step by step.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

from .nets import gradients, losses, moved
from .problems import SEEN, UNSEEN, Kind, Problem, draw_problem, start

MULTIPLIERS = (0.3, 1.0, 3.0)  # of a rule's own learning rate
MEASURED = 10  # times over a training, evenly
WORST = 3.0  # nats; what a net that runs away counts
LOOK_EVERY = 5  # steps, at which an update is compared with the one before
DIGITS = 7  # of a loss, so that the last bits of a sum tell no rules apart
SHORTEST, LONGEST = 0.25, 256.0  # steps: half-lives of momentum that can be told
FIRST_STEPS = 7  # that a rule is told of in the first probe, which makes the first of them
# (kind, steps, scale of the inputs, columns that are constant): tiny, as graded, and hard shapes.
PROBES = (
    (Kind("tiny", "wine", (3,)), 7, 1.0, 0),
    (SEEN[0], 30, 1.0, 0),
    (SEEN[2], 30, 1e3, 0),
    (SEEN[3], 30, 1e-3, 4),
    (UNSEEN[2], 20, 1.0, 30),
)


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give one instance per problem; kinds take turns."""
    if split == "probe":
        for each in (_single_call(settings), *_probes(settings)):
            # What a rule is called with first, as far as operators must know it: its shape.
            shown = np.zeros(each.public["start"][0].shape[1:], np.float32)
            yield replace(each, public={**each.public, "g": shown})
        return
    own = settings.data.path
    kinds = UNSEEN if split == "test" else SEEN
    for number in range(getattr(settings, f"{split}_problems")):
        name, kind = f"{split}-{block}-{number}", kinds[number % len(kinds)]
        problem = draw_problem(name, kind, own)
        yield _instance(name, kind, problem, settings.steps, settings)


def _single_call(settings: Any) -> Instance:
    """Give weights of one net for one step: a single call, by which operators learn types."""
    kind, name = Kind("one layer", "wine", ()), "probe-first-call"
    whole = _instance(name, kind, draw_problem(name, kind), FIRST_STEPS, settings)
    weights, biases = (tensor[:1] for tensor in whole.public["start"])
    return replace(
        whole,
        public={**whole.public, "start": [weights]},
        private={
            "multipliers": whole.private["multipliers"][:1],
            "problem": whole.private["problem"],
            "batches": whole.private["batches"][:1, :1],
            "fixed": [biases],
        },
    )


def _probes(settings: Any) -> Iterator[Instance]:
    for number, (kind, steps, scale, constant) in enumerate(PROBES):
        problem = draw_problem(f"probe-{number}", kind)
        problem.x[:] *= np.float32(scale)
        problem.x[:, :constant] = 0
        yield _instance(f"probe-{number}", kind, problem, steps, settings)


def _instance(name: str, kind: Kind, problem: Problem, steps: int, settings: Any) -> Instance:
    """Lay out the nets: every initial net at every multiplier, with the same batches for each."""
    draws = [rng("optimizer", "nets", name, number) for number in range(settings.initialisations)]
    each = [start(problem.layers, draw) for draw in draws]
    nets = [
        np.repeat(np.stack(tensors), len(MULTIPLIERS), 0) for tensors in zip(*each, strict=True)
    ]
    batches = [draw.integers(0, len(problem.y), (steps, settings.batch)) for draw in draws]
    return Instance(
        name=name,
        public={"start": nets, "T": steps},
        private={
            "multipliers": np.tile(np.float32(MULTIPLIERS), len(draws)),
            "problem": problem,
            "batches": np.repeat(np.stack(batches, 1), len(MULTIPLIERS), 1),
            "fixed": [],
        },
        groups={"data": kind.name},
    )


def feed(instance: Instance) -> Generator[dict[str, Any], Any, dict[str, Any]]:
    """Train all nets of an instance with the deltas that a rule gives for their gradients.

    There are as many steps as batches; tensors that are fixed come last and stay what they are.
    """
    problem, batches = instance.private["problem"], instance.private["batches"]
    fixed = instance.private["fixed"]
    nets = [np.array(tensor) for tensor in instance.public["start"]]
    rates = instance.private["multipliers"]
    steps = len(batches)
    found: list[np.ndarray] = []
    seen = Behaviour()
    stops = set(np.linspace(steps / MEASURED, steps, MEASURED).round().astype(int).tolist())
    for t in range(1, steps + 1):
        rows = batches[t - 1]
        slopes = gradients([*nets, *fixed], problem.x[rows], problem.y[rows])[: len(nets)]
        deltas = yield {"t": t, "gradients": slopes}
        _check(deltas, nets, instance.name)
        nets = [moved(*pair, rates) for pair in zip(nets, deltas, strict=True)]
        seen.note(t, deltas)
        if t in stops:
            loss = losses([*nets, *fixed], problem.measure_x, problem.measure_y)
            found.append(np.minimum(loss, WORST))
    kept = np.nan_to_num(np.stack(found, 1), nan=WORST)
    return {"losses": kept.round(DIGITS), "sign": seen.sign(), "half_life": seen.half_life()}


def _check(deltas: Any, nets: list[np.ndarray], name: str) -> None:
    if not isinstance(deltas, list) or len(deltas) != len(nets):
        raise Invalid(f"{name}: {len(nets)} arrays of deltas are expected")
    for delta, tensor in zip(deltas, nets, strict=True):
        if not isinstance(delta, np.ndarray) or delta.dtype != tensor.dtype:
            raise Invalid(f"{name}: a delta is no array of {tensor.dtype}")
        if delta.shape != tensor.shape:
            raise Invalid(f"{name}: a delta has shape {delta.shape}, its tensor {tensor.shape}")


class Behaviour:
    """What updates look like, over the largest tensor of all nets."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._signs: list[float] = []
        self._cosines: list[float] = []

    def note(self, t: int, deltas: list[np.ndarray]) -> None:
        """Look at the updates of step t, now and then."""
        if t % LOOK_EVERY > 1:
            return
        largest = max(deltas, key=lambda delta: delta.size)
        now = np.nan_to_num(
            largest.reshape(len(largest), -1).astype(np.float64), posinf=0, neginf=0
        )
        power = (now**2).mean(1) + 1e-300
        self._signs.append(float((np.abs(now).mean(1) ** 2 / power).mean()))
        if t % LOOK_EVERY == 1 and self._before is not None:
            both = np.sqrt(power) * np.sqrt((self._before**2).mean(1) + 1e-300)
            self._cosines.append(float(((now * self._before).mean(1) / both).mean()))
        self._before = now

    def sign(self) -> float:
        """Give (mean |delta|)^2 / mean delta^2: 1 for a sign, 0.64 for normal numbers."""
        return float(np.mean(self._signs)) if self._signs else 0.0

    def half_life(self) -> float:
        """Give the steps after which half of an update is left in later ones, by its cosine."""
        cosine = float(np.mean(self._cosines)) if self._cosines else 0.0
        if cosine <= 0:
            return SHORTEST
        return float(np.clip(np.log(0.5) / np.log(min(cosine, 1 - 1e-9)), SHORTEST, LONGEST))


def grade(instance: Instance, output: Any) -> Grade:
    """Score minus the mean loss on rows that trained nothing, over the training and all nets."""
    table = np.asarray(output["losses"])
    mean = table.mean(1)
    by_rate = {
        m: float(mean[number :: len(MULTIPLIERS)].mean()) for number, m in enumerate(MULTIPLIERS)
    }
    found = {
        "sign": float(output["sign"]),
        "half_life": float(np.log2(output["half_life"])),
        "last_loss": float(table[:, -1].mean()),
        **{f"loss_{multiplier:g}".replace(".", "_"): loss for multiplier, loss in by_rate.items()},
    }
    rates = ", ".join(f"{loss:.3f} at {multiplier:g}" for multiplier, loss in by_rate.items())
    said = (
        f"mean loss {rates} times the learning rate; at the end {found['last_loss']:.3f}; "
        f"sign-likeness {found['sign']:.2f}, momentum half-life {output['half_life']:.1f} steps"
    )
    return Grade(score=-float(mean.mean()), measures=found, feedback=said)
