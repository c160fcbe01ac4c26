"""What a criterion is told of a trained net: moments of every layer on calibration examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .fitting import losses
from .nets import Architecture, Layer, Params, Pass, forward, layers_of, units_of

# What `describe` gives of a layer, beside its name, kind and place.
FIELDS = ("W", "b", "x_norm", "x_mean", "H", "z_mean", "z_std", "G", "G2")
MOST = 2**24  # gradients of examples that are held at once: 64 MB


def describe(
    shape: Architecture, params: Params, inputs: Tensor, targets: Tensor
) -> list[dict[str, np.ndarray]]:
    """Give FIELDS of every prunable layer of one net, float32.

    params: with an axis of one net. inputs, targets: (1, n, ...), the calibration examples.
    """
    params = {key: value.detach().clone().requires_grad_() for key, value in params.items()}
    seen: dict[str, Pass] = {}
    examples = inputs.shape[1]
    # The sum over examples of each one's mean loss, so that gradients of examples stay apart.
    loss = losses(forward(shape, params, inputs, seen), targets).sum() * examples
    names = [layer.name for layer in layers_of(shape)]
    slopes = torch.autograd.grad(loss, [seen[name].outputs for name in names])
    return [
        {
            "W": params[f"{name}.W"][0].detach().cpu().numpy(),
            "b": params[f"{name}.b"][0].detach().cpu().numpy(),
            **moments(seen[name].inputs[0].detach(), seen[name].outputs[0].detach(), slope[0]),
        }
        for name, slope in zip(names, slopes, strict=True)
    ]


def moments(x: Tensor, z: Tensor, slope: Tensor) -> dict[str, np.ndarray]:
    """Sum up what went through a layer.

    x: (n, positions, fan_in) inputs; z: (n, positions, out) outputs before the activation;
    slope: (n, positions, out) each example's gradient of its loss by z.
    """
    rows, outputs = x.flatten(0, 1), z.flatten(0, 1)
    second = rows.T @ rows / len(rows)
    mean, square = _gradients(slope, x)
    return {
        key: value.cpu().numpy()
        for key, value in {
            "x_norm": second.diagonal().sqrt(),
            "x_mean": rows.mean(0),
            "H": second,
            "z_mean": outputs.mean(0),
            "z_std": outputs.std(0, correction=0),
            "G": mean,
            "G2": square,
        }.items()
    }


def _gradients(slope: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean of examples' gradients (out, fan_in), and of their squares, part by part."""
    size = slope.shape[-1] * x.shape[-1]
    mean = square = torch.zeros((), device=x.device)
    for some, their in zip(*(each.split(max(MOST // size, 1)) for each in (slope, x)), strict=True):
        gradients = torch.einsum("npo,npi->noi", some, their)
        mean = mean + gradients.sum(0)
        square = square + gradients.square().sum(0)
    return mean / len(x), square / len(x)


def public_layers(layers: list[Layer], fields: list[dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    """Give the layers as a criterion sees them."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "depth": depth,
            "n_layers": len(layers),
            **{key: np.ascontiguousarray(found[key], dtype=np.float32) for key in FIELDS},
        }
        for depth, (layer, found) in enumerate(zip(layers, fields, strict=True))
    ]


def unit_layers(shape: Architecture, layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the layers whose units may be cut, each with what is known of its units' readers.

    W_next (out, m): all weights that read a unit. a_norm, a_mean (out,): root mean square and mean
    of the unit as it is read, after activation and pooling.
    """
    places = {layer["name"]: layer for layer in layers}
    found = []
    for layer, reader, width in units_of(shape):
        read = places[reader.name]
        columns = read["W"].reshape(reader.out, layer.out, width)
        squares = np.square(read["x_norm"]).reshape(layer.out, width)
        found.append(
            {
                **places[layer.name],
                "W_next": np.ascontiguousarray(columns.swapaxes(0, 1).reshape(layer.out, -1)),
                "a_norm": np.sqrt(squares.mean(1)),
                "a_mean": read["x_mean"].reshape(layer.out, width).mean(1),
            }
        )
    return found
