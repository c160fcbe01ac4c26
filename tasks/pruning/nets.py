"""Three kinds of small nets, each many at once: every array has a leading axis of nets, M.

`mlp` and `cnn` read images of 8 x 8 grey pixels and tell one of ten digits; `lm` reads characters
and tells the next one. Weights that may be pruned are matrices (M, out, fan_in); those of a
convolution hold its kernels flattened to in_channels x 3 x 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SIDE, CLASSES = 8, 10
KERNEL = 3
HEADS = 4
CONTEXT = 64  # characters that the language model sees at once
EXPANSION = 4  # hidden units of a transformer's block per feature

Params = Mapping[str, Tensor]


@dataclass(frozen=True)
class Architecture:
    """The shape of a net.

    widths: of an mlp its two hidden layers; of a cnn the channels of two convolutions and the
    hidden layer; of an lm the features and the number of blocks. vocabulary: characters of an lm.
    """

    family: str
    widths: tuple[int, ...]
    vocabulary: int = 0


class Layer(NamedTuple):
    """A layer whose weights (out, fan_in) may be pruned. kind: "linear" or "conv"."""

    name: str
    kind: str
    out: int
    fan_in: int


class Pass(NamedTuple):
    """What went through one layer: inputs (M, n, positions, fan_in), outputs (..., out)."""

    inputs: Tensor
    outputs: Tensor


def layers_of(shape: Architecture) -> list[Layer]:
    """Give the prunable layers in the order in which they are passed."""
    if shape.family == "mlp":
        sizes = SIDE * SIDE, *shape.widths, CLASSES
        return [Layer(f"fc{i}", "linear", sizes[i], sizes[i - 1]) for i in range(1, len(sizes))]
    if shape.family == "cnn":
        first, second, hidden = shape.widths
        return [
            Layer("conv1", "conv", first, KERNEL**2),
            Layer("conv2", "conv", second, first * KERNEL**2),
            Layer("fc1", "linear", hidden, second * (SIDE // 4) ** 2),
            Layer("fc2", "linear", CLASSES, hidden),
        ]
    features, blocks = shape.widths
    found = []
    for block in range(blocks):
        found += [
            Layer(f"{block}.qkv", "linear", 3 * features, features),
            Layer(f"{block}.o", "linear", features, features),
            Layer(f"{block}.f1", "linear", EXPANSION * features, features),
            Layer(f"{block}.f2", "linear", features, EXPANSION * features),
        ]
    return [*found, Layer("h", "linear", shape.vocabulary, features)]


class Units(NamedTuple):
    """A layer whose outputs may be cut whole, and the layer that alone reads them.

    width: how many neighbouring inputs of the reader come from one output.
    """

    layer: Layer
    reader: Layer
    width: int


def units_of(shape: Architecture) -> list[Units]:
    """Give the layers whose outputs are hidden units or channels, in the order of passing."""
    layers = layers_of(shape)
    pairs = list(pairwise(layers))
    if shape.family == "lm":
        pairs = [pair for pair in pairs if pair[0].name.endswith("f1")]
    return [Units(layer, reader, reader.fan_in // layer.out) for layer, reader in pairs]


def initial(shape: Architecture, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the start of one net: uniform in +-1 / sqrt(fan_in), as torch does."""
    start = {}
    for layer in layers_of(shape):
        bound = layer.fan_in**-0.5
        start[f"{layer.name}.W"] = draw.uniform(-bound, bound, (layer.out, layer.fan_in))
        start[f"{layer.name}.b"] = draw.uniform(-bound, bound, layer.out)
    if shape.family == "lm":
        features, blocks = shape.widths
        start["characters"] = draw.normal(0, 0.3, (shape.vocabulary, features))
        start["places"] = draw.normal(0, 0.15, (CONTEXT, features))
        for norm in [f"{b}.{n}" for b in range(blocks) for n in ("n1", "n2")] + ["n"]:
            start[f"{norm}.gain"], start[f"{norm}.shift"] = np.ones(features), np.zeros(features)
    return {name: array.astype(np.float32) for name, array in start.items()}


def forward(
    shape: Architecture, params: Params, inputs: Tensor, seen: dict[str, Pass] | None = None
) -> Tensor:
    """Give logits, (M, n, classes) of images (M, n, 64), (M, n, t, vocabulary) of texts (M, n, t).

    seen: takes what went through every prunable layer, by name.
    """
    return _FORWARD[shape.family](shape, _Nets(params, seen), inputs)


class _Nets:
    """Parameters of M nets, and the layers they make."""

    def __init__(self, params: Params, seen: dict[str, Pass] | None) -> None:
        self.params, self._seen = params, seen

    def layer(self, name: str, x: Tensor) -> Tensor:
        """Pass x (M, n, positions, fan_in) through a layer."""
        weights, shift = self.params[f"{name}.W"], self.params[f"{name}.b"]
        rows = x.reshape(len(x), -1, x.shape[-1])
        z = torch.baddbmm(shift[:, None], rows, weights.transpose(1, 2))
        z = z.view(*x.shape[:-1], z.shape[-1])
        if self._seen is not None:
            self._seen[name] = Pass(x, z)
        return z

    def norm(self, name: str, x: Tensor) -> Tensor:
        gain, shift = self.params[f"{name}.gain"], self.params[f"{name}.shift"]
        plain = functional.layer_norm(x, x.shape[-1:])
        return plain * gain[:, None, None] + shift[:, None, None]


def _mlp(shape: Architecture, nets: _Nets, images: Tensor) -> Tensor:
    x = images[:, :, None]
    for layer in layers_of(shape)[:-1]:
        x = torch.relu(nets.layer(layer.name, x))
    return nets.layer(f"fc{len(shape.widths) + 1}", x)[:, :, 0]


def _cnn(shape: Architecture, nets: _Nets, images: Tensor) -> Tensor:
    x = images.reshape(*images.shape[:2], 1, SIDE, SIDE)
    for name in ("conv1", "conv2"):
        m, n, _, side, _ = x.shape
        patches = functional.unfold(x.flatten(0, 1), KERNEL, padding=KERNEL // 2)
        z = nets.layer(name, patches.view(m, n, -1, side * side).transpose(2, 3))
        maps = torch.relu(z).transpose(2, 3).reshape(m * n, -1, side, side)
        x = functional.max_pool2d(maps, 2).view(m, n, -1, side // 2, side // 2)
    x = torch.relu(nets.layer("fc1", x.flatten(2)[:, :, None]))
    return nets.layer("fc2", x)[:, :, 0]


def _lm(shape: Architecture, nets: _Nets, texts: Tensor) -> Tensor:
    m, n, length = texts.shape
    rows = torch.arange(m, device=texts.device)[:, None, None]
    x = nets.params["characters"][rows, texts] + nets.params["places"][:, None, :length]
    for block in range(shape.widths[1]):
        qkv = nets.layer(f"{block}.qkv", nets.norm(f"{block}.n1", x))
        parts = qkv.view(m * n, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        told = functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + nets.layer(f"{block}.o", told.transpose(1, 2).reshape(m, n, length, -1))
        hidden = functional.gelu(nets.layer(f"{block}.f1", nets.norm(f"{block}.n2", x)))
        x = x + nets.layer(f"{block}.f2", hidden)
    return nets.layer("h", nets.norm("n", x))


_FORWARD = {"mlp": _mlp, "cnn": _cnn, "lm": _lm}
