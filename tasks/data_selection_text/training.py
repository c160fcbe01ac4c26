"""Byte language models of one hidden layer, many trained at once as one batched tensor program.

A model sees the eight bytes before a place and gives the byte there a probability (Bengio et al.
2003, "A Neural Probabilistic Language Model", without direct connections). Forward and backward
passes are written out over preallocated buffers: for nets of this size the bookkeeping of automatic
differentiation costs about as much as the arithmetic.

What one net computes does not depend on which others are trained beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BYTES = 256
CONTEXT = 8
# Buffers end on a whole vector of any CPU: what is left over would be computed by scalar code,
# which rounds otherwise, and the last net of a group would depend on how many there are.
VECTOR = 64
# So many places at a time when models are graded: their logits stay in a cache of 4 MiB.
PLACES_AT_A_TIME = 4096


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: AdamW with a rate that falls linearly to zero.

    embedding: numbers per byte. hidden: units of the one hidden layer. rate: the first learning
    rate. batch: places per step.
    """

    steps: int = 600
    batch: int = 128
    embedding: int = 16
    hidden: int = 128
    rate: float = 0.005
    weight_decay: float = 0.01

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The blocks of one model's weights, in the order of `Models`."""
        inputs = CONTEXT * self.embedding
        return (
            (BYTES, self.embedding),
            (inputs, self.hidden),
            (1, self.hidden),
            (self.hidden, BYTES),
            (1, BYTES),
        )


@dataclass(frozen=True)
class Models:
    """Weights of M models: `table (M, 256, e)`, `w1 (M, 8e, h)`, `b1 (M, 1, h)`, `w2 (M, h, 256)`,
    `b2 (M, 1, 256)`."""

    table: Tensor
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


def train(text: Tensor, places: np.ndarray, start: np.ndarray, recipe: Recipe) -> Models:
    """Train M models, each on its own places of one text.

    text: (T,) int64 bytes; its device is where models are trained.
    places: (M, steps, batch) int64, of the bytes to be told, each with eight bytes before it.
    start: (M, P) float32, the initial weights as `initial` gives them.
    """
    bench = _Bench(text, places, start, recipe)
    with torch.no_grad():
        for step in range(recipe.steps):
            bench.step(step)
    return bench.models


def initial(draw: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Draw the weights of one model, (P,) float32: normal, sd 1 in the table, sqrt(2 / inputs) in
    the first layer, 1 / sqrt(hidden) in the second; no biases."""
    sds = (1.0, math.sqrt(2 / (CONTEXT * recipe.embedding)), 0.0, 1 / math.sqrt(recipe.hidden), 0.0)
    blocks = [
        draw.standard_normal(a * b, dtype=np.float32) * sd if sd else np.zeros(a * b)
        for (a, b), sd in zip(recipe.shapes, sds, strict=True)
    ]
    return np.concatenate(blocks).astype(np.float32)


def bits_per_byte(models: Models, number: int, text: Tensor, places: Tensor) -> float:
    """Give the mean of -log2 P(byte) of one of the models over places (n,) of a text."""
    net = [part[number] for part in vars(models).values()]
    before = torch.arange(-CONTEXT, 0, device=text.device)
    total = 0.0
    with torch.no_grad():
        for some in places.split(PLACES_AT_A_TIME):
            x = net[0][text[some[:, None] + before]].flatten(1)
            logits = torch.addmm(net[4], torch.addmm(net[2], x, net[1]).relu_(), net[3])
            nats = torch.nn.functional.cross_entropy(logits, text[some], reduction="sum")
            total += float(nats)
    return total / (len(places) * math.log(2))


class _Bench:
    """The buffers of M models, and one step of training on them."""

    def __init__(self, text: Tensor, places: np.ndarray, start: np.ndarray, recipe: Recipe) -> None:
        models, device, (batch, e, h) = (
            len(places),
            text.device,
            (recipe.batch, recipe.embedding, recipe.hidden),
        )
        self.recipe, self.text = recipe, text
        self.places = torch.from_numpy(places).to(device).transpose(0, 1).contiguous()
        self.before = torch.arange(-CONTEXT, 0, device=device)
        size = models * sum(a * b for a, b in recipe.shapes)
        self.flat = torch.zeros(-(-size // VECTOR) * VECTOR, device=device)
        self.gradient = torch.zeros_like(self.flat)
        self.moments = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.count = torch.zeros((), device=device)
        self.models = Models(*_views(self.flat, models, recipe.shapes))
        self.slopes = Models(*_views(self.gradient, models, recipe.shapes))
        _fill(self.models, torch.from_numpy(start).to(device))
        # Where each model's rows begin in the table of all of them.
        self.rows = BYTES * torch.arange(models, device=device)[:, None, None]
        self.x = torch.empty(models, batch, CONTEXT * e, device=device)
        self.x_slope = torch.empty_like(self.x)
        self.hidden = torch.empty(models, batch, h, device=device)
        self.hidden_slope = torch.empty_like(self.hidden)
        self.out = torch.empty(models, batch, BYTES, device=device)
        self.minus = torch.full((models, batch, 1), -1.0, device=device)

    def step(self, step: int) -> None:
        """Take one step of AdamW on the cross-entropy; `step` counts from 0."""
        self._gradients(self.places[step])
        self.count += 1
        torch._fused_adamw_(
            [self.flat],
            [self.gradient],
            [self.moments[0]],
            [self.moments[1]],
            [],
            [self.count],
            lr=self.recipe.rate * (1 - step / self.recipe.steps),
            beta1=0.9,
            beta2=0.999,
            weight_decay=self.recipe.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def _gradients(self, places: Tensor) -> None:
        nets, slopes, x, hidden, out = self.models, self.slopes, self.x, self.hidden, self.out
        rows = (self.text[places[..., None] + self.before] + self.rows).flatten()
        table = nets.table.flatten(0, 1)
        torch.index_select(table, 0, rows, out=x.view(len(rows), -1))
        torch.baddbmm(nets.b1, x, nets.w1, out=hidden)
        hidden.relu_()
        torch.baddbmm(nets.b2, hidden, nets.w2, out=out)
        torch.softmax(out, 2, out=out)
        # The slope of the mean cross-entropy by the logits, from here on back to the table.
        out.scatter_add_(2, self.text[places][..., None], self.minus).mul_(1 / self.recipe.batch)
        torch.bmm(hidden.transpose(1, 2), out, out=slopes.w2)
        torch.sum(out, 1, keepdim=True, out=slopes.b2)
        back = self.hidden_slope
        torch.bmm(out, nets.w2.transpose(1, 2), out=back)
        torch.ops.aten.threshold_backward.grad_input(back, hidden, 0, grad_input=back)
        torch.bmm(x.transpose(1, 2), back, out=slopes.w1)
        torch.sum(back, 1, keepdim=True, out=slopes.b1)
        torch.bmm(back, nets.w1.transpose(1, 2), out=self.x_slope)
        slopes.table.zero_()
        slopes.table.flatten(0, 1).index_add_(0, rows, self.x_slope.view(len(rows), -1))


def _views(flat: Tensor, models: int, shapes: tuple[tuple[int, int], ...]) -> list[Tensor]:
    """Cut one flat buffer into a block (models, a, b) for every shape."""
    sizes = [models * a * b for a, b in shapes]
    blocks = flat[: sum(sizes)].split(sizes)
    return [block.view(models, a, b) for block, (a, b) in zip(blocks, shapes, strict=True)]


def _fill(models: Models, start: Tensor) -> None:
    """Copy initial weights (M, P) into the models, block by block."""
    parts = list(vars(models).values())
    blocks = start.split([part[0].numel() for part in parts], dim=1)
    for part, block in zip(parts, blocks, strict=True):
        part.copy_(block.view(part.shape))
