"""Least recently used.

Source: Mattson, Gecsei, Slutz, Traiger, "Evaluation Techniques for Storage Hierarchies", 1970.
"""


def priority(cache):
    return -1.0 * cache["age"]
