"""The packing that the items were cut from: 0, the best there can be. Reads private values."""


def pack(items, capacity, rng, private):
    return private["home"]
