"""Pruning by explaining: the relevance that flows through a weight, by the z+ rule.

Source: Yeom, Seegerer, Lapuschkin, Binder, Wiedemann, Mueller, Samek, "Pruning by Explaining: A Novel
Criterion for Deep Neural Network Pruning", 2021, arXiv 1912.08881; single weights as in Hatefi et
al., "Pruning By Explaining Revisited", 2024, arXiv 2408.12568. The papers pass relevance back from
the answers, example by example; ours takes an output's relevance from its gradients, and divides it
among its inputs by their mean positive contributions.
"""

import numpy as np


def saliency(layer):
    """Relevance of the output, times the weight's share of what excites it."""
    flow = np.maximum(layer["W"] * layer["x_mean"], 0) + 0.1 * np.abs(layer["W"]) * layer["x_norm"]
    share = flow / (flow.sum(1, keepdims=True) + 1e-12)
    return relevance(layer) * share


def relevance(layer):
    """How far the loss leans on every output: its gradient's size times its spread."""
    power = (layer["x_norm"] ** 2).sum() + 1e-12
    slope = np.sqrt(layer["G2"].sum(1) / power)
    return (slope * layer["z_std"])[:, None]


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
