"""Which nets a block holds: trained once, several shapes, and seen anew through fresh examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from evolve.task import cached, progress, rng

from .calibration import FIELDS, public_layers, unit_layers
from .fitting import RECIPES, REPORT_EVERY, fit
from .nets import CLASSES, CONTEXT, Architecture, layers_of
from .sources import digits, text, windows
from .trained import TrainedNet

CALIBRATION = 256  # examples that criteria are told of
EVALUATION_TEXTS = 64  # pieces of CONTEXT characters that grade a language model
# Shapes of `train` and `valid`; the nets of `test` have the others, in turn.
USUAL = {"mlp": (256, 128), "cnn": (16, 32, 64), "lm": (64, 2)}
UNUSUAL = {
    "mlp": ((192, 96), (384, 128)),
    "cnn": ((12, 24, 48), (24, 40, 96)),
    "lm": ((48, 2), (64, 3)),
}
# So many blocks of `valid` in a row hold the same nets, each seen through other examples.
BLOCKS_PER_TRAINING = 6

Described = tuple[TrainedNet, list[dict[str, Any]]]


class _Wanted(NamedTuple):
    """A net to be trained. name: seeds it. place: its own in a block."""

    name: str
    place: str
    shape: Architecture


def nets_of(split: str, settings: Any, block: int) -> list[Described]:
    """Give the nets of a block, each with its layers as criteria see them."""
    training = block // BLOCKS_PER_TRAINING if split == "valid" else block
    wanted = _wanted(split, training, getattr(settings, f"{split}_nets"))
    params = _trained(wanted, settings.device)
    nets = [
        _net(f"{split}-{block}-{each.place}", split, each, params[each.name], settings.device)
        for each in wanted
    ]
    seen = _seen(nets, f"{split}-{block}", settings.device)
    if settings.pattern == "units":
        seen = [unit_layers(net.shape, layers) for net, layers in zip(nets, seen, strict=True)]
    return list(zip(nets, seen, strict=True))


def _wanted(split: str, training: int, count: int) -> list[_Wanted]:
    """List the nets of one training, `count` of each family."""
    size = text("fit").size
    found = []
    for family in USUAL:
        for number in range(count):
            others = UNUSUAL[family]
            widths = others[number % len(others)] if split == "test" else USUAL[family]
            place = f"{family}{number}"
            shape = Architecture(family, widths, size * (family == "lm"))
            found.append(_Wanted(f"{split}-{training}-{place}", place, shape))
    return found


def _trained(wanted: Sequence[_Wanted], device: str) -> dict[str, dict[str, np.ndarray]]:
    """Train nets, or take them from the cache: each is kept by itself, whatever it is used for."""
    total = sum(_parts(each) for each in wanted)
    done = 0

    def report(steps: int) -> None:
        nonlocal done
        done += steps // REPORT_EVERY
        progress(done, total, "training nets to prune")

    found: dict[str, dict[str, np.ndarray]] = {}
    for number, each in enumerate(wanted):
        done = sum(_parts(other) for other in wanted[:number])

        def build(net: _Wanted = each) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
            stacked = fit([net.name], net.shape, report, device)
            return {}, {key: array[0] for key, array in stacked.items()}

        depends = [*each.shape.widths, device]
        kept = cached(depends, build, name=f"net-{each.name}", shared=True)
        found[each.name] = dict(kept.private)
    return found


def _parts(wanted: _Wanted) -> int:
    return RECIPES[wanted.shape.family].steps // REPORT_EVERY


def _net(
    name: str, split: str, wanted: _Wanted, params: dict[str, np.ndarray], device: str
) -> TrainedNet:
    """Lay a trained net beside the examples of a block."""
    part = "test" if split == "test" else "valid"
    draw = rng("pruning", "examples", name)
    if wanted.shape.family == "lm":
        pieces = _pieces(draw, part, EVALUATION_TEXTS)
        told = _pieces(draw, "fit", CALIBRATION)
        inputs, targets = pieces[:, :-1], pieces[:, 1:]
        calibration = told[:, :-1], told[:, 1:]
        reference = -float(np.log2(text(part).size))
    else:
        inputs, targets = digits(part)
        images, labels = digits("fit")
        rows = draw.choice(len(labels), CALIBRATION, replace=False)
        calibration = images[rows], labels[rows]
        reference = 1 / CLASSES
    names = [f"{layer.name}.W" for layer in layers_of(wanted.shape)]
    return TrainedNet(
        name=name,
        shape=wanted.shape,
        weights={key: params[key] for key in names},
        others={key: value for key, value in params.items() if key not in names},
        inputs=inputs,
        targets=targets,
        calibration=calibration,
        reference=reference,
        device=device,
    )


def _pieces(draw: np.random.Generator, part: str, count: int) -> np.ndarray:
    codes = text(part).codes
    return windows(codes, draw.integers(0, len(codes) - CONTEXT - 1, count), CONTEXT)


def _seen(nets: Sequence[TrainedNet], name: str, device: str) -> list[list[dict[str, Any]]]:
    """Give the layers of nets as criteria see them, from the cache if they are there."""

    def build() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        arrays = {}
        for done, net in enumerate(nets):
            progress(done, len(nets), "calibration")
            for depth, layer in enumerate(net.layers()):
                arrays |= {f"{net.name}.{depth}.{key}": layer[key] for key in FIELDS}
        progress(len(nets), len(nets), "calibration")
        return arrays, {}

    depends = [[net.name, *net.shape.widths] for net in nets]
    kept = cached([depends, device], build, name=f"moments-{name}", shared=True).public
    return [
        public_layers(
            layers_of(net.shape),
            [
                {key: kept[f"{net.name}.{depth}.{key}"] for key in FIELDS}
                for depth in range(len(layers_of(net.shape)))
            ],
        )
        for net in nets
    ]
