"""Proves that each program of this package still decides as it did when it was exported.

    python -m pytest test_exported.py        or        python test_exported.py

The probes' inputs and the outputs of then are stored beside this file. What is compared is the
decision in the task's canonical form (a set, an order, rounded numbers), not the last digit.
Needs numpy only.
"""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def test_every_program_decides_as_it_did() -> None:
    provenance = json.loads((HERE / "provenance.json").read_text(encoding="utf-8"))
    task, canonical = provenance["task"], load("_canonical").canonical
    probes = load("_trees").read_tree(HERE / "probes.json")
    call = load("_harness").call if (HERE / "_harness.py").is_file() else None
    compared = 0
    for program in provenance["programs"]:
        for probe in probes:
            then = probe["outputs"].get(program["module"])
            if then is None:  # it failed on this probe when it was exported
                continue
            entry = getattr(load(program["module"]), task["entry"])
            items = then["items"]
            now = answer(entry, probe["public"], probe["rng_seed"], task["rng"], call, items)
            same = canonical(task["canonical"], now) == canonical(task["canonical"], then["value"])
            assert same, (
                f"{program['module']} decides otherwise on {probe['name']}. Equal sources can: another "
                "processor or BLAS rounds differently, and choices between near-equals follow the "
                f"last digit. Exported under: {provenance['world']}"
            )
            compared += 1
    assert compared > 0


def answer(
    entry: Any,
    public: dict[str, Any],
    rng_seed: int,
    pass_rng: bool,
    call: Any,
    items: list[dict[str, Any]] | None,
) -> Any:
    """Call a program as it was called behind the wall, with the same random numbers.

    items: of a stepwise task, each of which makes one call.
    """
    random.seed(rng_seed)
    np.random.seed(rng_seed % 2**32)
    rng = np.random.Generator(np.random.PCG64(rng_seed))
    given = {**public, "rng": rng} if pass_rng else public
    if items is not None:
        driven = call(entry, public, rng) if call is not None else partial(entry, **given)
        return [driven(**item) for item in items]
    if call is not None:
        return call(entry, public, rng)
    return entry(**given)


def load(name: str) -> ModuleType:
    """Load a file of this folder afresh, wherever the folder lies."""
    spec = importlib.util.spec_from_file_location(f"exported_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    test_every_program_decides_as_it_did()
    print("every program decides as it did")
