"""Cuts whole units and channels of a torch module by a discovered criterion.

    from program import score_units
    from torch_units import cut_units

    cut_units(score_units, net, calibration_inputs, sparsity=0.5)

The units that go are zero from then on, through `torch.nn.utils.prune`; to make the net smaller,
leave out the rows of their layer, and the columns that read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

Score = Callable[[list[dict[str, Any]], float], Sequence[np.ndarray]]
Loss = Callable[[Tensor], Tensor]
MOST = 2**24  # gradients of examples that are held at once: 64 MB


class Units(prune.BasePruningMethod):
    """Keeps whole outputs of a layer. kept: truth values (out,)."""

    PRUNING_TYPE = "structured"

    def __init__(self, kept: Tensor) -> None:
        self.kept = kept

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * self.kept.view(-1, *[1] * (t.ndim - 1)).to(default_mask)


def cut_units(
    score_units: Score,
    module: nn.Module,
    inputs: Tensor,
    sparsity: float,
    loss: Loss | None = None,
) -> nn.Module:
    """Cut a share of the hidden units of a module in place, ranked over its layers; give it back.

    score_units: the discovered program. inputs: some 256 calibration examples, as the module takes
    them. loss: gives each example's loss, (n,), from the module's output; without it, that of labels
    drawn from the module's own probabilities, its output being logits (n, ..., classes).

    Units are cut of layers whose successor, in the order of passing, takes a multiple of as many
    inputs as they give outputs: of chains. Where outputs go elsewhere too, as past a shortcut, do
    not use this. Raises: ValueError if no layer is such a one, or a score has a wrong shape, or NaN.
    """
    layers, described = describe(module, inputs, loss or own_labels_loss)
    pairs = list(zip(pairwise(layers), pairwise(described), strict=True))
    hidden = [
        (layer, {**about, **readers(about, reader)})
        for (layer, _), (about, reader) in pairs
        if reader["W"].shape[1] % about["W"].shape[0] == 0
    ]
    if not hidden:
        raise ValueError("no layer's outputs are, all of them, inputs of the next")
    told = [about for _, about in hidden]
    scores = [np.asarray(found, dtype=np.float64) for found in score_units(told, sparsity)]
    for about, found in zip(told, scores, strict=True):
        if found.shape != about["W"].shape[:1] or np.isnan(found).any():
            raise ValueError(f"{about['name']}: scores of shape {found.shape}, or NaN among them")
    flat = np.concatenate(scores)
    kept = np.zeros(len(flat), dtype=bool)
    kept[np.argsort(-flat, kind="stable")[: len(flat) - round(sparsity * len(flat))]] = True
    ends = np.cumsum([len(found) for found in scores])[:-1]
    for (layer, _), part in zip(hidden, np.split(kept, ends), strict=True):
        for name in ("weight", "bias"):
            if getattr(layer, name) is not None:
                Units.apply(layer, name, torch.from_numpy(part.copy()))
    return module


def readers(about: dict[str, Any], reader: dict[str, Any]) -> dict[str, np.ndarray]:
    """Give what is known of the weights that read the units of a layer, and of what they read."""
    out, (next_out, fan_in) = len(about["W"]), reader["W"].shape
    columns = reader["W"].reshape(next_out, out, fan_in // out)
    return {
        "W_next": columns.swapaxes(0, 1).reshape(out, -1),
        "a_norm": np.sqrt(np.square(reader["x_norm"]).reshape(out, -1).mean(1)),
        "a_mean": reader["x_mean"].reshape(out, -1).mean(1),
    }


def describe(
    module: nn.Module, inputs: Tensor, loss: Loss
) -> tuple[list[nn.Module], list[dict[str, Any]]]:
    """Give the layers that can be cut, as they are passed, and what a criterion is told of each.

    These are nn.Linear and nn.Conv2d (of one group) that are passed once. The module is run in
    evaluation mode and left as it was.
    """
    names = {
        layer: name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
    }
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}

    def keep(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.setdefault(layer, []).append((given[0].detach().clone(), output))
        return output.clone()

    hooks = [layer.register_forward_hook(keep) for layer in names]
    training = module.training
    try:
        module.eval()
        with torch.enable_grad():
            total = loss(module(inputs)).sum()
        layers = [layer for layer, passes in seen.items() if len(passes) == 1]
        slopes = torch.autograd.grad(total, [seen[layer][0][1] for layer in layers])
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    described = []
    for depth, (layer, slope) in enumerate(zip(layers, slopes, strict=True)):
        x, z = seen[layer][0]
        weights = layer.weight.detach().flatten(1)
        shift = weights.new_zeros(len(weights)) if layer.bias is None else layer.bias.detach()
        described.append(
            {
                "name": names[layer],
                "kind": "conv" if isinstance(layer, nn.Conv2d) else "linear",
                "depth": depth,
                "n_layers": len(layers),
                "W": plain(weights),
                "b": plain(shift),
                **moments(places(layer, x), outputs(layer, z), outputs(layer, slope)),
            }
        )
    return layers, described


def own_labels_loss(logits: Tensor) -> Tensor:
    """Give each example's loss for labels drawn from the logits' own probabilities."""
    rows = logits.reshape(-1, logits.shape[-1])
    drawn = torch.from_numpy(np.random.default_rng(0).random(len(rows))).to(rows)
    chances = rows.detach().softmax(-1).cumsum(-1)
    labels = (chances < drawn[:, None]).sum(-1).clamp(max=rows.shape[-1] - 1)
    losses = functional.cross_entropy(rows, labels, reduction="none")
    return losses.view(len(logits), -1).mean(1)


def moments(x: Tensor, z: Tensor, slope: Tensor) -> dict[str, np.ndarray]:
    """Sum up what went through a layer: x (n, places, fan_in), z and slope (n, places, out)."""
    rows, answers = x.flatten(0, 1), z.detach().flatten(0, 1)
    second = rows.T @ rows / len(rows)
    mean = square = torch.zeros((), device=x.device)
    part = max(MOST // (slope.shape[-1] * x.shape[-1]), 1)
    for some, their in zip(slope.split(part), x.split(part), strict=True):
        gradients = torch.einsum("npo,npi->noi", some, their)
        mean = mean + gradients.sum(0)
        square = square + gradients.square().sum(0)
    return {
        "x_norm": plain(second.diagonal().sqrt()),
        "x_mean": plain(rows.mean(0)),
        "H": plain(second),
        "z_mean": plain(answers.mean(0)),
        "z_std": plain(answers.std(0, correction=0)),
        "G": plain(mean / len(x)),
        "G2": plain(square / len(x)),
    }


def places(layer: nn.Module, x: Tensor) -> Tensor:
    """See inputs as (n, places, fan_in)."""
    if not isinstance(layer, nn.Conv2d):
        return x.reshape(len(x), -1, x.shape[-1])
    padding = layer.padding
    if isinstance(padding, str):
        sizes = zip(layer.dilation, layer.kernel_size, strict=True)
        padding = tuple(d * (k - 1) // 2 * (layer.padding == "same") for d, k in sizes)
    patches = functional.unfold(
        x, layer.kernel_size, layer.dilation, padding=padding, stride=layer.stride
    )
    return patches.transpose(1, 2)


def outputs(layer: nn.Module, z: Tensor) -> Tensor:
    """See outputs as (n, places, out)."""
    if isinstance(layer, nn.Conv2d):
        return z.flatten(2).transpose(1, 2)
    return z.reshape(len(z), -1, z.shape[-1])


def plain(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy().copy()
