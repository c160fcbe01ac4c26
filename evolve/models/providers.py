"""Which provider a misspelt one may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What is called without litellm.
OWN = ("anthropic", "openai")
# As alike as two names must be, from 0 to 1: one letter wrong, missing or too many in a short one.
ALIKE = 0.75


def meant(model: str, known: Iterable[str] = ()) -> str | None:
    """Give the provider that is closest to that of PROVIDER/NAME; None if none is close.

    known: those that there are beside our own.
    """
    provider, _, _ = model.partition("/")
    close = difflib.get_close_matches(provider.lower(), [*OWN, *known], 1, ALIKE)
    return next((each for each in close if each != provider), None)
