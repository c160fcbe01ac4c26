"""Trees of arrays and plain values on disk: plain values in a JSON file, arrays beside it in .npz.

No pickle: reading a file runs nothing. Needs numpy only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

# What JSON cannot say is a dict with one of these keys; a dict with such a key of its own, or with
# keys that are no texts, is written as a list of pairs.
ARRAY, BYTES, COMPLEX, PAIRS = "$array", "$bytes", "$complex", "$pairs"


def write_tree(path: Path, tree: Any) -> None:
    """Write a tree to `path` (.json) and its arrays beside it (.npz); equal arrays once."""
    arrays: dict[str, Any] = {}
    names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            key = value.dtype.str, value.shape, value.tobytes()
            name = names.setdefault(key, f"a{len(names)}")
            arrays[name] = value
            return {ARRAY: name}
        if isinstance(value, dict):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: plain(item) for key, item in value.items()}
            return {PAIRS: [[plain(key), plain(item)] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, bytes):
            return {BYTES: value.hex()}
        if isinstance(value, complex):
            return {COMPLEX: [value.real, value.imag]}
        return value

    path.write_text(json.dumps(plain(tree), indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(path.with_suffix(".npz"), **arrays)


def read_tree(path: Path) -> Any:
    """Read what `write_tree` wrote; arrays are read-only, as candidates get them."""
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for array in arrays.values():
        array.flags.writeable = False

    def value(tree: Any) -> Any:
        match tree:
            case list():
                return [value(item) for item in tree]
            case {"$array": name}:
                return arrays[name]
            case {"$bytes": digits}:
                return bytes.fromhex(digits)
            case {"$complex": [real, imaginary]}:
                return complex(real, imaginary)
            case {"$pairs": pairs}:
                return {value(key): value(item) for key, item in pairs}
            case dict():
                return {key: value(item) for key, item in tree.items()}
        return tree

    return value(json.loads(path.read_text(encoding="utf-8")))
