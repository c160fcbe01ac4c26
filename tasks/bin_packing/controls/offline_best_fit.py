"""Upper reference: best fit decreasing, which knows all items beforehand and sorts them."""


def score(sizes, bins, private):
    return private["offline"]
