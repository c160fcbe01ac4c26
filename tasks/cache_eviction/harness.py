"""Gives each cache a policy of its own, and tells it of hits and misses in their order."""

import numpy as np

NO_VICTIM = -1


def call(candidate, public, rng):
    """Give what answers an item: the victims of all caches that miss, (lanes,) int64."""
    capacities = public["capacities"]
    policies = [candidate(capacity) for capacity in capacities]
    sizes = [0] * len(capacities)
    takes_bits = public["prediction"] and takes_bit(candidate)

    def answer(step, lanes, ends, keys, bits=None):
        keys, ends = keys.tolist(), ends.tolist()
        bits = bits.tolist() if takes_bits else None
        victims, begin = [], 0
        for lane, end in zip(lanes.tolist(), ends, strict=True):
            policy = policies[lane]
            full = sizes[lane] >= capacities[lane]
            if bits is None:
                hit = policy.hit
                for key in keys[begin : end - 1]:
                    hit(key)
                victim = policy.miss(keys[end - 1], full)
            else:
                for key, bit in zip(keys[begin : end - 1], bits[begin : end - 1], strict=True):
                    policy.hit(key, bit)
                victim = policy.miss(keys[end - 1], full, bits[end - 1])
            if not full:
                sizes[lane] += 1
            victims.append(NO_VICTIM if victim is None else int(victim))
            begin = end
        return np.array(victims, dtype=np.int64)

    return answer


def takes_bit(candidate):
    """Tell whether its methods take a prediction: one that does not is a policy all the same."""
    return candidate.miss.__code__.co_argcount > 3
