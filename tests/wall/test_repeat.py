"""Results repeat: no generator of Python or numpy starts from anything but the job's rng_seed."""

import pytest

from sandbox import Job, Sandbox

SOURCES = {
    "random": "random.random()",
    "random, seeded anew": "[random.seed(), random.random()]",
    "a Random of its own": "random.Random().random()",
    "SystemRandom": "random.SystemRandom().random()",
    "secrets": "secrets.token_hex()",
    "os.urandom": "os.urandom(16)",
    "uuid4": "str(uuid.uuid4())",
    "legacy numpy": "np.random.rand()",
    "legacy numpy, seeded anew": "[np.random.seed(), np.random.rand()]",
    "RandomState": "np.random.RandomState().rand()",
    "default_rng": "np.random.default_rng().random()",
    "SeedSequence": "str(np.random.SeedSequence().entropy)",
    "a bit generator": "np.random.Generator(np.random.Philox()).random()",
    "the given rng": "rng.random()",
}
DRAW = f"""
import os, random, secrets, uuid
import numpy as np
def main(rng):
    return {{{", ".join(f"{name!r}: [{draw}, {draw}]" for name, draw in SOURCES.items())}}}
"""


@pytest.fixture(scope="module")
def drawn(level):
    seeds = {"first": 5, "again": 5, "other": 2**127}
    return {name: draw(level, seed) for name, seed in seeds.items()}


@pytest.mark.parametrize("name", SOURCES)
def test_a_generator_gives_the_same_in_another_box_and_else_with_another_seed(drawn, name):
    assert drawn["first"][name] == drawn["again"][name]
    assert drawn["first"][name] != drawn["other"][name]


@pytest.mark.parametrize("name", SOURCES)
def test_two_draws_of_one_candidate_differ(drawn, name):
    first, second = drawn["first"][name]
    assert first != second


def draw(level, rng_seed):
    """Give what a candidate draws in a fresh box."""
    with Sandbox.open(level=level, inputs={"none": {}}) as box:
        outcome = box.run(Job(DRAW, "main", "none", rng_seed=rng_seed, pass_rng=True))
    assert outcome.status == "ok", outcome
    return outcome.value
