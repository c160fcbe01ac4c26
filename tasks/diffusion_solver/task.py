"""Diffusion solver: few calls of an exact denoiser, close to the true solution of its ODE.

An instance is one Gaussian mixture with 64 starting points. No program ever sees it: a program is
written down as a table of weights inside the wall (`harness.py`), and that table is replayed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, cached, progress, rng

from .mixtures import SEEN, UNSEEN, Mixture, draw_mixture, levels
from .solving import Table, read_table, reference, replay

NFES = (5, 6, 8, 10)
CONTROL_CALLS = 60
WORST, BEST = 1.0, -6.0  # log10 RMSE; the reference itself is good to about 1e-5
# (numbers of calls, lam0, lam1): tiny, as graded, one step, short, wide, and many steps.
PROBES = (
    ((4,), -3.0, 1.0),
    (NFES, -5.0, 3.0),
    ((1, 2, 3), -5.0, 3.0),
    ((5, 7), -0.1, 0.1),
    ((6, 9, 11), -8.0, 6.0),
    ((12, 20), -4.0, 2.0),
)


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give one instance per mixture; those of `test` are fitted to other data too."""
    if split == "probe":
        for number, (nfes, lam0, lam1) in enumerate(PROBES):
            public = {"nfes": list(nfes), "lam0": lam0, "lam1": lam1}
            yield Instance(name=f"probe-{number}", public=public)
        return
    kind = UNSEEN if split == "test" else SEEN
    count = getattr(settings, f"{split}_mixtures")
    own = settings.data.path
    for number in range(count):
        name = f"{split}-{block}-{number}"
        mixture, lam0, lam1, source = draw_mixture(name, kind, number, own)
        start, goal = _solved(name, mixture, lam0, lam1, settings)
        progress(number + 1, count, "reference solutions")
        yield Instance(
            name=name,
            public={"nfes": list(NFES), "lam0": lam0, "lam1": lam1},
            # `free` marks the answer of a control, which may ask more often than programs.
            private={"mixture": mixture, "start": start, "goal": goal, "free": []},
            groups={"data": source, "components": "to 12" if len(mixture.means) < 13 else "13 on"},
        )


def _solved(
    name: str, mixture: Mixture, lam0: float, lam1: float, settings: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Give starting points (starts, d) at lam0 and where they end at lam1."""

    def build() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        draw = rng("diffusion_solver", "start", name)
        alpha, sigma = levels(lam0)
        clean = mixture.sample(settings.starts, draw)
        start = alpha * clean + sigma * draw.standard_normal(clean.shape)
        return {}, {"start": start, "goal": reference(mixture, start, lam0, lam1)}

    depends = {"starts": settings.starts, "own": settings.data.path}
    kept = cached(depends, build, name=f"reference-{name}").private
    return np.asarray(kept["start"]), np.asarray(kept["goal"])


def grade(instance: Instance, output: Any) -> Grade:
    """Replay the tables of a solver. Raises: Invalid if they are none, or use too many calls."""
    nfes = instance.public["nfes"]
    if not isinstance(output, list) or len(output) != len(nfes):
        raise Invalid(f"{instance.name}: expected one record for each of {nfes} calls")
    free = output is instance.private["free"]
    tables = [
        read_table(record, CONTROL_CALLS if free else nfe, instance.name)
        for record, nfe in zip(output, nfes, strict=True)
    ]
    errors = [_error(instance, table) for table in tables]
    found = {
        "last_step": _last_step(tables, instance.public),
        "order": -float(np.polyfit(np.log10(nfes), errors, 1)[0]) if len(nfes) > 1 else 0.0,
        **{f"error_{nfe}": error for nfe, error in zip(nfes, errors, strict=True)},
    }
    said = ", ".join(f"{error:.3f} with {nfe}" for nfe, error in zip(nfes, errors, strict=True))
    said = f"log10 RMSE {said} calls; the last call is made {found['last_step']:.0%} before the end"
    return Grade(score=-float(np.mean(errors)), measures=found, feedback=said)


def _error(instance: Instance, table: Table) -> float:
    """Give the log10 of the root mean squared distance to the reference, per coordinate."""
    kept = instance.private
    with np.errstate(all="ignore"):  # a solver that runs away is a bad one, not a broken one
        apart = replay(table, kept["mixture"].predict, kept["start"]) - kept["goal"]
        error = np.log10(np.sqrt(np.mean(apart**2)))
    return float(np.clip(np.nan_to_num(error, nan=WORST, posinf=WORST), BEST, WORST))


def _last_step(tables: list[Table], public: Mapping[str, Any]) -> float:
    """Give the mean share of the way from lam0 to lam1 that lies behind the last call."""
    whole = public["lam1"] - public["lam0"]
    last = [table.lams[-1] if len(table.lams) else public["lam0"] for table in tables]
    return float(public["lam1"] - np.mean(last)) / whole
