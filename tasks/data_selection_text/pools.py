"""Pools of documents: many domains, junk and near-duplicates, and few documents like the target.

Documents are rows of L bytes, uint8. The texts that grade choices come from files of which no
document of a pool and no target document is a part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evolve.task import rng

from .junk import near_copies, spoil
from .texts import documents

DOC_BYTES = 512
TARGETS = 40
EVALUATED = 64
NOT_A_TEXT = -1
OTHER, IN_DOMAIN = 0, 1
# Of one document so many near-duplicates are made, on average.
COPIES_EACH = 4
A_TO_Z = np.arange(26)


@dataclass(frozen=True)
class Regime:
    """What pools are made of.

    domains: that the targets of pools come from, in turn. background: domains of everything else.
    junk, copies, in_domain: shares of the pool.
    """

    domains: tuple[str, ...]
    background: tuple[str, ...]
    junk: float = 0.12
    copies: float = 0.08
    in_domain: float = 0.08
    kinds: tuple[str, ...] = (
        "random_bytes",
        "shuffled_words",
        "repetition",
        "base64",
        "misread",
        "minified",
    )


COMMON = ("topics", "docstrings", "network", "tests", "library", "tables", "licence")
KNOWN = Regime(domains=("topics", "network", "docstrings", "tests"), background=COMMON)
HIDDEN = Regime(
    domains=("comments", "windows", "sessions", "building"),
    background=(*COMMON, "comments", "windows", "sessions", "building"),
    kinds=("hexadecimal", "backwards", "interleaved", "markup", "base64", "misread"),
)


@dataclass(frozen=True)
class Pool:
    """One pool of N documents, with what only the grader may know.

    docs: (N, L) uint8. target: (m, L) uint8, what selectors are shown of the target domain.
    evaluation: (e, L) uint8, what grades. origin: (N,) int64, IN_DOMAIN, OTHER or NOT_A_TEXT.
    group: (N,) int64, equal for near-duplicates.
    """

    docs: np.ndarray
    target: np.ndarray
    evaluation: np.ndarray
    origin: np.ndarray
    group: np.ndarray


def draw_pool(name: str, number: int, size: int, regime: Regime) -> Pool:
    """Draw the pool that belongs to a name; `number` says which domain is the target's."""
    draw = rng("data_selection_text", "pool", name)
    domain = regime.domains[number % len(regime.domains)]
    num_junk, num_copies = round(size * regime.junk), round(size * regime.copies)
    num_in = round(size * regime.in_domain)
    inside = documents(domain, "pool", draw, DOC_BYTES)[:num_in]
    background = [each for each in regime.background if each != domain]
    outside = _mixture(draw, background, size - num_junk - num_copies - len(inside))
    texts = np.concatenate([inside, outside])
    origin = np.concatenate([np.full(len(inside), IN_DOMAIN), np.full(len(outside), OTHER)])
    originals = draw.permutation(len(texts))[: max(num_copies // COPIES_EACH, 1)]
    copied = draw.choice(originals, num_copies)
    junk = spoil(draw, regime.kinds, texts[draw.choice(len(texts), num_junk)])
    mix = draw.permutation(size)
    pool = Pool(
        docs=np.concatenate([texts, near_copies(draw, texts[copied]), junk])[mix],
        target=documents(domain, "target", draw, DOC_BYTES)[:TARGETS],
        evaluation=documents(domain, "evaluation", draw, DOC_BYTES)[:EVALUATED],
        origin=np.concatenate([origin, origin[copied], np.full(num_junk, NOT_A_TEXT)])[mix],
        group=np.concatenate([np.arange(len(texts)), copied, len(texts) + np.arange(num_junk)])[
            mix
        ],
    )
    return hidden(draw, pool)


def unseen(name: str, regime: Regime) -> Regime:
    """Give a regime of the hidden test: other shares of junk, copies and what is like the target."""
    draw = rng("data_selection_text", "regime", name)
    return replace(
        regime,
        junk=regime.junk * draw.uniform(0.7, 1.7),
        copies=regime.copies * draw.uniform(0.5, 2),
        in_domain=regime.in_domain * draw.uniform(0.6, 1.3),
    )


def hidden(draw: np.random.Generator, pool: Pool) -> Pool:
    """Write one letter for another everywhere, small and capital alike, by a table of the pool's.

    Whoever has the texts from elsewhere cannot simply look them up. Lengths of words, white space,
    digits, marks and what repeats stay as they are.
    """
    order = draw.permutation(26)
    table = np.arange(256, dtype=np.uint8)
    for first in (ord("A"), ord("a")):
        table[first + A_TO_Z] = first + order
    return replace(
        pool, docs=table[pool.docs], target=table[pool.target], evaluation=table[pool.evaluation]
    )


def _mixture(draw: np.random.Generator, domains: list[str], count: int) -> np.ndarray:
    """Draw documents of many domains, as many of each as can be."""
    found = {domain: documents(domain, "pool", draw, DOC_BYTES) for domain in domains}
    shares = dict.fromkeys(domains, 0)
    # Small domains first: what they lack is shared by the others.
    for place, domain in enumerate(sorted(domains, key=lambda each: (len(found[each]), each))):
        left = count - sum(shares.values())
        shares[domain] = min(len(found[domain]), -(-left // (len(domains) - place)))
    if sum(shares.values()) < count:
        raise ValueError(f"{count} documents of {DOC_BYTES} bytes: the texts have too few")
    return np.concatenate([found[domain][: shares[domain]] for domain in domains])
