"""The whole pool, whatever the budget: the same number of steps on everything."""


def select(docs, target, k, rng, feats, private):
    return private["whole"]
