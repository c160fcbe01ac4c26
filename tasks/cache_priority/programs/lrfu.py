"""LRFU: each request counts, and counts less the longer it lies back.

Source: Lee et al., "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used and Least
Frequently Used Policies", 2001; a request counts half after one capacity of requests.
"""


def priority(cache):
    return 1.0 * cache["recent"]
