"""Quad: clusters as the arms of a bandit, whose rewards are influences of sampled members.

Source: Zhang et al., "Harnessing Diversity for Important Data Selection in Pretraining Large
Language Models", 2024, arXiv 2409.16986. The paper's influence inverts the Hessian of attention
layers; ours is the gradient of the pool's example times that of the trusted ones in given features.
"""

import numpy as np


def score(pool, k, rng):
    """Inner product of an example's gradient with the mean one of trusted examples of its label."""
    y, X, Xt = pool["y"], pool["X"], pool["Xt"]
    errors = pool["tgt_probs"] - np.eye(pool["n_classes"], dtype=np.float32)[y]
    belief = pool["tgt_probs"].mean(0) - np.eye(pool["n_classes"], dtype=np.float32)[pool["yt"]]
    middle = X.mean(0)
    width = np.sqrt(((X - middle) ** 2).mean()) + 1e-12
    target = belief.T @ ((Xt - middle) / width) / len(Xt)
    return ((errors @ target) * ((X - middle) / width)).sum(1).astype(np.float64)


def choose(pool, w, k, rng):
    """Pull the arm of highest mean and uncertainty; take its next members; until there are k."""
    clusters, explore, pull = 40, 1.0, 5
    scaled = (w - w.mean()) / (w.std() + 1e-9)
    home = k_means(pool["X"], clusters, rng)
    arms = [np.flatnonzero(home == place) for place in np.unique(home)]
    arms = [arm[np.argsort(-w[arm], kind="stable")] for arm in arms]
    pulls, gains, used = np.zeros(len(arms)), np.zeros(len(arms)), np.zeros(len(arms), dtype=int)
    sizes = np.array([len(arm) for arm in arms])
    chosen = []
    while len(chosen) < min(k, len(w)):
        bound = explore * np.sqrt(2 * np.log(pulls.sum() + 1) / np.maximum(pulls, 1))
        mean = np.where(pulls > 0, gains / np.maximum(pulls, 1) + bound, np.inf)
        arm = int(np.where(used < sizes, mean, -np.inf).argmax())
        part = arms[arm][used[arm] : used[arm] + min(pull, k - len(chosen))]
        chosen += part.tolist()
        used[arm] += len(part)
        pulls[arm] += 1
        gains[arm] += scaled[part].mean()
    return np.array(chosen)


def k_means(X, count, rng, rounds=8):
    """Give the cluster of every row, 0 to at most count - 1, after Lloyd's rounds."""
    centres = X[rng.choice(len(X), min(count, len(X)), replace=False)]
    for _ in range(rounds):
        home = ((centres**2).sum(1) - 2 * X @ centres.T).argmin(1)
        member = (home == np.arange(len(centres))[:, None]).astype(X.dtype)
        size = member.sum(1, keepdims=True)
        centres = np.where(size > 0, member @ X / np.maximum(size, 1), centres)
    return home


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
