"""What most of the three are."""


def rule(left, centre, right):
    return left + centre + right > 1
