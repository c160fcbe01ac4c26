"""Where the search's randomness comes from: (rng_seed, step, purpose), and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def step_rng(rng_seed: int, step: int, purpose: str) -> np.random.Generator:
    """Give the generator of one purpose ("ask", "write") of one step of a run."""
    return np.random.Generator(np.random.PCG64(derived_seed(str(rng_seed), str(step), purpose)))


def candidate_seed(task_digest: str, instance: str) -> int:
    """Give the rng_seed of a candidate on an instance: the same for all programs and runs,
    else neither could results be reused nor programs compared in pairs."""
    return derived_seed(task_digest, instance, "candidate") % 2**63


def derived_seed(*names: str) -> int:
    """Give a 128-bit seed from names; equal names, equal seed."""
    text = "\x1f".join(names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
