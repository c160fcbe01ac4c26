"""Gives an update rule its gradients, tensor by tensor, each net and tensor with a state of its own.

The nets' weights are kept here as the grader keeps them, by the same arithmetic; the data and the
labels that gradients come from are not here.
"""

import numpy as np

LARGEST_WEIGHT = 100.0


def call(candidate, public, rng):
    """Give what answers an item, the gradients at step t: the deltas, of the same shapes."""
    steps = public["T"]
    rates = np.asarray(public["multipliers"], dtype=np.float32)
    nets = [np.array(tensor) for tensor in public["start"]]
    states = [[{} for _ in rates] for _ in nets]

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
            nets[place] = moved(tensor, delta, rates)
            deltas.append(delta)
        return deltas

    return answer


def moved(tensor, delta, rates):
    """A step, as the grader takes it."""
    factors = rates.reshape(-1, *(1,) * (tensor.ndim - 1))
    there = np.nan_to_num(tensor - factors * delta, nan=0.0)
    return np.clip(there, -LARGEST_WEIGHT, LARGEST_WEIGHT)
