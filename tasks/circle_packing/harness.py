"""Calls a program with a local optimiser whose calls are counted; and solves for the radii.

The optimiser maximises the sum of radii over centres and radii by an augmented Lagrangian
(Nocedal, Wright, "Numerical Optimization", 2006, chapter 17) whose parts are minimised by L-BFGS.
"""

from functools import partial

import numpy as np

# The penalty's weight at the start and its factor, and how often it is raised.
WEIGHT, FACTOR, ROUNDS = 3.0, 4.0, 10
# Steps of L-BFGS in each round, pairs that it remembers, and the gradient at which a round ends.
STEPS, MEMORY, SMALL_GRADIENT = 60, 12, 1e-7
SHRINK, SUFFICIENT, MIN_STEP = 0.5, 1e-4, 1e-10


def call(candidate, public, rng):
    """Give the centres, (n, 2), that a program finds.

    public: `centers`, (n, 2), to begin with, and `evaluations`, how often it may call the optimiser.
    """
    given, evaluations = public["centers"], int(public["evaluations"])
    calls = 0

    def improve(centers):
        """Move centres to a local optimum; give them (n, 2), and the sum of their radii."""
        nonlocal calls
        if calls == evaluations:
            raise RuntimeError(f"improve was called {calls} times: that is all that is allowed")
        calls += 1
        return improved(np.array(centers, dtype=np.float64), len(given))

    return np.asarray(candidate(np.array(given), rng, improve, evaluations))


def improved(centers, n):
    """Give a local optimum near some centres, and the sum of radii that fit around it."""
    if centers.shape != (n, 2) or not np.isfinite(centers).all():
        raise ValueError(f"improve takes finite centres of shape ({n}, 2), not {centers.shape}")
    circles = np.concatenate([np.clip(centers, 0, 1).T, np.full((1, n), 0.3 / np.sqrt(n))])
    between, walls = np.zeros((n, n)), np.zeros((4, n))
    weight = WEIGHT
    for _ in range(ROUNDS):
        function = partial(lagrangian, between=between, walls=walls, weight=weight)
        circles = minimum(function, circles)
        overlap, outside = violations(circles)[:2]
        between = np.maximum(between + weight * overlap, 0)
        walls = np.maximum(walls + weight * outside, 0)
        weight *= FACTOR
    found = np.clip(circles[:2], 0, 1).T.copy()
    return found, float(best_radii(found).sum())


def violations(circles):
    """Give overlaps (n, n) and what sticks out (4, n), both negative where there is room.

    circles: x, y and radius, (3, n). Also gives the gaps in x and y, and distances.
    """
    x, y, r = circles
    dx, dy = x[:, None] - x, y[:, None] - y
    distance = np.sqrt(dx**2 + dy**2) + 1e-12
    overlap = r[:, None] + r - distance
    np.fill_diagonal(overlap, -1.0)
    return overlap, np.array([r - x, r - 1 + x, r - y, r - 1 + y]), dx, dy, distance


def lagrangian(circles, between, walls, weight):
    """Give the augmented Lagrangian at (3, n), and its gradient. Each pair is counted twice."""
    overlap, outside, dx, dy, distance = violations(circles)
    pull = np.maximum(between + weight * overlap, 0)
    push = np.maximum(walls + weight * outside, 0)
    value = -circles[2].sum() + ((pull**2).sum() / 2 + (push**2).sum()) / (2 * weight)
    slope = pull / distance
    gradient = np.stack(
        [
            -(slope * dx).sum(1) - push[0] + push[1],
            -(slope * dy).sum(1) - push[2] + push[3],
            pull.sum(1) + push.sum(0) - 1,
        ]
    )
    return value, gradient


def minimum(function, at):
    """Minimise a function that gives value and gradient, by L-BFGS with backtracking."""
    value, gradient = function(at)
    pairs = []
    for _ in range(STEPS):
        if np.abs(gradient).max() < SMALL_GRADIENT:
            break
        direction = -two_loops(gradient, pairs)
        slope = (direction * gradient).sum()
        if slope >= 0:
            direction, pairs = -gradient, []
            slope = -(gradient**2).sum()
        length = 1.0 if pairs else min(1.0, 0.02 / np.abs(direction).max())
        while True:
            new = at + length * direction
            new_value, new_gradient = function(new)
            if new_value <= value + SUFFICIENT * length * slope:
                break
            length *= SHRINK
            if length < MIN_STEP:
                return at
        moved, turned = new - at, new_gradient - gradient
        curvature = (moved * turned).sum()
        if curvature > 0:
            pairs = [*pairs[-MEMORY + 1 :], (moved, turned, 1 / curvature)]
        at, value, gradient = new, new_value, new_gradient
    return at


def two_loops(gradient, pairs):
    """Multiply a gradient by the inverse Hessian that some (step, change, 1 / product) tell of."""
    result, shares = gradient.copy(), []
    for moved, turned, inverse in reversed(pairs):
        shares.append(inverse * (moved * result).sum())
        result -= shares[-1] * turned
    if pairs:
        moved, turned, inverse = pairs[-1]
        result *= 1 / (inverse * (turned**2).sum())
    for (moved, turned, inverse), share in zip(pairs, reversed(shares), strict=True):
        result += (share - inverse * (turned * result).sum()) * moved
    return result


def best_radii(centers):
    """Give the radii (n,) of largest sum around centres (n, 2) in the unit square; none negative.

    The linear program: maximise the sum of r, r[i] + r[j] <= distance[i, j] and r[i] <= wall[i]. Let
    each radius be the mean of two numbers with u[i] + v[j] <= cost[i, j], where cost[i, i] is twice
    the wall: that is the dual of an assignment problem (each circle to another, or to itself), and
    means of such numbers satisfy what is asked of r. So the Hungarian method solves it exactly.
    """
    walls = np.minimum(centers, 1 - centers).min(1)
    gaps = centers[:, None] - centers
    distances = np.sqrt((gaps**2).sum(-1))
    cost = distances.copy()
    np.fill_diagonal(cost, 2 * walls)
    u, v = potentials(cost)
    radii = (u + v) / 2
    # A centre inside another circle would have a negative radius: by the triangle inequality that
    # circle alone touches it, and can give up as much.
    for i in np.flatnonzero(radii < 0):
        radii[i] = 0.0
        distance_or_more = np.where(np.arange(len(radii)) == i, np.inf, distances[i])
        radii = np.minimum(radii, distance_or_more)
    return radii


def potentials(cost):
    """Give u and v of largest sum with u[i] + v[j] <= cost[i, j], for a square cost.

    The Hungarian method with shortest augmenting paths: row by row, in n^3 steps.
    Source: Jonker, Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
    assignment problems", 1987.
    """
    n = len(cost)
    u, v = np.zeros(n + 1), np.zeros(n + 1)
    row_of = np.full(n + 1, n)  # of each column; column n stands for the row that is being added
    for row in range(n):
        row_of[n], column = row, n
        least, came_from = np.full(n, np.inf), np.full(n, n)
        done = np.zeros(n + 1, dtype=bool)
        while row_of[column] < n:
            done[column] = True
            here = row_of[column]
            reduced = cost[here] - u[here] - v[:n]
            closer = (reduced < least) & ~done[:n]
            least[closer], came_from[closer] = reduced[closer], column
            following = int(np.where(done[:n], np.inf, least).argmin())
            step = least[following]
            u[row_of[done]] += step
            v[done] -= step
            least[~done[:n]] -= step
            column = following
        while column < n:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return u[:n], v[:n]
