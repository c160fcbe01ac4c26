"""Best fit: the fullest bin with room for the item (Johnson 1973)."""


def place(capacity, size, rooms, rng):
    best = len(rooms)
    for i, room in enumerate(rooms):
        if room >= size and (best == len(rooms) or room < rooms[best]):
            best = i
    return best
