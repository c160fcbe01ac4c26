"""Every cell stays what it is."""


def rule(left, centre, right):
    return centre
