"""The benchmark of a GPU says so where there is none, and is whole all the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300


def bench(*arguments, **variables):
    command = [sys.executable, str(ROOT / "benchmarks/gpu_bench.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_gpu_nothing_is_measured_and_it_is_said():
    nowhere = {"CUDA_VISIBLE_DEVICES": ""}
    assert bench(**nowhere).startswith("not measured: no GPU is seen")
    assert json.loads(bench("--json", **nowhere)).keys() == {"skipped"}


@pytest.mark.slow
def test_both_sides_evaluate_the_same_programs():
    small = ("--set", "pool_size=500", "--set", "train_pools=1", "--programs", "3", "--pairs", "1")
    found = json.loads(bench("--device", "cpu", "--gpu-slots", "1", *small, "--json"))
    (pair,) = found["pairs"]
    assert pair["cpu"]["statuses"] == pair["gpu"]["statuses"] == {"ok": 3}
    assert found["slots"] == {"cpu": 2, "gpu": 1}
    assert found["ratio"] > 0
