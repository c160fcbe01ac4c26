"""Passwords in the URL of an archive: found, and kept out of whatever is printed."""

from __future__ import annotations

import re

# `SCHEME://USER:PASSWORD@`, up to the last `@`: an `@` in a password may not be escaped.
_OF_A_USER = re.compile(r"(?P<before>^[^:/]+://[^:/@]*)(?P<password>:.*)@", re.DOTALL)
# libpq takes them among the parameters, too: the user's, and that of a client's key.
_AMONG_PARAMETERS = re.compile(
    r"(?P<before>[?&](?:ssl)?password=)(?P<password>[^&#]*)", re.IGNORECASE
)
HIDDEN = "***"


def has_password(place: str) -> bool:
    """Tell whether an archive's place, a path or a URL, carries a password."""
    return without_password(place) != place


def hidden_password(place: str) -> str:
    """Give a place as it may be shown: `***` stands for a password."""
    shown = _OF_A_USER.sub(rf"\g<before>:{HIDDEN}@", place)
    return _AMONG_PARAMETERS.sub(rf"\g<before>{HIDDEN}", shown)


def without_password(place: str) -> str:
    """Give a place that names the same archive and leaves the password out."""
    bare = _OF_A_USER.sub(r"\g<before>@", place)
    bare = re.sub(r"(?<=[?&])(?:ssl)?password=[^&#]*(?:&|$)", "", bare, flags=re.IGNORECASE)
    return bare.rstrip("?&") if bare != place else place
