"""Upper reference, PAGCP-like: cut in rounds the units without which the answers change least.

After "Performance-aware Approximation of Global Channel Pruning for Multitask CNNs", 2023,
arXiv 2303.11923, which ranks by the true change and prunes greedily. It sees the nets and the
calibration examples themselves, and measures each unit by running the net without it. Ours takes the
cross-entropy with the dense net's answers, since the loss on examples that a net knows is flat.
"""

import numpy as np
import torch

ROUNDS = 10
# Calibration examples of one measurement; a text holds 64 characters.
IMAGES, TEXTS = 128, 4
AT_ONCE = 16  # nets that differ in one unit and are run together


def score_units(layers, sparsity, pattern, private):
    net = private["net"]
    masks = [np.ones(len(layer["W"]), dtype=bool) for layer in layers]
    size = sum(len(mask) for mask in masks)
    rows = slice(TEXTS if net.family == "lm" else IMAGES)
    with torch.no_grad():
        dense = net.answers(net.parameters(), rows)[0]
    for turn in range(1, ROUNDS + 1):
        gone = round((1 - (1 - sparsity) ** (turn / ROUNDS)) * size)
        flat = np.concatenate(masks)
        cost = np.where(flat, costs(net, masks, rows, dense), -np.inf)
        flat[np.argsort(cost, kind="stable")[:gone]] = False
        masks = np.split(flat, np.cumsum([len(mask) for mask in masks])[:-1])
    return masks


def costs(net, masks, rows, dense):
    """Give the change of the answers without each of the remaining units, one by one."""
    flat = np.concatenate(masks)
    ends = np.cumsum([len(mask) for mask in masks])[:-1]
    found = np.zeros(len(flat))
    left = np.flatnonzero(flat)
    for start in range(0, len(left), AT_ONCE):
        units = left[start : start + AT_ONCE]
        without = []
        for unit in units:
            kept = flat.copy()
            kept[unit] = False
            without.append(net.masked(np.split(kept, ends)))
        params = {key: torch.cat([each[key] for each in without]) for key in without[0]}
        with torch.no_grad():
            said = net.answers(params, rows)[0].log_softmax(-1)
        found[units] = -(dense.softmax(-1) * said).sum(-1).flatten(1).mean(1).cpu().numpy()
    return found
