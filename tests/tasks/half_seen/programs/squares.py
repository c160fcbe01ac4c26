"""Their squares."""


def follow(x):
    return x * x
