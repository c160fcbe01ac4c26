"""The whole pool, whatever the budget: the same number of steps on everything."""


def select(pool, k, rng, private):
    return private["whole"]
