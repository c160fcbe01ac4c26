"""Rule 184: ones move to the right where there is room."""


def rule(left, centre, right):
    if centre == 1:
        return right
    return left
