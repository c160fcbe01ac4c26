"""Writes down what a solver does: calls it on stand-ins that show the weights of all it adds up.

The stand-in for the start is a unit vector, the answer to call i of the model another one. What a
solver then asks about, and what it returns, are the weights themselves. A second pass with random
numbers for vectors finds solvers that do more than add up.
"""

import numpy as np

SPARE = 3  # columns of stand-ins in the second pass: more numbers than weights
TOLERANCE = 1e-7  # of the largest term: rounding stays far below it

NOT_LINEAR = (
    "solve() may only add up x and predictions, with weights that depend on nfe, lam0 and lam1: "
    "no clipping, norms, powers, or means over points"
)


def call(candidate, public, rng):
    lam0, lam1 = public["lam0"], public["lam1"]
    return [record(candidate, nfe, lam0, lam1) for nfe in public["nfes"]]


def record(candidate, nfe, lam0, lam1):
    """Give {"lams": (calls,), "weights": (calls + 1, calls + 1)} of one number of calls."""
    exact = run(candidate, np.eye(nfe + 1)[:, :, None], nfe, lam0, lam1)
    calls = len(exact[0])
    weights = np.zeros((calls + 1, calls + 1))
    for row, point in zip(weights, exact[1], strict=False):
        row[:] = point[: calls + 1, 0]
    stand_ins = np.random.default_rng(nfe).standard_normal((nfe + 1, nfe + 1, SPARE))
    lams, points = run(candidate, stand_ins, nfe, lam0, lam1)
    if len(lams) != calls or not np.allclose(lams, exact[0], rtol=0, atol=TOLERANCE):
        raise ValueError(NOT_LINEAR)
    for row, point in zip(weights, points, strict=False):
        expected = np.tensordot(row, stand_ins[: calls + 1], 1)
        size = np.abs(row).sum() * np.abs(stand_ins).max()
        if not np.abs(point - expected).max() <= TOLERANCE * size + TOLERANCE:
            raise ValueError(NOT_LINEAR)
    return {"lams": np.array(exact[0], dtype=float), "weights": weights}


def run(candidate, stand_ins, nfe, lam0, lam1):
    """Give the levels and points of all calls, and as the last point the answer."""
    lams, points = [], []

    def model(x, lam):
        if len(lams) == nfe:
            raise ValueError(f"the model may be called {nfe} times here and no more")
        points.append(point_of(x, stand_ins[0].shape, "the model was asked about"))
        lams.append(float(lam))
        return stand_ins[len(lams)].copy()

    answer = candidate(model, stand_ins[0].copy(), nfe, lam0, lam1)
    points.append(point_of(answer, stand_ins[0].shape, "solve() returned"))
    return lams, points


def point_of(x, shape, what):
    array = np.array(x, dtype=float)
    if array.shape != shape:
        raise ValueError(f"{what} an array of shape {array.shape}: keep that of x, {shape}")
    return array
