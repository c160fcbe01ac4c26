"""How a packing rule behaves, read off its table of preferences."""

from __future__ import annotations

import numpy as np


def behaviour(table: np.ndarray) -> dict[str, float]:
    """Give the measures of a table of ranks, (sizes, capacity), 0 where a bin has no room.

    room: Pearson's correlation of rank and room left, mean over sizes, 0 for a constant row.
    turns: log2 of 1 + the number of changes between rising and falling with the room left, mean
    over sizes. ties: share of neighbouring capacities that are liked equally (logged only).
    """
    rows = [row[row > 0].astype(np.float64) for row in table]
    rows = [row for row in rows if len(row) > 2]
    if not rows:
        return {"room": 0.0, "turns": 0.0, "ties": 0.0}
    return {
        "room": float(np.mean([_correlation(row) for row in rows])),
        "turns": float(np.log2(1 + np.mean([_turns(row) for row in rows]))),
        "ties": float(np.mean(np.concatenate([np.diff(row) == 0 for row in rows]))),
    }


def _correlation(row: np.ndarray) -> float:
    left = np.arange(len(row)) - (len(row) - 1) / 2
    ranks = row - row.mean()
    scale = np.sqrt((left**2).sum() * (ranks**2).sum())
    return float((left * ranks).sum() / scale) if scale > 0 else 0.0


def _turns(row: np.ndarray) -> int:
    signs = np.sign(np.diff(row))
    signs = signs[signs != 0]
    return int((signs[1:] != signs[:-1]).sum())
