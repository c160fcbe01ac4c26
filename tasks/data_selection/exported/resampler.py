"""Resamples training data as scikit-learn and imbalanced-learn do it, by an exported selector.

    X_chosen, y_chosen = SelectionResampler(select, fraction=0.1).fit_resample(X, y)

It can stand in a pipeline of imbalanced-learn, and scikit-learn can clone it.
"""

from __future__ import annotations

from typing import Any

from .features import Select, choose

PARAMETERS = ("select", "fraction", "trusted", "random_state")


class SelectionResampler:
    """Keeps the fraction (0 to 1) of a training set that a selector chooses.

    trusted: clean examples and labels, described like X; see features.py for what stands in.
    After `fit_resample`, `sample_indices_` are the chosen row numbers, ascending.
    """

    def __init__(
        self,
        select: Select,
        fraction: float = 0.1,
        trusted: tuple[Any, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.select = select
        self.fraction = fraction
        self.trusted = trusted
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Give the chosen part of X and y, in their own types. Raises: ValueError."""
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction is {self.fraction}: more than 0 and at most 1")
        k = max(round(self.fraction * len(y)), 1)
        self.sample_indices_ = choose(
            self.select, X, y, k, trusted=self.trusted, random_state=self.random_state
        )
        return _rows(X, self.sample_indices_), _rows(y, self.sample_indices_)

    def fit(self, X: Any, y: Any) -> SelectionResampler:
        """Choose, and keep only `sample_indices_`."""
        self.fit_resample(X, y)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {name: getattr(self, name) for name in PARAMETERS}

    def set_params(self, **parameters: Any) -> SelectionResampler:
        for name, value in parameters.items():
            if name not in PARAMETERS:
                raise ValueError(f"{name!r} is no parameter: {', '.join(PARAMETERS)}")
            setattr(self, name, value)
        return self


def _rows(values: Any, rows: Any) -> Any:
    """Take rows of an array, a list or a data frame."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return values[rows] if hasattr(values, "shape") else [values[row] for row in rows]
