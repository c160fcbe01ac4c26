"""Trains a torch model on what an exported selector chooses: a Subset, or a Sampler.

loader = DataLoader(subset(dataset, select, 0.1), batch_size=64, shuffle=True)
loader = DataLoader(dataset, batch_size=64, sampler=SelectionSampler(dataset, select, 0.1))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler, Subset

from .features import Select, choose


def subset(dataset: Dataset, select: Select, fraction: float, **options: Any) -> Subset:
    """Give the chosen fraction (0 to 1) of a dataset. options: of `chosen_rows`."""
    return Subset(dataset, chosen_rows(dataset, select, fraction, **options))


class SelectionSampler(Sampler[int]):
    """Draws the chosen fraction of a dataset, each example once an epoch, in a new order each time.

    indices: the chosen row numbers. generator: for the orders. options: of `chosen_rows`.
    """

    def __init__(
        self,
        dataset: Dataset,
        select: Select,
        fraction: float,
        *,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> None:
        self.indices = chosen_rows(dataset, select, fraction, **options)
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in torch.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


def chosen_rows(
    dataset: Dataset,
    select: Select,
    fraction: float,
    *,
    features: Any = None,
    labels: Any = None,
    trusted: tuple[Any, Any] | None = None,
    random_state: int = 0,
) -> list[int]:
    """Give the row numbers that a selector chooses.

    features, labels: (N, ...) and (N,), what examples are judged by, such as the embeddings of a
        net; otherwise the dataset is read once and must give pairs of a tensor and a label.
    trusted: clean examples and labels, described like `features`.
    """
    if (features is None) != (labels is None):
        raise ValueError("give both features and labels, or neither")
    if features is None:
        pairs = [dataset[row] for row in range(len(dataset))]  # type: ignore[arg-type]
        features = np.stack([np.asarray(pair[0]) for pair in pairs])
        labels = [int(pair[1]) for pair in pairs]
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}: more than 0 and at most 1")
    k = max(round(fraction * len(labels)), 1)
    return choose(select, features, labels, k, trusted=trusted, random_state=random_state).tolist()
