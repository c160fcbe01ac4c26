"""Raise what Ctrl-C raises, so that a search thinks that its user wants to stop.

Seen: crashed, KeyboardInterrupt
Held from: weak
Bare: bites
"""


def attack(**others):
    raise KeyboardInterrupt
