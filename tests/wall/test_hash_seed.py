"""The hash seed of a sandbox: one for all its candidates, and what the order of a set follows from."""

import pytest

from sandbox import Job, Limits, Sandbox, SandboxError
from sandbox.levels import available

SOURCE = """
def main():
    return list({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})
"""
JOB = Job(SOURCE, "main", "none")


def orders(times=2, **options):
    """Give the order in which each of some candidates of one sandbox finds a set."""
    with Sandbox.open(inputs={"none": {}}, **options) as box:
        outcomes = [box.run(JOB) for _ in range(times)]
    assert [each.status for each in outcomes] == ["ok"] * times, outcomes
    return [tuple(each.value) for each in outcomes]


def test_the_order_of_a_set_follows_from_the_hash_seed_and_from_nothing_else(level):
    usual, none, one, again = (
        orders(level=level, **seed)
        for seed in ({}, {"hash_seed": 0}, {"hash_seed": 1}, {"hash_seed": 1})
    )
    assert len(set(usual)) == len(set(one)) == 1
    assert usual == none
    assert one == again
    assert one != usual


def test_a_warm_process_that_is_started_again_has_the_same_hash_seed(level):
    with Sandbox.open(level=level, inputs={"none": {}}, hash_seed=2**32 - 1) as box:
        before = box.run(JOB).value
        box._process.popen.kill()
        box._process.popen.wait()
        assert box.run(JOB).value == before


@pytest.mark.slow
@pytest.mark.skipif(not available("landlock").available, reason="needs Landlock and seccomp")
def test_a_candidate_on_a_device_has_the_hash_seed_of_its_sandbox_too():
    device = {"level": "weak", "device": "cpu", "limits": Limits(wall_s=60, cpu_s=10)}
    for seed in (0, 1):
        assert orders(1, **device, hash_seed=seed) == orders(1, level="weak", hash_seed=seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_hash_seed_that_python_does_not_know_is_refused(seed):
    with pytest.raises(SandboxError, match=f"hash_seed is {seed}: give one from 0 to 4294967295"):
        Sandbox.open(level="weak", hash_seed=seed)
