"""Control for pruning: are the weights that a criterion leaves worth more than its mask?

    python benchmarks/pruning_scratch.py [--criteria magnitude ...] [--nets 1] [--families mlp cnn lm]

After Liu, Sun, Zhou, Huang, Darrell, "Rethinking the Value of Network Pruning", 2019, arXiv
1810.05270: masks are found on trained nets, then nets with these masks are trained from scratch, once
from the start of the dense net (a lottery ticket) and once from another, by the whole recipe of the
dense nets. Prints shares of the dense quality, the mean over the sparsities of each family.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from evolve.grading import namespace
from evolve.spec import read_spec

FOLDER = Path(__file__).resolve().parents[1] / "tasks" / "pruning"
CRITERIA = ("trivial", "magnitude", "wanda_lamp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--criteria", nargs="+", default=CRITERIA, help="programs of tasks/pruning, or files"
    )
    parser.add_argument("--nets", type=int, default=1, help="of each family")
    parser.add_argument("--families", nargs="+", default=["mlp", "cnn", "lm"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.insert(0, str(FOLDER.parent))
    from pruning import task

    settings = namespace({**read_spec(FOLDER / "task.toml").settings, "train_nets": options.nets})
    harness = _module(FOLDER / "harness.py")
    print("| criterion | family | as cut | 30 steps | from its own start | from another |")
    print("|---|---|---|---|---|---|")
    instances = list(task.instances("train", settings))
    for criterion in options.criteria:
        path = Path(criterion) if criterion.endswith(".py") else FOLDER / f"programs/{criterion}.py"
        score = _module(path).score
        for family in options.families:
            chosen = [each for each in instances if each.groups["family"] == family]
            masks = [harness.call(score, each.public, None) for each in chosen]
            row = measured(chosen, masks)
            print(f"| {path.stem} | {family} | {' | '.join(f'{each:.3f}' for each in row)} |")


def measured(instances: Sequence[Any], masks: Sequence[list[np.ndarray]]) -> list[float]:
    """Give the mean shares that are left: cut, fine-tuned, trained from two starts."""
    from pruning.trained import FineTuning

    found = []
    for instance, kept in zip(instances, masks, strict=True):
        net = instance.private["net"]
        shares = [net.recovered(kept), net.recovered(kept, FineTuning(30))]
        found.append([*shares, *(scratch(net, kept, again) for again in ("", " again"))])
    return [float(each) for each in np.mean(found, axis=0)]


def scratch(net: Any, masks: Sequence[np.ndarray], again: str) -> float:
    """Train a net under masks from scratch, and give the share of the dense quality it reaches."""
    from pruning.fitting import RECIPES, batches, descend
    from pruning.nets import initial, layers_of
    from pruning.trained import share_left

    from evolve.task import rng

    _, _, place = net.name.split("-")
    name = f"train-0-{place}{again}"
    start = initial(net.shape, rng("pruning", "start", name))
    params = {key: torch.from_numpy(value)[None] for key, value in start.items()}
    kept = {
        f"{layer.name}.W": torch.from_numpy(mask)[None]
        for layer, mask in zip(layers_of(net.shape), masks, strict=True)
    }
    for key, mask in kept.items():
        params[key] = params[key] * mask
    recipe = RECIPES[net.family]
    descend(net.shape, params, batches([name], net.family, recipe, "cpu"), recipe, masks=kept)
    dense = net.quality(net.parameters())
    return share_left(net.quality(params), dense, net.reference)


def _module(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
