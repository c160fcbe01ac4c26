"""Gives an update rule its gradients, tensor by tensor, each net and tensor with a state of its own.

The nets' weights, the multipliers, the data and the labels are not here. A rule is shown the weights
that its own deltas make, at multiplier 1: so it cannot measure the multiplier that the grader takes.
"""

import numpy as np

LARGEST_WEIGHT = 100.0


def call(candidate, public, rng):
    """Give what answers an item, the gradients at step t: the deltas, of the same shapes."""
    steps = public["T"]
    nets = [np.array(tensor) for tensor in public["start"]]
    states = [[{} for _ in tensor] for tensor in nets]

    def answer(t, gradients):
        deltas = []
        for place, gradient in enumerate(gradients):
            tensor, delta = nets[place], np.empty_like(nets[place])
            for net, state in enumerate(states[place]):
                p = tensor[net].copy()
                given = np.asarray(candidate(gradient[net], state, t, steps, p))
                if given.shape != p.shape:
                    raise ValueError(f"the delta has shape {given.shape} and the tensor {p.shape}")
                if given.dtype.kind not in "fiu":
                    raise ValueError(f"the delta is of type {given.dtype}: give numbers")
                delta[net] = given
            nets[place] = moved(tensor, delta)
            deltas.append(delta)
        return deltas

    return answer


def moved(tensor, delta):
    """A step at multiplier 1."""
    there = np.nan_to_num(tensor - delta, nan=0.0)
    return np.clip(there, -LARGEST_WEIGHT, LARGEST_WEIGHT)
