"""Random choice: what every other program is measured against."""


def select(pool, k, rng):
    n = len(pool["y"])
    return rng.choice(n, min(k, n), replace=False)
