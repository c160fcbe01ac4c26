"""PST: magnitude plus a low-rank, row and column part of the gradient's importance.

Source: Li, Luo, Tan, Wang, Huang, Li, Bai, "Parameter-Efficient Sparsity for Large Language Models
Fine-Tuning", 2022, arXiv 2205.11005. The paper trains the low-rank factors and the row and column
scores while fine-tuning; ours takes them from weight times gradient on the calibration examples.
"""

import numpy as np


def saliency(layer):
    """Magnitude, low-rank importance and importance of row and column, each at mean one."""
    low_rank, structure = 1.0, 1.0
    size = np.abs(layer["W"])
    found = np.abs(layer["W"]) * np.sqrt(layer["G2"])
    smooth = np.maximum(factored(found, 8), 0)
    lines = found.mean(1, keepdims=True) + found.mean(0)
    return scaled(size) + low_rank * scaled(smooth) + structure * scaled(lines)


def factored(values, rank):
    """The nearest matrix of a low rank."""
    u, s, v = np.linalg.svd(values.astype(np.float64), full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank]


def scaled(values):
    return values / (values.mean() + 1e-30)


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
