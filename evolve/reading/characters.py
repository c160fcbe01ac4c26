"""Typographic characters in code: made plain where that alone makes a program parse."""

from __future__ import annotations

import ast
import re

from evolve.errors import Unparsable
from evolve.program import parse

_DOUBLE = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02"
_SINGLE = "\u2018\u2019\u201a\u201b\u2032\uff07"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"  # fmt: skip
_NOTHING = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
PLAIN = {
    **dict.fromkeys(map(ord, _DOUBLE), '"'),
    **dict.fromkeys(map(ord, _SINGLE), "'"),
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, _NOTHING)),
}
"""What is written for what: quotes, dashes, spaces; characters without width go."""

TOKEN = re.compile(
    r"\\[\s\S]|"
    r"""(?s:"{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3})"""
    r"""|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'|\#[^\n]*"""
    rf"|[{''.join(map(chr, PLAIN))}]+"
)
"""What a backslash escapes, a string, a comment, or typographic characters outside of all."""


def plain_characters(text: str) -> str:
    """Give a text with typographic characters made plain everywhere."""
    return text.translate(PLAIN)


def mended(code: str) -> tuple[str, ast.Module]:
    """Give code that parses, and its syntax tree.

    It is the code itself, else with what stands outside strings and comments made plain.
    Raises: Unparsable, with what is wrong with the code as it was written.
    """
    try:
        return code, parse(code)
    except Unparsable as error:
        plain = TOKEN.sub(_plain_outside, code)
        if plain == code:
            raise
        try:
            return plain, parse(plain)
        except Unparsable:
            raise error from None


def _plain_outside(token: re.Match[str]) -> str:
    return token[0] if token[0][0] in "\\\"'#" else plain_characters(token[0])
