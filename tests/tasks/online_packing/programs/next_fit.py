"""Next fit: the bin of the last item, else a new one (Johnson 1973); it remembers that bin."""

current = 0


def place(capacity, size, rooms, rng):
    global current
    if current < len(rooms) and rooms[current] < size:
        current = len(rooms)
    return current
