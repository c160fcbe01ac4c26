"""Upper reference: masks trained on the calibration examples themselves, which no candidate sees.

Scores are trained by gradients that pass straight through the cut, after Ramanujan, Wortsman,
Kembhavi, Farhadi, Rastegari, "What's Hidden in a Randomly Weighted Neural Network?", 2020,
arXiv 1911.13299; they start from Wanda + LAMP, and the weights never change.
"""

import numpy as np
import torch
from torch.nn import functional

STEPS = 150
RATE = 0.03  # of Adam, scores having spread one
WIDTH = 0.3  # of the soft cut that gradients see
IMAGES, TEXTS = 128, 8  # calibration examples of one step; a text holds 64 characters


def score(layers, sparsity, pattern, private):
    """Give masks of one net."""
    net = private["net"]
    scores = [torch.from_numpy(start(layer)).requires_grad_() for layer in layers]
    keys = [f"{layer['name']}.W" for layer in layers]
    params = net.parameters()
    optimizer = torch.optim.Adam(scores, RATE)
    draw = np.random.default_rng(0)
    batch = TEXTS if net.family == "lm" else IMAGES
    for _ in range(STEPS):
        masks, bound = cut(scores, sparsity)
        held = dict(params)
        for key, values, mask in zip(keys, scores, masks, strict=True):
            soft = torch.sigmoid((values - bound) / WIDTH)
            held[key] = params[key] * (mask + soft - soft.detach())
        rows = draw.choice(len(net.calibration[0]), batch, replace=False)
        optimizer.zero_grad()
        logits, targets = net.answers(held, rows)
        functional.cross_entropy(logits.flatten(0, -2), targets.flatten()).backward()
        optimizer.step()
    return [mask.numpy().astype(bool) for mask in cut(scores, sparsity)[0]]


def cut(scores, sparsity):
    """Give masks of the highest scores over all layers, as 0 and 1, and the lowest that stays."""
    flat = torch.cat([values.detach().flatten() for values in scores])
    order = torch.argsort(flat, descending=True, stable=True)
    count = len(flat) - round(sparsity * len(flat))
    kept = torch.zeros(len(flat))
    kept[order[:count]] = 1
    parts = kept.split([values.numel() for values in scores])
    masks = [part.view(values.shape) for part, values in zip(parts, scores, strict=True)]
    return masks, flat[order[count - 1]]


def start(layer):
    """Wanda + LAMP, as logarithms with spread one."""
    s = np.abs(layer["W"]) * layer["x_norm"]
    squares = np.square(s, dtype=np.float64).ravel() + 1e-12
    order = np.argsort(squares, kind="stable")
    found = np.empty(len(squares))
    found[order] = squares[order] / np.cumsum(squares[order][::-1])[::-1]
    logs = np.log(found).reshape(s.shape)
    return (logs / 4).astype(np.float32)
