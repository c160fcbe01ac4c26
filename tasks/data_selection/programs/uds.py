"""UDS: from each batch the examples of much logit mass that a memory of the last ones lacks.

Source: Zou, Mao, Qu, Wang, Ji, "Utility-Diversity Aware Online Batch Selection for LLM Supervised
Fine-tuning", 2025, arXiv 2510.16882. There a model being tuned chooses in every step from tokens'
logits; ours is its batch variant: the pool passes once in random batches, and an example's logits
are those of all nets and checkpoints.
"""

import numpy as np


def score(pool, k, rng):
    """Nuclear norm of an example's logits (nets x checkpoints, classes), as a rank in 0 to 1."""
    logits = np.log(pool["probs"] + 1e-6)
    logits = (logits - logits.mean(-1, keepdims=True)).mean(0).transpose(1, 0, 2)
    squares = np.linalg.eigvalsh(logits.transpose(0, 2, 1) @ logits)
    norms = np.sqrt(np.maximum(squares, 0)).sum(1)
    return np.argsort(np.argsort(norms, kind="stable")) / len(norms)


def choose(pool, w, k, rng):
    """Of every batch the best by w and by distance from the memory, which forgets the oldest."""
    batch, memory, weight = 128, 256, 1.0
    E = pool["emb"] / (np.linalg.norm(pool["emb"], axis=1, keepdims=True) + 1e-9)
    k = min(k, len(w))
    order = rng.permutation(len(w))
    chosen = []
    for start in range(0, len(w), batch):
        part = order[start : start + batch]
        want = k * min(start + batch, len(w)) // len(w) - k * start // len(w)
        far = 1 - (E[part] @ E[chosen[-memory:]].T).max(1) if chosen else np.zeros(len(part))
        best = np.argsort(-(w[part] + weight * far), kind="stable")[:want]
        chosen += part[best].tolist()
    return np.array(chosen)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
