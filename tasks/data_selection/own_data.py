"""A user's own examples as material: an npz file, checked, standardised and divided.

`X (N, d)` and `y (N,)`, and optionally a target set `Xt (M, d)` and `yt (M,)`: clean examples of
what the trained net is for. Without one, what grades choices and what is trusted is held out of X.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from functools import cache

import numpy as np

from evolve.task import Unusable, rng

from .material import Labelled, Material, mixed, shuffled, stitched
from .pools import TRUSTED_PER_CLASS

KEYS, TARGET_KEYS = ("X", "y"), ("Xt", "yt")
WHOLE_FILE = "write it with np.savez(FILE, X=X, y=y), and Xt=, yt= for a target set"
# Nets with more inputs are no longer trained in seconds, nor predictions for more classes sent.
MOST_FEATURES, MOST_CLASSES = 2048, 64
# A gigabyte of float32.
MOST_VALUES = 2**28
# A pool that has few distinct examples is nothing to choose from, and few that grade are noise.
FEWEST, FEWEST_PER_CLASS = 200, 20
# Of a target set, five of every class are trusted, and as many are wanted in either evaluation.
FEWEST_TARGET, FEWEST_TARGET_PER_CLASS = 100, 3 * TRUSTED_PER_CLASS
# Shares of the digits: 900 for pools, 400 and 497 that grade.
POOL_SHARE, VALID_SHARE = 0.5, 0.22
# More rows that grade make grades slower, and hardly surer.
MOST_GRADING = 2000
# Copies differ as those of digits do: .06 of pixels whose standard deviation is about .3.
JITTER = 0.2
# Standardised features beyond this are outliers that would blow up a net.
FARTHEST = 10.0
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
def own_material(path: str) -> Material:
    """Read a file of a user's. Raises: Unusable, which says what is wrong with it and what to do."""
    arrays = _read(path)
    features, target = arrays["X"], arrays.get("Xt")
    names, labels = np.unique(arrays["y"], return_inverse=True)
    draw = rng("data_selection", "parts of own data")
    if target is None:
        pool, valid, test = _parts(draw, labels, (POOL_SHARE, VALID_SHARE))
        mean, spread = _scale(path, features[pool])
        sets = [_labelled(features, labels, rows, mean, spread) for rows in (pool, valid, test)]
        trusted = None
    else:
        _same_classes(path, names, arrays["yt"])
        targets = np.searchsorted(names, arrays["yt"])
        parts = _parts(draw, targets, (1 / 3, 1 / 3))
        mean, spread = _scale(path, features)
        trusted, *grading = (_labelled(target, targets, rows, mean, spread) for rows in parts)
        sets = [_labelled(features, labels, np.arange(len(labels)), mean, spread), *grading]
    return Material(
        pool=sets[0],
        trusted=trusted,
        valid=_few(draw, sets[1]),
        test=_few(draw, sets[2]),
        classes=len(names),
        partners=_nearest_classes(sets[0], len(names)),
        jitter=JITTER,
        span=(-np.inf, np.inf),
        strange=(shuffled, _drawn, mixed),
        strange_unseen=(stitched, _drawn, mixed),
    )


def _read(path: str) -> dict[str, np.ndarray]:
    """Give the checked arrays of a file: features float64, labels int64."""
    found = _loaded(path)
    unknown = sorted(set(found) - {*KEYS, *TARGET_KEYS})
    if unknown:
        raise _wrong(path, f"holds {unknown[0]!r}, which nothing reads; {WHOLE_FILE}")
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise _wrong(path, f"holds no {' and no '.join(missing)}; {WHOLE_FILE}")
    if len({*TARGET_KEYS} & {*found}) == 1:
        raise _wrong(path, "a target set is both Xt and yt, or neither")
    arrays = {}
    for features, labels in (KEYS, TARGET_KEYS):
        if features in found:
            arrays[features] = _features(path, features, found[features])
            arrays[labels] = _labels(path, labels, found[labels])
            _fit(path, features, labels, arrays)
    if "Xt" in arrays and arrays["X"].shape[1] != arrays["Xt"].shape[1]:
        widths = f"{arrays['X'].shape[1]} features and Xt {arrays['Xt'].shape[1]}"
        raise _wrong(path, f"X has {widths}: describe both in the same way")
    return arrays


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


def _features(path: str, key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise _wrong(path, f"{key} holds {array.dtype}: give numbers, {key}.astype('float32')")
    if array.ndim != 2:
        advice = f": flatten each example, {key}.reshape(len({key}), -1)" if array.ndim > 2 else ""
        raise _wrong(path, f"{key} has shape {array.shape}, not (examples, features){advice}")
    rows, width = array.shape
    if not 1 <= width <= MOST_FEATURES:
        raise _wrong(
            path,
            f"{key} has {width} features: give 1 to {MOST_FEATURES}, such as principal components "
            "or activations of a net",
        )
    if array.size > MOST_VALUES:
        raise _wrong(path, f"{key} has {array.size} values: give at most {MOST_VALUES}, a sample")
    array = array.astype(np.float64)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = bad[0]
        raise _wrong(
            path,
            f"{key} holds {len(bad)} values that are NaN or infinite, the first in row {row}, "
            f"column {column}: fill them or leave those rows out",
        )
    if rows and np.abs(array).max() > LARGEST:
        raise _wrong(path, f"{key} reaches {np.abs(array).max():.0e}: scale it down")
    return array


def _labels(path: str, key: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1:
        advice = ""
        if array.ndim == 2:
            how = "ravel()" if array.shape[1] == 1 else "argmax(1), if each row marks one class"
            advice = f": {key}.{how}"
        raise _wrong(path, f"{key} has shape {array.shape}, not (examples,){advice}")
    if array.dtype.kind not in "iub":
        how = (
            f"{key}.astype(int), if it holds classes"
            if array.dtype.kind == "f"
            else f"np.unique({key}, return_inverse=True)[1]"
        )
        raise _wrong(path, f"{key} holds {array.dtype}, not whole numbers: {how}")
    if len(array) and (int(array.min()) < 0 or int(array.max()) > np.iinfo(np.int64).max):
        span = f"{array.min()} to {array.max()}"
        raise _wrong(path, f"{key} runs from {span}: number classes from 0 up")
    return array.astype(np.int64)


def _fit(path: str, features: str, labels: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse features and labels that do not belong together, or are too few."""
    rows, given = len(arrays[features]), arrays[labels]
    if rows != len(given):
        raise _wrong(path, f"{features} has {rows} examples, {labels} {len(given)} labels")
    target = features == "Xt"
    fewest = FEWEST_TARGET if target else FEWEST
    if rows < fewest:
        raise _wrong(path, f"{features} has {rows} examples: give at least {fewest}")
    names, counts = np.unique(given, return_counts=True)
    if len(names) < 2:
        raise _wrong(path, f"{labels} holds one class only, {names[0]}: give at least two")
    if len(names) > MOST_CLASSES:
        raise _wrong(
            path,
            f"{labels} holds {len(names)} different numbers: give at most {MOST_CLASSES} classes; "
            "a quantity to be predicted must be cut into some",
        )
    each = FEWEST_TARGET_PER_CLASS if target else FEWEST_PER_CLASS
    if counts.min() < each:
        rare = names[counts.argmin()]
        raise _wrong(
            path,
            f"class {rare} has {counts.min()} examples in {labels}: give at least {each} of each, "
            "merge classes or leave it out",
        )


def _same_classes(path: str, names: np.ndarray, targets: np.ndarray) -> None:
    odd = np.setxor1d(names, targets)
    if len(odd):
        lacks = "y" if odd[0] in targets else "yt"
        raise _wrong(path, f"class {odd[0]} is not in {lacks}: give the same classes in y and yt")


def _parts(
    draw: np.random.Generator, labels: np.ndarray, shares: tuple[float, float]
) -> list[np.ndarray]:
    """Divide row numbers into three, every class by itself; the third takes what is left."""
    parts: list[list[np.ndarray]] = [[], [], []]
    for label in range(labels.max() + 1):
        rows = draw.permutation(np.flatnonzero(labels == label))
        first = round(len(rows) * shares[0])
        cuts = np.split(rows, [first, first + round(len(rows) * shares[1])])
        for part, cut in zip(parts, cuts, strict=True):
            part.append(cut)
    return [np.sort(np.concatenate(part)) for part in parts]


def _scale(path: str, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give mean and standard deviation of every feature, 1 for one that does not vary."""
    spread = features.std(0)
    flat = spread <= 1e-9 * np.abs(features).max(0)
    if flat.all():
        raise _wrong(path, "no feature of X varies")
    return features.mean(0), np.where(flat, 1, spread)


def _labelled(
    features: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    mean: np.ndarray,
    spread: np.ndarray,
) -> Labelled:
    scaled = np.clip((features[rows] - mean) / spread, -FARTHEST, FARTHEST)
    return scaled.astype(np.float32), labels[rows]


def _few(draw: np.random.Generator, part: Labelled) -> Labelled:
    """Give at most so many of the examples that grade."""
    rows = draw.permutation(len(part[1]))[:MOST_GRADING]
    return part[0][rows], part[1][rows]


def _nearest_classes(pool: Labelled, classes: int) -> np.ndarray:
    """Give for every class the one whose mean is nearest: what it is mistaken for."""
    means = np.stack([pool[0][pool[1] == label].mean(0) for label in range(classes)])
    distance = ((means[:, None] - means) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    return distance.argmin(1)


def _drawn(draw: np.random.Generator, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Every feature by itself from a normal distribution: static, of standardised features."""
    return draw.standard_normal(one.shape, dtype=np.float32)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _wrong(path: str, what: str) -> Unusable:
    return Unusable(f"data.path={path}: {what}")
