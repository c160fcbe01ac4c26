"""What honest programs need of their libraries works at every level, from a warm process."""

import pytest

from sandbox import Job, Limits, Sandbox, SandboxError

pytestmark = pytest.mark.slow

LIMITS = Limits(wall_s=60, cpu_s=30)
INPUTS = {"none": {}}

OPTIMIZE = """
def main():
    import scipy.optimize, scipy.stats
    found = scipy.optimize.minimize(lambda v: (v[0] - 1) ** 2, [0.0]).x[0]
    return round(float(found), 3), float(scipy.stats.norm.cdf(0.0))
"""

TRAIN = """
import torch
import torch.nn.functional as F

def main():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    y = x.sum(1, keepdim=True)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses[-1] < losses[0] / 2
"""

BLAS = """
import numpy as np
def main():
    a = np.random.default_rng(0).random((200, 200))
    values, vectors = np.linalg.eigh(a @ a.T)
    return bool(np.allclose(vectors @ np.diag(values) @ vectors.T, a @ a.T))
"""


def test_a_part_of_a_preloaded_package_can_be_imported_later(level):
    pytest.importorskip("scipy")
    with Sandbox.open(level=level, preload=("scipy",), inputs=INPUTS, limits=LIMITS) as box:
        outcome = box.run(Job(OPTIMIZE, "main", "none"))
    assert (outcome.status, outcome.value) == ("ok", [1.0, 0.5]), outcome


def test_a_module_that_was_not_preloaded_is_not_there(level):
    if level == "weak":
        pytest.skip("all of this Python can be read at level weak")
    source = "def main():\n    try: import pytest\n    except ImportError: return 'none'"
    with Sandbox.open(level=level, inputs=INPUTS, limits=LIMITS) as box:
        assert box.run(Job(source, "main", "none")).value == "none"


def test_torch_trains_from_the_first_candidate_on_and_prints_nothing(level):
    with Sandbox.open(level=level, preload=("torch",), inputs=INPUTS, limits=LIMITS) as box:
        for _ in range(2):
            outcome = box.run(Job(TRAIN, "main", "none"))
            assert (outcome.status, outcome.value, outcome.stdout) == ("ok", True, ""), outcome


def test_linear_algebra_works(level):
    with Sandbox.open(level=level, inputs=INPUTS, limits=LIMITS) as box:
        outcome = box.run(Job(BLAS, "main", "none"))
    assert (outcome.status, outcome.value, outcome.stdout) == ("ok", True, ""), outcome


def test_a_module_that_cannot_be_preloaded_is_named(level):
    with pytest.raises(SandboxError, match="preload: no_such_module cannot be imported"):
        Sandbox.open(level=level, preload=("no_such_module",))
