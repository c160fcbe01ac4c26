"""What libraries do once, at their first use: done in the warm process, before it is enclosed.

There it costs once, and files that no candidate may read can still be read.
"""

from __future__ import annotations

import sys

import numpy as np


def take() -> None:
    """Take the first steps of every library that is imported; none of them starts a thread."""
    np.ones((8, 8)) @ np.ones((8, 8))  # numpy's linear algebra takes its work memory
    if "torch" in sys.modules:
        _torch()


def _torch() -> None:
    import torch

    # Imported by the first optimizer, with sympy and others that are no part of torch: 0.9 s.
    import torch._dynamo
    import torch.optim

    torch.set_num_threads(1)  # a child hangs when more of them have worked before the fork
    # The first product reads /proc/cpuinfo. No gradient here: a child could then have none.
    torch.ones(8, 8) @ torch.ones(8, 8)
