"""FunSearch's priority for nine dimensions, which matches the best known cap set, 1082 vectors.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", 2024. Ours scores all vectors at once, with the same numbers.
"""


def priority(vectors, n):
    third, rest = n // 3, n - n // 3
    squares = vectors**2
    head, tail = vectors[:, :third], vectors[:, third : 2 * third]
    weight = squares.sum(1) % 3
    front = squares[:, :rest].sum(1) % 3
    double = 2 * squares[:, :third].sum(1) % 3
    cross = (head * tail).sum(1) % 3
    last = (head == vectors[:, -1:]).sum(1) % 3
    return -27.0 * front + 9.0 * weight + 27.0 * double + 9.0 * cross + last
