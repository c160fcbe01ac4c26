"""Every generator that a candidate can find, started from its rng_seed, the unseeded ones included.

The warm process starts them before it forks, where that copies no memory.

Not covered: clocks, `uuid.uuid1`, a read of /dev/urandom, `os.getrandom`, and entropy that compiled
code asks of the kernel by itself. Threads may draw in any order.
"""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np

_ENTROPY_BITS = 128  # as many as numpy draws for a SeedSequence

# What Python and numpy take for the system's entropy: a stream apart from all others.
_entropy = random.Random()


def replace_entropy() -> None:
    """Put our generator in place of the system's, wherever Python and numpy ask for it; once.

    `random._urandom` serves `random.SystemRandom`, `secrets`, and through `secrets.randbits` the
    SeedSequence of numpy; a `random.Random` without a seed asks the kernel in compiled code, so
    its `seed` is wrapped.
    """
    seed = random.Random.seed

    def repeatable(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, _entropy.getrandbits(_ENTROPY_BITS) if a is None else a, version)

    vars(os)["urandom"] = vars(random)["_urandom"] = _entropy.randbytes
    random.Random.seed = repeatable  # type: ignore[method-assign]
    vars(random)["seed"] = random._inst.seed


def start(rng_seed: int) -> np.random.Generator:
    """Start all generators but Python's own, which a fork starts anew; give the candidate's."""
    _entropy.seed(f"entropy {rng_seed}")
    np.random.seed(rng_seed % 2**32)
    return np.random.Generator(np.random.PCG64(rng_seed))


def start_forked(rng_seed: int) -> None:
    """Start Python's own generator, in the fork."""
    random.seed(rng_seed)
