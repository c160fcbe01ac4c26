"""LRU-2: the key whose last but one request lies back the longest has to go.

Source: O'Neil, O'Neil, Weikum, "The LRU-K Page Replacement Algorithm for Database Disk Buffering", 1993.
A key that was asked for once counts as asked for before the trace began.
"""

TIE = 0.001


def priority(cache):
    before = cache["age"] + cache["gap"]
    return -before - TIE * cache["age"]
