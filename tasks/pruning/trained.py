"""A trained net as the grader holds it: what is left of it under masks, and how well that does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .calibration import describe, public_layers
from .fitting import RECIPES, Recipe, batches, descend, losses
from .nets import Architecture, forward, layers_of, units_of

CHUNK = 64  # evaluation examples of one pass: larger ones leave the processor's cache


@dataclass(frozen=True)
class FineTuning:
    """A short training of what is left: AdamW, its rate falling to zero.

    steps: none for none. rate: the first rate, relative to that of the net's own training.
    """

    steps: int = 0
    rate: float = 0.25


NO_TUNING = FineTuning()


@dataclass(frozen=True)
class TrainedNet:
    """One net with what it is graded on.

    weights: {name.W: (out, fan_in)} of prunable layers; others: all other parameters.
    inputs, targets: evaluation examples. reference: the quality of knowing nothing. name: seeds
    the batches of fine-tuning. calibration: inputs and targets that criteria are told of.
    """

    name: str
    shape: Architecture
    weights: Mapping[str, np.ndarray]
    others: Mapping[str, np.ndarray]
    inputs: np.ndarray
    targets: np.ndarray
    calibration: tuple[np.ndarray, np.ndarray]
    reference: float
    device: str = "cpu"
    _dense: list[float] = field(default_factory=list, repr=False)

    def recovered(self, masks: Sequence[np.ndarray], tuning: FineTuning = NO_TUNING) -> float:
        """Give the share of the dense net's quality that is left: 1 for all, 0 for a guess."""
        if not self._dense:
            self._dense.append(self.quality(self.parameters()))
        kept = self.quality(self.masked(masks, tuning))
        return share_left(kept, self._dense[0], self.reference)

    @property
    def family(self) -> str:
        return self.shape.family

    def parameters(self) -> dict[str, Tensor]:
        """Give all parameters with an axis of one net."""
        both = {**self.weights, **self.others}
        return {
            key: torch.from_numpy(np.array(value))[None].to(self.device)
            for key, value in both.items()
        }

    def masked(
        self, masks: Sequence[np.ndarray], tuning: FineTuning = NO_TUNING
    ) -> dict[str, Tensor]:
        """Give the parameters under masks, fine-tuned if told.

        masks: (out, fan_in) of every layer, or (out,) of every layer whose units may be cut.
        """
        params = self.parameters()
        kept = self._kept([torch.from_numpy(np.array(mask)).to(self.device) for mask in masks])
        for key, mask in kept.items():
            params[key] = params[key] * mask
        if tuning.steps:
            first = RECIPES[self.shape.family]
            recipe = replace(first, steps=tuning.steps, rate=first.rate * tuning.rate, warm=1)
            descend(self.shape, params, self._batches(recipe), recipe, masks=kept)
        return params

    def _kept(self, masks: Sequence[Tensor]) -> dict[str, Tensor]:
        """Give what of which parameters stays, with an axis of one net."""
        if masks[0].ndim == 1:
            # Without its bias a unit is zero, and so is what an activation makes of it.
            names = [units.layer.name for units in units_of(self.shape)]
            rows = list(zip(names, masks, strict=True))
            return {f"{name}.W": mask[None, :, None] for name, mask in rows} | {
                f"{name}.b": mask[None] for name, mask in rows
            }
        layers = layers_of(self.shape)
        return {f"{layer.name}.W": mask[None] for layer, mask in zip(layers, masks, strict=True)}

    def quality(self, params: Mapping[str, Tensor]) -> float:
        """Give the accuracy of a classifier, or minus bits per character, over all examples."""
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(self.targets), CHUNK):
                part = slice(start, start + CHUNK)
                inputs, targets = self._tensors(self.inputs[part], self.targets[part])
                logits = forward(self.shape, params, inputs)
                if self.shape.family == "lm":
                    found = -losses(logits, targets).item() / np.log(2)
                else:
                    found = (logits.argmax(-1) == targets).double().mean().item()
                total += found * inputs.shape[1]
        return total / len(self.targets)

    def answers(
        self, params: Mapping[str, Tensor], rows: slice | np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Give logits (M, n, ...) of M nets on some calibration examples, and targets (n, ...).

        Controls measure and train by it.
        """
        inputs, targets = self._tensors(*(part[rows] for part in self.calibration))
        nets = len(next(iter(params.values())))
        logits = forward(self.shape, params, inputs.expand(nets, *inputs.shape[1:]))
        return logits, targets[0]

    def layers(
        self, masks: Sequence[np.ndarray] | None = None, examples: int | None = None
    ) -> list[dict[str, Any]]:
        """Describe the layers as criteria see them, of the net as masks leave it if there are any.

        examples: how many to calibrate on; all of them unless told.
        """
        params = self.parameters() if masks is None else self.masked(masks)
        inputs, targets = (part[:examples] for part in self.calibration)
        fields = describe(self.shape, params, *self._tensors(inputs, targets))
        return public_layers(layers_of(self.shape), fields)

    def _tensors(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[Tensor, Tensor]:
        return (
            torch.from_numpy(inputs)[None].to(self.device),
            torch.from_numpy(targets)[None].to(self.device),
        )

    def _batches(self, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
        return batches([f"{self.name} again"], self.shape.family, recipe, self.device)


def share_left(kept: float, dense: float, reference: float) -> float:
    """Give (kept - reference) / (dense - reference), LEAST if it is lower.

    A language model can be worse than any guess; how much worse shall not decide a mean.
    """
    return max((kept - reference) / (dense - reference), LEAST)


# What an accuracy of zero among ten classes comes to.
LEAST = -1 / 9
