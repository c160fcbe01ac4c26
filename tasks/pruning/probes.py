"""Small layers of odd shapes, and slices of real ones: what the functional hash looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from evolve.task import Instance, rng

from .calibration import FIELDS

# A slice holds so many outputs and inputs of every layer of a trained net, at most.
SLICE_OUT, SLICE_IN = 48, 40
# (place among the train nets' families, sparsity)
SLICES = (("mlp", 0.9), ("cnn", 0.8), ("lm", 0.6))

RealNets = Callable[[], Sequence[tuple[Any, list[dict[str, Any]]]]]


def probes(pattern: str, real: RealNets) -> Iterator[Instance]:
    """Give the probes; the first is one layer, so that operators see each value once.

    real: gives the train nets; called when the synthetic probes are through.
    """
    pattern = pattern.split()[0]
    yield _instance("one-layer", [synthetic("one", 11, 7)], 0.5, pattern)
    yield _instance(
        "mixed",
        [
            synthetic("first", 8, 9, kind="conv"),
            synthetic("second", 12, 72, kind="conv", scale=30.0),
            synthetic("third", 10, 48, scale=1e-3),
        ],
        0.7,
        pattern,
    )
    ties = [_tied(synthetic("ties", 24, 20)), _tied(synthetic("ties too", 5, 24))]
    yield _instance("ties", ties, 0.6, pattern)
    flat = [_constant(synthetic("constant", 9, 10)), synthetic("after", 4, 9)]
    yield _instance("constant", flat, 0.2, pattern)
    large = [synthetic("large", 16, 21, scale=1e3), synthetic("small", 6, 16, scale=1e-6)]
    yield _instance("scales", large, 0.95, pattern)
    nets = {net.family: layers for net, layers in real()}
    for family, sparsity in SLICES:
        # A net of the user's own is of no such family: it stands in for all.
        layers = nets.get(family) or next(iter(nets.values()))
        yield _instance(f"slice-{family}", _sliced(layers), sparsity, pattern)


def synthetic(
    name: str, out: int, fan_in: int, *, kind: str = "linear", scale: float = 1.0
) -> dict[str, Any]:
    """Draw a layer with moments that could be those of one: some inputs are always zero.

    It has the three fields of layers whose units are cut too, which other criteria do not read.
    """
    draw = rng("pruning", "probe", name)
    x = np.maximum(draw.normal(0.3, 1, (60, fan_in)) @ _mixing(draw, fan_in), 0) * scale
    x[:, draw.random(fan_in) < 0.1] = 0
    weights = draw.standard_t(4, (out, fan_in)) / np.sqrt(fan_in) / scale
    z = x @ weights.T
    slope = draw.normal(0, draw.gamma(1, 1, out), (60, out)) * (z > 0)
    each = slope[:, :, None] * x[:, None, :]
    read = np.maximum(z, 0)
    fields = {
        "W_next": draw.normal(0, 1, (out, 5)) / np.sqrt(out),
        "a_norm": np.sqrt((read**2).mean(0)),
        "a_mean": read.mean(0),
        "W": weights,
        "b": draw.normal(0, 0.1, out),
        "x_norm": np.sqrt((x**2).mean(0)),
        "x_mean": x.mean(0),
        "H": x.T @ x / len(x),
        "z_mean": z.mean(0),
        "z_std": z.std(0),
        "G": each.mean(0),
        "G2": (each**2).mean(0),
    }
    return {"name": name, "kind": kind, **{k: v.astype(np.float32) for k, v in fields.items()}}


def _mixing(draw: np.random.Generator, size: int) -> np.ndarray:
    """Correlate neighbouring inputs."""
    return np.eye(size) + 0.5 * np.eye(size, k=1) + 0.1 * draw.normal(0, 1, (size, size))


def _tied(layer: dict[str, Any]) -> dict[str, Any]:
    """Round everything coarsely, and make the second half of the outputs repeat the first."""
    coarse = {key: np.round(layer[key], 1) for key in FIELDS}
    half = len(coarse["W"]) // 2
    for key in ("W", "b", "z_mean", "z_std", "G", "G2"):  # the readers of units stay apart
        coarse[key][half : 2 * half] = coarse[key][:half]
    return {**layer, **coarse}


def _constant(layer: dict[str, Any]) -> dict[str, Any]:
    """Make all weights equal, and no gradient flow."""
    still = {key: np.zeros_like(layer[key]) for key in ("G", "G2")}
    return {**layer, **still, "W": np.full_like(layer["W"], 0.5)}


def _sliced(layers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take some outputs and inputs of every layer, spread evenly over it."""
    return [_slice(layer) for layer in layers]


def _slice(layer: dict[str, Any]) -> dict[str, Any]:
    out, fan_in = layer["W"].shape
    rows = np.unique(np.linspace(0, out - 1, min(out, SLICE_OUT)).astype(int))
    columns = np.unique(np.linspace(0, fan_in - 1, min(fan_in, SLICE_IN)).astype(int))
    both, inputs = np.ix_(rows, columns), np.ix_(columns, columns)
    part = {key: layer[key][both] for key in ("W", "G", "G2")}
    part |= {key: layer[key][columns] for key in ("x_norm", "x_mean")}
    named = ("b", "z_mean", "z_std", "W_next", "a_norm", "a_mean")
    part |= {key: layer[key][rows] for key in named if key in layer}
    return {**layer, **part, "H": layer["H"][inputs]}


def _instance(
    name: str, layers: Sequence[dict[str, Any]], sparsity: float, pattern: str
) -> Instance:
    placed = [
        {**layer, "depth": depth, "n_layers": len(layers)} for depth, layer in enumerate(layers)
    ]
    # `layer` is no argument: it tells operators the names of a layer's sizes (task.toml, dims).
    public = {"layers": placed, "sparsity": sparsity, "pattern": pattern, "layer": placed[0]}
    return Instance(name=f"probe-{name}", public=public)
