"""Belady's optimum: what is asked for last, or never again, has to go. It knows the future."""

import numpy as np

NO_VICTIM = -1
RUN = {}


def priority(capacities, private, step, lanes, ends, keys, **others):
    """Answer one item in place of a program. keys of lane i: up to ends[i], the last one a miss."""
    if step == 0:
        RUN["at"] = [0] * len(capacities)
        RUN["cached"] = [{} for _ in capacities]
        RUN["next"] = [following(trace.tolist()) for trace in private["traces"]]
    victims, begin = [], 0
    for lane, end in zip(lanes.tolist(), ends.tolist(), strict=True):
        cached, coming = RUN["cached"][lane], RUN["next"][lane]
        for key in keys[begin : end - 1].tolist():
            cached[key] = coming[RUN["at"][lane]]
            RUN["at"][lane] += 1
        victim = NO_VICTIM
        if len(cached) >= capacities[lane]:
            victim = max(cached, key=cached.get)
            del cached[victim]
        cached[int(keys[end - 1])] = coming[RUN["at"][lane]]
        RUN["at"][lane] += 1
        victims.append(victim)
        begin = end
    return np.array(victims, dtype=np.int64)


def following(keys):
    """When each request's key is asked for next."""
    found, seen = [len(keys)] * len(keys), {}
    for at in range(len(keys) - 1, -1, -1):
        found[at] = seen.get(keys[at], len(keys))
        seen[keys[at]] = at
    return found
