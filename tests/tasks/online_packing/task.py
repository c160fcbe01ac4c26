"""Online bin packing: an item must be placed before the next one is seen."""

from evolve.task import Grade, Instance, Invalid, rng

SIZES = {"probe": 2, "train": 4, "valid": 8, "test": 8}
CAPACITY = 100


def instances(split, settings, block=0):
    for i in range(SIZES[split]):
        items = rng("online_packing", split, block, i).integers(1, CAPACITY, settings.items)
        yield Instance(
            f"{split}-{block}-{i}", public={"capacity": CAPACITY}, private={"items": items}
        )


def feed(instance):
    loads, bins = [], []
    for size in instance.private["items"].tolist():
        chosen = yield {"size": size, "rooms": [CAPACITY - load for load in loads]}
        if type(chosen) is not int or not 0 <= chosen <= len(loads):
            raise Invalid(f"answer a bin from 0 to {len(loads)}, the last being a new one")
        if chosen == len(loads):
            loads.append(0)
        loads[chosen] += size
        if loads[chosen] > CAPACITY:
            raise Invalid(f"a bin would hold {loads[chosen]}")
        bins.append(chosen)
    return bins


def grade(instance, output):
    items = instance.private["items"]
    used = max(output) + 1
    return Grade(
        score=-100.0 * (used * CAPACITY / items.sum() - 1),
        measures={"fill": items.sum() / (CAPACITY * used), "items_per_bin": len(items) / used},
    )
