"""Random choice: what every other program is measured against."""


def select(docs, target, k, rng, feats):
    n = len(feats["ratio"])
    return rng.choice(n, min(k, n), replace=False)
