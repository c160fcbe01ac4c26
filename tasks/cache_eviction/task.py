"""Cache eviction: which key has to go when the cache is full and the future is not known.

An instance is a bundle of lanes, each a trace of its own with a cache of its own. Lanes go on in step,
from miss to miss, so that one question through the wall serves them all; between two misses a policy
has nothing to decide, and is told of the hits afterwards.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

from .lanes import NO_VICTIM, Lane, belady
from .traces import KINDS, trace

SHARES = (
    0.02,
    0.1,
)  # of the different keys of a trace: what a cache holds, in turns over the lanes
MIN_CAPACITY = 4
TEST_LANES = 4  # per instance of `test`, so that it has many instances
TEST_LENGTH = 2  # times as many requests
# (kind, requests, capacities): tiny, as graded, loops around the capacity, and a single slot.
PROBES = (
    ("zipf", 60, (5, 3)),
    ("words", 1200, (10, 40)),
    ("loops", 900, (30, 60, 120)),
    ("lines", 1000, (6, 30)),
    ("blocks", 1000, (8, 40)),
    ("zipf", 200, (1, 2)),
)


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give bundles of lanes; kinds take turns, and are one kind in a bundle."""
    if split == "probe":
        for number, (kind, requests, capacities) in enumerate(PROBES):
            yield _bundle(
                f"probe-{number}", kind, "train", requests, len(capacities), settings, capacities
            )
        return
    length = settings.requests * (TEST_LENGTH if split == "test" else 1)
    lanes = TEST_LANES if split == "test" else settings.lanes
    kinds = ("own",) if settings.trace.path else KINDS
    for number in range(getattr(settings, f"{split}_bundles")):
        kind = kinds[number % len(kinds)]
        yield _bundle(f"{split}-{block}-{number}", kind, split, length, lanes, settings)


def _bundle(
    name: str,
    kind: str,
    split: str,
    requests: int,
    lanes: int,
    settings: Any,
    capacities: tuple[int, ...] = (),
) -> Instance:
    own = settings.trace.path
    traces = [trace(kind, split, requests, f"{name}-{lane}", own) for lane in range(lanes)]
    sizes = list(capacities) or [
        max(MIN_CAPACITY, round(SHARES[lane % len(SHARES)] * len(np.unique(keys))))
        for lane, keys in enumerate(traces)
    ]
    told = [
        _predictions(keys, size, settings.prediction_noise, f"{name}-{lane}")
        for lane, (keys, size) in enumerate(
            zip(traces, sizes, strict=True) if settings.prediction else ()
        )
    ]
    return Instance(
        name=name,
        public={"capacities": sizes, "prediction": bool(settings.prediction)},
        private={
            "traces": traces,
            "bits": told,
            "fifo": [_fifo(*each) for each in zip(traces, sizes, strict=True)],
        },
        groups={"kind": kind},
    )


def _predictions(keys: np.ndarray, capacity: int, noise: float, name: str) -> np.ndarray:
    """Tell at each request whether the best policy lets the key go before it is asked for again.

    Each bit is wrong with probability `noise`. Gives (requests,) bool.
    """
    _, gone = belady(keys.tolist(), capacity)
    return np.asarray(gone ^ (rng("cache_eviction", "bits", name).random(len(keys)) < noise))


def feed(instance: Instance) -> Generator[dict[str, Any], Any, dict[str, Any]]:
    """Ask for victims, for all lanes that miss at once; what comes later is not sent."""
    kept = instance.private
    bits = kept["bits"] or [None] * len(kept["traces"])
    lanes = [
        Lane(*each)
        for each in zip(kept["traces"], instance.public["capacities"], bits, strict=True)
    ]
    waiting = [(number, lane) for number, lane in enumerate(lanes) if lane.to_next_miss()]
    step = 0
    while waiting:
        item: dict[str, Any] = {
            "step": step,
            "lanes": np.array([number for number, _ in waiting]),
            "ends": np.cumsum([len(lane.new) for _, lane in waiting]),
            "keys": np.array([key for _, lane in waiting for key in lane.new]),
        }
        if kept["bits"]:
            item["bits"] = np.concatenate([lane.new_bits() for _, lane in waiting])
        answer = yield item
        for (number, lane), victim in zip(waiting, _victims(answer, len(waiting)), strict=True):
            try:
                lane.let_in(victim)
            except ValueError as error:
                raise Invalid(
                    f"{instance.name}, cache {number} of {lane.capacity}: {error}"
                ) from None
        waiting = [(number, lane) for number, lane in waiting if lane.to_next_miss()]
        step += 1
    return {
        "misses": [lane.misses for lane in lanes],
        "victims": [lane.digest() for lane in lanes],
        "recency": [lane.mean_rank(0) for lane in lanes],
        "frequency": [lane.mean_rank(1) for lane in lanes],
    }


def _victims(answer: Any, count: int) -> list[int]:
    if not isinstance(answer, np.ndarray) or answer.shape != (count,) or answer.dtype.kind != "i":
        raise Invalid(
            "the answers came back changed: miss() gives a key, or None where there is room"
        )
    victims: list[int] = answer.tolist()
    return victims


def grade(instance: Instance, output: Any) -> Grade:
    """Compare the misses of each lane with those of FIFO."""
    fifo, misses = np.array(instance.private["fifo"]), np.asarray(output["misses"])
    saved = 1 - misses / fifo
    found = {
        "recency": float(np.mean(output["recency"])),
        "frequency": float(np.mean(output["frequency"])),
        "worst": float(saved.min()),
    }
    for number, share in enumerate(SHARES):
        part = saved[number :: len(SHARES)]
        found[f"saved_{share:.0%}".replace("%", "")] = float(part.mean()) if len(part) else 0.0
    ratios = ", ".join(
        f"{size}: {miss / len(keys):.0%} ({100 * save:+.0f} %)"
        for size, miss, save, keys in zip(
            instance.public["capacities"], misses, saved, instance.private["traces"], strict=True
        )
    )
    return Grade(
        score=float(saved.mean()),
        measures=found,
        feedback=f"miss ratios by capacity, and misses saved against FIFO: {ratios}",
    )


def _fifo(keys: np.ndarray, capacity: int) -> int:
    lane, queue = Lane(keys, capacity, None), list[int]()
    while lane.to_next_miss():
        queue.append(lane.new[-1])
        lane.let_in(queue.pop(0) if lane.full else NO_VICTIM)
    return lane.misses
