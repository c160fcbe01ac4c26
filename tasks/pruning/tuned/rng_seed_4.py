"""Optimal brain surgeon + LAMP: the error that stays when the other weights could make up for one, changed by search."""

import numpy as np


def saliency(layer):
    """The size of the weight over the root of its entry in the inverse second moment."""
    damping = 0.00745
    second = layer['H'].astype(np.float64)
    second = second + np.eye(len(second)) * (damping * np.trace(second) / len(second) + 1e-12)
    return np.abs(layer['W']) / np.sqrt(np.diag(np.linalg.inv(second)))


def lamp(layer, s):
    """The square of every saliency over the sum of the squares that are not smaller."""
    squares = np.square(s, dtype=np.float64).ravel()
    order = np.argsort(squares, kind='stable')
    rest = np.cumsum(squares[order][::-1])[::-1]
    found = np.empty(len(squares))
    found[order] = squares[order] / np.maximum(rest, 1e-30)
    return found.reshape(s.shape)


def score(layers, sparsity):
    return [lamp(layer, saliency(layer)) for layer in layers]
