"""Keys of model services: read in the parent, handed to adapters, and taken out of every text."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from evolve.errors import UsageError

# What names a secret: a list for those that follow no pattern, and the pattern of most services.
KEY_VARIABLES = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_SESSION_TOKEN",
        "HF_TOKEN",
        "HUGGINGFACE_TOKEN",
    }
)
KEY_PATTERN = re.compile(r"^[A-Z0-9_]+_(API_KEY|API_TOKEN|AUTH_TOKEN|ACCESS_KEY|APIKEY)$")

MASK = "[key]"
# Shorter values are words such as "EMPTY" or "ollama", which local servers take for a key.
MIN_SECRET = 8
# How much of a key gives it away; what providers show of one is shorter.
MIN_PREFIX = 12


@dataclass(frozen=True)
class Keys:
    """Keys by the names of their variables. Shown, it tells the names only."""

    _values: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._values))

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def scrub(self, text: str) -> str:
        """Replace every key in a text, and every beginning of one that is long enough to matter."""
        secrets = [value for value in self._values.values() if len(value) >= MIN_SECRET]
        if not secrets:
            return text
        heads = re.compile("|".join(re.escape(secret[:MIN_PREFIX]) for secret in secrets))
        clean, end = [], 0
        while found := heads.search(text, end):
            clean += [text[end : found.start()], MASK]
            # Keys may begin alike: the one that fits best says how much goes.
            end = found.start() + max(_common(text, found.start(), secret) for secret in secrets)
        return "".join(clean) + text[end:]

    def __repr__(self) -> str:
        return f"Keys({', '.join(self.names)})"


def read_keys(folder: Path) -> Keys:
    """Read keys from the environment and from `.env` in a folder; the environment wins.

    Nothing is written into the environment. Raises: UsageError for a `.env` that is no text.
    """
    environment = {name: value for name, value in os.environ.items() if value.strip()}
    found = _dotenv(folder / ".env") | environment
    return Keys({name: value.strip() for name, value in found.items() if _names_a_key(name)})


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():  # a virtual environment may have this name too
        return {}
    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text ({type(error).__name__})") from None
    return {name: value for name, value in values.items() if value and value.strip()}


def _names_a_key(name: str) -> bool:
    return name in KEY_VARIABLES or KEY_PATTERN.match(name) is not None


def _common(text: str, start: int, secret: str) -> int:
    """Count the characters in which a text, from a place on, is as a secret is."""
    pairs = zip(text[start : start + len(secret)], secret, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
