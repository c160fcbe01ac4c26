"""A net of the user's own: `--set net.path=FILE.py:build`, with a checkpoint if it is named.

`build()` (or `build(checkpoint)`) gives a torch module, calibration inputs, evaluation inputs and
evaluation labels. README says what each must be; whatever is wrong is told in one sentence.
"""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evolve.task import Unusable, rng

from .calibration import moments, public_layers
from .nets import Layer
from .trained import FineTuning, share_left

BUILD = "build"  # the function in the user's file, unless another is named
LEAST_EXAMPLES = 16
CALIBRATION = 256  # examples that one instance's moments are over, at most
# Shares of the evaluation examples: no split sees those of another.
PARTS = {"train": (0.0, 0.4), "valid": (0.4, 0.7), "test": (0.7, 1.0)}
VIEWS = 3  # draws of calibration and evaluation examples in one block
BATCH, RATE = 32, 1e-3  # of fine-tuning, towards the dense net's answers


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

    def recovered(self, masks: Sequence[np.ndarray], tuning: FineTuning | None = None) -> float:
        """Give the share of the dense net's quality that is left: 1 for all, 0 for a guess."""
        kept = _quality(self.masked(masks, tuning), self.inputs, self.labels)
        return share_left(kept, self.dense, self.reference)

    def masked(self, masks: Sequence[np.ndarray], tuning: FineTuning | None = None) -> nn.Module:
        """Give a copy under masks (out, fan_in), fine-tuned if told."""
        module = copy.deepcopy(self.module)
        layers = [module.get_submodule(name) for name in self.names]
        device = self.inputs.device
        kept = [torch.from_numpy(np.array(mask)).to(device) for mask in masks]
        _cut(layers, kept)
        if tuning is not None:
            module.requires_grad_()
            optimizer = torch.optim.AdamW(module.parameters(), RATE)
            for inputs, said in self._batches(tuning.steps):
                optimizer.zero_grad()
                functional.cross_entropy(_rows(module(inputs)), said).backward()
                optimizer.step()
                _cut(layers, kept)
            module.requires_grad_(False)
        return module

    def layers(self, masks: Sequence[np.ndarray] | None = None) -> list[dict[str, Any]]:
        """Describe the layers as criteria see them, of the net as masks leave it if there are any."""
        module = self.module if masks is None else self.masked(masks)
        return describe(module, self.names, self.calibration, self.name)

    def _batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        draw = rng("pruning", "own batches", self.name)
        with torch.no_grad():
            said = self.module(self.calibration).softmax(-1)
        for _ in range(steps):
            rows = torch.from_numpy(draw.integers(0, len(said), BATCH)).to(said.device)
            yield self.calibration[rows], _rows(said[rows])


def own_nets(split: str, settings: Any, block: int) -> list[tuple[OwnNet, list[dict[str, Any]]]]:
    """Give the views of a block with their layers. Raises: Unusable."""
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


def sparsities(text: str) -> tuple[float, ...]:
    """Read "0.5 0.8". Raises: Unusable."""
    try:
        found = tuple(float(part) for part in text.split())
    except ValueError:
        found = ()
    if not found or not all(0 < each < 1 for each in found) or len(set(found)) < len(found):
        raise Unusable(
            f'net.sparsities is "{text}": write different numbers between 0 and 1, as "0.5 0.8"'
        )
    return found


def load(named: Any, device: str) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Build the user's net and check all of it. Raises: Unusable."""
    built = _called(_function(named.path), named)
    if not isinstance(built, tuple) or len(built) != 4:
        raise Unusable(
            "net.path: build() must return four things: a torch module, calibration inputs, "
            f"evaluation inputs and evaluation labels; it returned {_kind(built)}"
        )
    module = built[0]
    if not isinstance(module, nn.Module):
        raise Unusable(f"net.path: the first thing is no torch.nn.Module but {_kind(module)}")
    calibration, inputs, labels = (
        _tensor(value, what).to(device)
        for value, what in zip(
            built[1:], ("calibration inputs", "evaluation inputs", "labels"), strict=True
        )
    )
    module = module.to(device).eval().requires_grad_(False)
    if len(inputs) != len(labels):
        raise Unusable(f"net.path: {len(inputs)} evaluation inputs, but {len(labels)} labels")
    if calibration.shape[1:] != inputs.shape[1:]:
        raise Unusable(
            f"net.path: calibration inputs are {tuple(calibration.shape[1:])} each, evaluation "
            f"inputs {tuple(inputs.shape[1:])}: give both in one form"
        )
    _check_answers(module, inputs, labels)
    return module, calibration, inputs, labels


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


def _function(path: str) -> Callable[..., Any]:
    """Import the user's file and give the function it names. Raises: Unusable."""
    file, colon, name = path.rpartition(":")
    file, name = (file, name) if colon and name.isidentifier() else (path, BUILD)
    spec = importlib.util.spec_from_file_location("evolve_own_net", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise Unusable(f"net.path: {file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that dataclasses and pickles of it work
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        raise Unusable(f"net.path: {file} cannot be imported: {_short(error)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise Unusable(f"net.path: {file} defines no function `{name}` (FILE.py:NAME names it)")
    return function


def _called(build: Callable[..., Any], named: Any) -> Any:
    try:
        return build(named.checkpoint.path) if named.checkpoint.path else build()
    except Exception as error:  # whatever the user's function raises
        raise Unusable(f"net.path: build() failed: {_short(error)}") from error


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    if not isinstance(value, Tensor) or value.ndim == 0:
        raise Unusable(f"net.path: {what} must be one tensor or array, not {_kind(value)}")
    if len(value) < LEAST_EXAMPLES:
        raise Unusable(f"net.path: {len(value)} {what}: give {LEAST_EXAMPLES} at least")
    if value.is_floating_point() and not value.isfinite().all():
        raise Unusable(f"net.path: {what} hold numbers that are not finite")
    return value.detach()


def _check_answers(module: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise Unusable(f"net.path: labels are {labels.dtype}: give whole numbers, the classes")
    try:
        with torch.no_grad():
            logits = module(inputs[:2])
    except Exception as error:  # whatever the user's module raises
        raise Unusable(f"net.path: the net fails on evaluation inputs: {_short(error)}") from error
    wanted = (2, *labels.shape[1:])
    if not isinstance(logits, Tensor) or logits.shape[:-1] != wanted or labels.ndim > 2:
        raise Unusable(
            f"net.path: for labels {tuple(labels.shape)} the net must answer logits (n, classes) or "
            f"(n, places, classes), one row per label; it gave {_kind(logits)} for two inputs"
        )
    low, high, classes = int(labels.min()), int(labels.max()), logits.shape[-1]
    if low < 0 or high >= classes:
        raise Unusable(f"net.path: labels run from {low} to {high}, but there are {classes} logits")


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


def _kind(value: Any) -> str:
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
    size = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"{type(value).__name__}{shape}{size}"


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
