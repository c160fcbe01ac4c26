"""A net of the user's own: `--set net.path=FILE.py:build`, with a checkpoint if it is named.

`build()` (or `build(checkpoint)`) gives a torch module, calibration inputs, evaluation inputs and
evaluation labels. README says what each must be; whatever is wrong is told in one sentence.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evolve.task import Unusable, rng

from .calibration import moments, public_layers
from .nets import Layer
from .own_file import load
from .trained import NO_TUNING, FineTuning, share_left

CALIBRATION = 256  # examples that one instance's moments are over, at most
# Shares of the evaluation examples: no split sees those of another.
PARTS = {"train": (0.0, 0.4), "valid": (0.4, 0.7), "test": (0.7, 1.0)}
VIEWS = 3  # draws of calibration and evaluation examples in one block
BATCH, RATE = 32, 4e-3  # of fine-tuning towards the dense net's answers; of it a share is used


@dataclass(frozen=True)
class OwnNet:
    """One view of a user's net: what it is calibrated and graded on.

    module: in evaluation mode. names: of its layers that may be cut, as they are passed.
    calibration: inputs alone. reference: the quality of naming the commonest label always.
    """

    name: str
    module: nn.Module
    names: tuple[str, ...]
    calibration: Tensor
    inputs: Tensor
    labels: Tensor
    reference: float
    dense: float
    family: str = "own"

    def recovered(self, masks: Sequence[np.ndarray], tuning: FineTuning = NO_TUNING) -> float:
        """Give the share of the dense net's quality that is left: 1 for all, 0 for a guess."""
        kept = _quality(self.masked(masks, tuning), self.inputs, self.labels)
        return share_left(kept, self.dense, self.reference)

    def masked(self, masks: Sequence[np.ndarray], tuning: FineTuning = NO_TUNING) -> nn.Module:
        """Give a copy under masks (out, fan_in), fine-tuned if told."""
        module = copy.deepcopy(self.module)
        layers = [module.get_submodule(name) for name in self.names]
        device = self.inputs.device
        kept = [torch.from_numpy(np.array(mask)).to(device) for mask in masks]
        _cut(layers, kept)
        if tuning.steps:
            module.requires_grad_()
            optimizer = torch.optim.AdamW(module.parameters(), RATE * tuning.rate)
            for inputs, said in self._batches(tuning.steps):
                optimizer.zero_grad()
                functional.cross_entropy(_rows(module(inputs)), said).backward()
                optimizer.step()
                _cut(layers, kept)
            module.requires_grad_(False)
        return module

    def layers(
        self, masks: Sequence[np.ndarray] | None = None, examples: int | None = None
    ) -> list[dict[str, Any]]:
        """Describe the layers as criteria see them, of the net as masks leave it if there are any."""
        module = self.module if masks is None else self.masked(masks)
        return describe(module, self.names, self.calibration[:examples], self.name)

    def _batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        draw = rng("pruning", "own batches", self.name)
        with torch.no_grad():
            said = self.module(self.calibration).softmax(-1)
        for _ in range(steps):
            rows = torch.from_numpy(draw.integers(0, len(said), BATCH)).to(said.device)
            yield self.calibration[rows], _rows(said[rows])


def own_nets(split: str, settings: Any, block: int) -> list[tuple[OwnNet, list[dict[str, Any]]]]:
    """Give the views of a block with their layers. Raises: Unusable."""
    if settings.pattern == "units":
        raise Unusable("net.path: units of a net of your own cannot be cut yet, only weights")
    module, calibration, inputs, labels = load(settings.net, settings.device)
    names = tuple(_passed(module, calibration[:2]))
    order = rng("pruning", "own parts").permutation(len(labels))
    low, high = (round(share * len(order)) for share in PARTS[split])
    found = []
    for view in range(VIEWS):
        name = f"{split}-{block}-own-{view}"
        draw = rng("pruning", "own", name)
        told = draw.permutation(len(calibration))[: min(CALIBRATION, 3 * len(calibration) // 4)]
        rows = draw.permutation(order[low:high])[: max(2 * (high - low) // 3, 1)]
        asked, right = inputs[rows], labels[rows]
        dense, reference = _quality(module, asked, right), _reference(right)
        if dense <= reference:
            raise Unusable(
                f"net.path: the net is no better ({dense:.3f}) than always naming the commonest "
                f"label ({reference:.3f}): build() must give a trained one"
            )
        net = OwnNet(name, module, names, calibration[told], asked, right, reference, dense)
        found.append((net, net.layers()))
    return found


def describe(
    module: nn.Module, names: Sequence[str], inputs: Tensor, seed: str
) -> list[dict[str, Any]]:
    """Describe layers, with gradients for labels drawn from the net's own probabilities."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    hooks = [
        module.get_submodule(name).register_forward_hook(_keeper(seen, name)) for name in names
    ]
    try:
        with torch.enable_grad():
            logits = module(inputs)
            chances = _rows(logits.detach()).softmax(-1).cumsum(-1)
            drawn = torch.from_numpy(rng("pruning", "own labels", seed).random(len(chances)))
            said = (chances < drawn.to(chances)[:, None]).sum(-1).clamp(max=chances.shape[-1] - 1)
            losses = functional.cross_entropy(_rows(logits), said, reduction="none")
            loss = losses.view(len(inputs), -1).mean(1).sum()
            slopes = torch.autograd.grad(loss, [seen[name][1] for name in names])
    finally:
        for hook in hooks:
            hook.remove()
    layers, fields = [], []
    for name, slope in zip(names, slopes, strict=True):
        layer = module.get_submodule(name)
        x, z = (part.detach() for part in seen[name])
        weights = layer.weight.detach().flatten(1)
        shift = layer.bias.detach() if layer.bias is not None else weights.new_zeros(len(weights))
        kind = "conv" if isinstance(layer, nn.Conv2d) else "linear"
        layers.append(Layer(name, kind, *weights.shape))
        found = moments(_places(layer, x), _outputs(layer, z), _outputs(layer, slope))
        fields.append({"W": weights.cpu().numpy(), "b": shift.cpu().numpy(), **found})
    return public_layers(layers, fields)


def _passed(module: nn.Module, inputs: Tensor) -> list[str]:
    """Name the layers that can be cut, as they are passed: each once. Raises: Unusable."""
    passed: list[str] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, ___, name=name: passed.append(name))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
    ]
    with torch.no_grad():
        module(inputs)
    for hook in hooks:
        hook.remove()
    names = [name for name in passed if passed.count(name) == 1]
    if not names:
        raise Unusable(
            "net.path: the net has no layer that can be cut: nn.Linear or nn.Conv2d (groups 1), "
            "passed once in a pass"
        )
    return names


def _keeper(seen: dict[str, tuple[Tensor, Tensor]], name: str) -> Callable[..., Tensor]:
    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        output = output if output.requires_grad else output.requires_grad_()
        # Copies, since what comes next may change its input in place.
        seen[name] = inputs[0].detach().clone(), output
        return output.clone()

    return keep


def _places(layer: nn.Module, x: Tensor) -> Tensor:
    """See inputs as (n, places, fan_in)."""
    if isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str):
            before = [
                d * (k - 1) // 2 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)
            ]
            padding = tuple(before) if layer.padding == "same" else (0, 0)
        else:
            padding = layer.padding
        patches = functional.unfold(
            x, layer.kernel_size, layer.dilation, padding=padding, stride=layer.stride
        )
        return patches.transpose(1, 2)
    return x.reshape(len(x), -1, x.shape[-1])


def _outputs(layer: nn.Module, z: Tensor) -> Tensor:
    """See outputs as (n, places, out)."""
    if isinstance(layer, nn.Conv2d):
        return z.flatten(2).transpose(1, 2)
    return z.reshape(len(z), -1, z.shape[-1])


def _cut(layers: Sequence[nn.Module], masks: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for layer, mask in zip(layers, masks, strict=True):
            layer.weight.mul_(mask.view_as(layer.weight))


def _quality(module: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Give the accuracy, or minus bits per place where there are many places."""
    with torch.no_grad():
        logits = torch.cat([module(part) for part in inputs.split(256)])
    if labels.ndim == 1:
        return (logits.argmax(-1) == labels).double().mean().item()
    return -functional.cross_entropy(_rows(logits), labels.flatten()).item() / float(np.log(2))


def _reference(labels: Tensor) -> float:
    shares = torch.bincount(labels.flatten()).double() / labels.numel()
    if labels.ndim == 1:
        return shares.max().item()
    return (shares * shares.clamp(min=1e-12).log2()).sum().item()


def _rows(logits: Tensor) -> Tensor:
    return logits.reshape(-1, logits.shape[-1])
