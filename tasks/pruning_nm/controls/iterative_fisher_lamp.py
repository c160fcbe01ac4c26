"""Upper reference: Fisher in rounds, moments taken anew of what each round leaves of the groups.

LAMP changes nothing where all layers lose one share; the name is that of the control it stands for.
"""

import numpy as np

TEXTS = 128  # calibration examples of a language model, half of what criteria are told of
SHRINK = 0.75  # share of a group that a round leaves, until as many stay as may


def score(layers, sparsity, pattern, private):
    """Give masks: of every group ever fewer weights stay."""
    keep, group = (int(number) for number in pattern.split(":"))
    net = private["net"]
    masks = [np.ones(layer["W"].shape, dtype=bool) for layer in layers]
    stays = group
    while stays > keep:
        stays = max(keep, int(SHRINK * stays))
        left = net.layers(masks, TEXTS if net.family == "lm" else None)
        saliency = [layer["W"] ** 2 * layer["G2"] for layer in left]
        masks = [
            highest(np.where(mask, found, -1.0), stays, group)
            for mask, found in zip(masks, saliency, strict=True)
        ]
    return masks


def highest(scores, count, group):
    """Keep the highest of every group of neighbours in a row."""
    out, fan_in = scores.shape
    padded = np.full((out, -(-fan_in // group) * group), -np.inf)
    padded[:, :fan_in] = scores
    grouped = padded.reshape(-1, group)
    kept = np.zeros(grouped.shape, dtype=bool)
    order = np.argsort(-grouped, axis=1, kind="stable")
    np.put_along_axis(kept, order[:, :count], True, axis=1)
    return kept.reshape(out, -1)[:, :fan_in]
