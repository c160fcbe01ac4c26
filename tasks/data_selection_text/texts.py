"""The shipped texts: domains of files, each file in one part only, cut into documents.

Source: data/SOURCE.md.
"""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path

import numpy as np

from evolve.task import rng

# Shares of text: for pools, for the target documents that selectors see, for grading.
PARTS = {"pool": 0.6, "target": 0.15, "evaluation": 0.25}
FILE = Path(__file__).parent / "data" / "texts.jsonl.xz"


def documents(domain: str, part: str, draw: np.random.Generator, length: int) -> np.ndarray:
    """Cut a part of a domain into documents (n, length) uint8, in random order.

    No two overlap. Where the cuts lie depends on `draw`.
    """
    cuts = []
    for text in parts(domain)[part]:
        begin = int(draw.integers(0, length))
        whole = text[begin : begin + (len(text) - begin) // length * length]
        cuts.append(np.frombuffer(whole, dtype=np.uint8).reshape(-1, length))
    return draw.permutation(np.concatenate(cuts))


@cache
def parts(domain: str) -> dict[str, list[bytes]]:
    """Give the files of every part of a domain."""
    found: dict[str, list[bytes]] = {part: [] for part in PARTS}
    for name, text in _files()[domain]:
        found[_part_of()[name]].append(text)
    return found


@cache
def _part_of() -> dict[str, str]:
    """Put every file into one part, the same for all domains that have something of it.

    A docstring that grades must not come back as part of a module in a pool.
    """
    chosen: dict[str, str] = {}
    for domain, files in _files().items():
        have = {
            part: sum(len(text) for name, text in files if chosen.get(name) == part)
            for part in PARTS
        }
        total = sum(len(text) for _, text in files)
        for row in rng("data_selection_text", "parts", domain).permutation(len(files)):
            name, text = files[row]
            if name not in chosen:
                part = max(PARTS, key=lambda part: PARTS[part] * total - have[part])
                chosen[name] = part
                have[part] += len(text)
    return chosen


@cache
def _files() -> dict[str, list[tuple[str, bytes]]]:
    """Give the files of every domain, as (name, text in UTF-8)."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    with lzma.open(FILE, "rt", encoding="utf-8") as lines:
        for line in lines:
            values = json.loads(line)
            file = values["file"], values["text"].encode()
            found.setdefault(values["domain"], []).append(file)
    return found
