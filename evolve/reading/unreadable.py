"""An answer without a usable program, told so that its author, a model, can do better."""

from __future__ import annotations

from evolve.errors import EvolveError


class Unreadable(EvolveError):
    """No program can be made of an answer; the message says what, where, and what to send."""
