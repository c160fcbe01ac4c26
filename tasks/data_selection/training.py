"""Many small multilayer perceptrons, trained at once as one batched tensor program.

Forward and backward passes are written out over preallocated buffers: for nets of this size the
bookkeeping of automatic differentiation costs more than the arithmetic. Logits lie as
(nets, classes, batch), since a product with ten columns is four times slower than with ten rows.

What one net computes does not depend on which others are trained beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# So many nets at a time on a CPU: their weights, moments and activations stay in a 1 MiB cache.
NETS_AT_A_TIME = 16

# Buffers end on a whole vector of any CPU: what is left over would be computed by scalar code,
# which rounds otherwise, and the last net of a group would depend on how many there are.
VECTOR = 64


@dataclass(frozen=True)
class Recipe:
    """How a net is trained: AdamW with a rate that falls linearly to zero.

    hidden: units of the one hidden layer. rate: the first learning rate.
    """

    steps: int = 300
    batch: int = 64
    hidden: int = 64
    rate: float = 0.01
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Nets:
    """The weights of M nets: `w1 (M, d, h)`, `b1 (M, 1, h)`, `w2 (M, C, h)`, `b2 (M, C, 1)`."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


Visit = Callable[[int, slice, Nets], None]


def train(
    images: Tensor,
    targets: Tensor,
    order: np.ndarray,
    start: np.ndarray,
    recipe: Recipe,
    visit: Visit,
    visit_at: frozenset[int],
) -> None:
    """Train M nets, each on its own rows of one table of examples, and show them to `visit`.

    images: (E, d) float32. targets: (E, C) float32, one-hot. Their device is where nets train.
    order: (M, steps, batch) int64, the rows of the table that every step sees.
    start: (M, P) float32, the initial weights as `initial` gives them.
    visit: called as `visit(step, which, nets)` after the steps (counted from 1) in `visit_at`;
        `which` is the slice of the M nets that `nets` holds. Its tensors change afterwards.
    """
    at_a_time = NETS_AT_A_TIME if images.device.type == "cpu" else len(order)
    with torch.no_grad():
        for first in range(0, len(order), at_a_time):
            which = slice(first, min(first + at_a_time, len(order)))
            bench = _Bench(images, targets, order[which], start[which], recipe)
            for step in range(1, recipe.steps + 1):
                bench.step(step)
                if step in visit_at:
                    visit(step, which, bench.nets)


def initial(rng: np.random.Generator, d: int, classes: int, hidden: int) -> np.ndarray:
    """Draw the weights of one net, (P,) float32: normal, sd sqrt(2/d) and 1/sqrt(h); no biases."""
    first = rng.standard_normal(d * hidden, dtype=np.float32) * math.sqrt(2 / d)
    second = rng.standard_normal(hidden * classes, dtype=np.float32) / math.sqrt(hidden)
    parts = first, np.zeros(hidden), second, np.zeros(classes)
    return np.concatenate(parts).astype(np.float32)


def hidden_units(nets: Nets, images: Tensor) -> Tensor:
    """Give the activations (M, n, h) of the hidden layer for n images of all, or of each, net."""
    many = images if images.dim() == 3 else images.expand(len(nets.w1), *images.shape)
    return torch.baddbmm(nets.b1, many, nets.w1).relu_()


def logits(nets: Nets, hidden: Tensor) -> Tensor:
    """Give the logits (M, C, n) for activations (M, n, h)."""
    return torch.baddbmm(nets.b2, nets.w2, hidden.transpose(1, 2))


class _Bench:
    """The buffers of a group of nets, and one step of training on them."""

    def __init__(
        self, images: Tensor, targets: Tensor, order: np.ndarray, start: np.ndarray, recipe: Recipe
    ) -> None:
        nets, (d, classes), hidden = len(order), (images.shape[1], targets.shape[1]), recipe.hidden
        device = images.device
        self.images, self.targets, self.recipe = images, targets, recipe
        self.order = torch.from_numpy(order).to(device).transpose(0, 1).reshape(recipe.steps, -1)
        shapes = ((d, hidden), (1, hidden), (classes, hidden), (classes, 1))
        size = nets * sum(a * b for a, b in shapes)
        self.flat = torch.zeros(-(-size // VECTOR) * VECTOR, device=device)
        self.gradient = torch.zeros_like(self.flat)
        self.moments = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.count = torch.zeros((), device=device)
        self.nets = Nets(*_views(self.flat, nets, shapes))
        self.slopes = Nets(*_views(self.gradient, nets, shapes))
        _fill(self.nets, torch.from_numpy(start).to(device))
        self.x = torch.empty(nets, recipe.batch, d, device=device)
        self.target = torch.empty(nets, recipe.batch, classes, device=device)
        self.hidden = torch.empty(nets, recipe.batch, hidden, device=device)
        self.back = torch.empty_like(self.hidden)
        self.logits = torch.empty(nets, classes, recipe.batch, device=device)

    def step(self, step: int) -> None:
        """Take one step of AdamW on the cross-entropy; `step` counts from 1."""
        self._gradients(self.order[step - 1])
        self.count += 1
        torch._fused_adamw_(
            [self.flat],
            [self.gradient],
            [self.moments[0]],
            [self.moments[1]],
            [],
            [self.count],
            lr=self.recipe.rate * (1 - (step - 1) / self.recipe.steps),
            beta1=0.9,
            beta2=0.999,
            weight_decay=self.recipe.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def _gradients(self, rows: Tensor) -> None:
        x, target, hidden, back, out = self.x, self.target, self.hidden, self.back, self.logits
        torch.index_select(self.images, 0, rows, out=x.flatten(0, 1))
        torch.index_select(self.targets, 0, rows, out=target.flatten(0, 1))
        torch.baddbmm(self.nets.b1, x, self.nets.w1, out=hidden)
        hidden.relu_()
        torch.baddbmm(self.nets.b2, self.nets.w2, hidden.transpose(1, 2), out=out)
        torch.softmax(out, 1, out=out)
        # The slope of the mean cross-entropy by the logits, from here on back to the first layer.
        out.sub_(target.transpose(1, 2)).mul_(1 / self.recipe.batch)
        torch.bmm(out, hidden, out=self.slopes.w2)
        torch.sum(out, 2, keepdim=True, out=self.slopes.b2)
        torch.bmm(out.transpose(1, 2), self.nets.w2, out=back)
        torch.ops.aten.threshold_backward.grad_input(back, hidden, 0, grad_input=back)
        torch.bmm(x.transpose(1, 2), back, out=self.slopes.w1)
        torch.sum(back, 1, keepdim=True, out=self.slopes.b1)


def _views(flat: Tensor, nets: int, shapes: tuple[tuple[int, int], ...]) -> list[Tensor]:
    """Cut one flat buffer into a block (nets, a, b) for every shape."""
    sizes = [nets * a * b for a, b in shapes]
    blocks = flat[: sum(sizes)].split(sizes)
    return [block.view(nets, a, b) for block, (a, b) in zip(blocks, shapes, strict=True)]


def _fill(nets: Nets, start: Tensor) -> None:
    """Copy initial weights (M, P) into the nets, layer by layer."""
    parts = nets.w1, nets.b1, nets.w2, nets.b2
    blocks = start.split([part[0].numel() for part in parts], dim=1)
    for part, block in zip(parts, blocks, strict=True):
        part.copy_(block.view(part.shape))
