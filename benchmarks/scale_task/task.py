"""A task without work: a program gives (gap, low, high); less of a gap is better, with noise."""

import hashlib

from evolve.task import Grade, Instance

# Standard deviation of an instance's score: gains are smaller than it, so that steps must confirm.
NOISE = 0.02
UNIT = 1e6


def instances(split, settings, block=0):
    for i in range(2 if split == "probe" else settings.instances):
        yield Instance(f"{split}-{block}-{i}", public={"x": i})


def grade(instance, output):
    return Grade(score(instance.name, output), measures(output))


def score(instance, output):
    return -output[0] / UNIT + NOISE * luck(instance, tuple(output))


def measures(output):
    return {"low": output[1] / UNIT, "high": output[2] / UNIT}


def luck(*key):
    """Give a number that only looks drawn, about normal: equal outputs, equal scores."""
    words = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return (sum(words) - 8 * 127.5) / (8 * (256**2 - 1) / 12) ** 0.5
