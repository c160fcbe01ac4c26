"""A random bin with room for the item."""


def place(capacity, size, rooms, rng):
    fits = [i for i, room in enumerate(rooms) if room >= size]
    return int(rng.choice([*fits, len(rooms)]))
