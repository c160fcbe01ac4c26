"""A user's own rows in place of the shipped data: an npz file, checked and standardised.

`X (n, d)`, numbers, and `y (n,)`, classes as whole numbers or texts.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from functools import cache

import numpy as np

from evolve.task import Unusable

KEYS = ("X", "y")
WHOLE_FILE = "write it with np.savez(FILE, X=X, y=y)"
# Fewer rows of a class could all train, and none measure.
FEWEST, FEWEST_PER_CLASS = 60, 10
# Nets with more inputs or outputs are no longer trained in seconds.
MOST_FEATURES, MOST_CLASSES = 2048, 50
# A gigabyte of float32.
MOST_VALUES = 2**28
LARGEST = 1e30
UNREADABLE = (
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@cache
def user_rows(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Give X (n, d), standardised, and y (n,), classes from 0 up.

    Raises: Unusable, which says what is wrong with the file and what to do.
    """
    found = _loaded(path)
    unknown = sorted(set(found) - {*KEYS})
    if unknown:
        raise _wrong(path, f"holds {unknown[0]!r}, which nothing reads; {WHOLE_FILE}")
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise _wrong(path, f"holds no {' and no '.join(missing)}; {WHOLE_FILE}")
    x, y = found["X"], found["y"]
    _check_features(path, x)
    _check_labels(path, y)
    if len(x) != len(y):
        raise _wrong(path, f"X has {len(x)} rows, y {len(y)} labels")
    if len(x) < FEWEST:
        raise _wrong(path, f"X has {len(x)} rows: give at least {FEWEST}")
    return _standardised(path, x.astype(np.float64)), _classes(path, y)


def _loaded(path: str) -> Mapping[str, np.ndarray]:
    """Load all arrays of an npz file, without ever unpickling."""
    try:
        file = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise _wrong(path, f"is no npz file ({_first_line(error)}); {WHOLE_FILE}") from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise _wrong(path, f"is a single array; {WHOLE_FILE}")
    found = {}
    with file:
        for key in file.files:
            try:
                array = file[key]
            except UNREADABLE as error:
                raise _wrong(
                    path,
                    f"{key} cannot be read ({_first_line(error)}): save plain numbers, "
                    "no objects, and the whole file",
                ) from error
            if not isinstance(array, np.ndarray):
                raise _wrong(path, f"{key} is no array; {WHOLE_FILE}")
            found[key] = array
    return found


def _check_features(path: str, x: np.ndarray) -> None:
    if x.dtype.kind not in "fiub":
        raise _wrong(path, f"X holds {x.dtype}: give numbers, X.astype('float32')")
    if x.ndim != 2:
        advice = ": flatten each example, X.reshape(len(X), -1)" if x.ndim > 2 else ""
        raise _wrong(path, f"X has shape {x.shape}, not (rows, features){advice}")
    if not 1 <= x.shape[1] <= MOST_FEATURES:
        raise _wrong(path, f"X has {x.shape[1]} features: give 1 to {MOST_FEATURES}")
    if x.size > MOST_VALUES:
        raise _wrong(path, f"X has {x.size} values: give at most {MOST_VALUES}, a sample")
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        raise _wrong(
            path,
            f"X holds {len(bad)} values that are NaN or infinite, the first in row {row}, "
            f"column {column}: fill them or leave those rows out",
        )
    reach = max(abs(float(x.min())), abs(float(x.max()))) if len(x) else 0.0
    if reach > LARGEST:
        raise _wrong(path, f"X reaches {reach:.0e}: scale it down")


def _check_labels(path: str, y: np.ndarray) -> None:
    if y.ndim != 1:
        advice = ""
        if y.ndim == 2:
            advice = f": y.{'ravel()' if y.shape[1] == 1 else 'argmax(1), if each row marks one'}"
        raise _wrong(path, f"y has shape {y.shape}, not (rows,){advice}")
    if y.dtype.kind not in "iubU":
        raise _wrong(
            path,
            f"y holds {y.dtype}, neither whole numbers nor texts: y.astype(int), if it holds classes",
        )


def _classes(path: str, y: np.ndarray) -> np.ndarray:
    """Number the classes from 0 up."""
    names, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    if not 2 <= len(names) <= MOST_CLASSES:
        raise _wrong(path, f"y holds {len(names)} classes: give 2 to {MOST_CLASSES}")
    if counts.min() < FEWEST_PER_CLASS:
        rare = names[counts.argmin()]
        raise _wrong(
            path,
            f"class {rare} has {counts.min()} rows: give at least {FEWEST_PER_CLASS} of each, "
            "merge classes or leave it out",
        )
    return labels.astype(np.int64)


def _standardised(path: str, x: np.ndarray) -> np.ndarray:
    """Give features with mean zero and unit variance, zero where they do not vary."""
    spread = x.std(0)
    flat = spread <= 1e-9 * np.abs(x).max(0)
    if flat.all():
        raise _wrong(path, "no feature of X varies")
    scaled: np.ndarray = np.where(flat, 0, (x - x.mean(0)) / np.where(flat, 1, spread))
    return scaled


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _wrong(path: str, what: str) -> Unusable:
    return Unusable(f"data.path={path}: {what}")
