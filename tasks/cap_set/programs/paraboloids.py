"""The product of paraboloids: nine vectors with z = x^2 + y^2 in every three dimensions.

Source: the classical construction, as told in Edel, "Extensions of generalized product caps", 2004:
products of cap sets are cap sets, and an elliptic quadric has nine affine points. Coordinates that
are left over are 0 or 1, so that 9 x 9 x 4 = 324 vectors come first in eight dimensions.
"""


def priority(vectors, n):
    blocks = n // 3
    fits = (vectors[:, 3 * blocks :] < 2).sum(1) * 1.0
    for i in range(blocks):
        x, y, z = vectors[:, 3 * i], vectors[:, 3 * i + 1], vectors[:, 3 * i + 2]
        fits = fits + 3.0 * ((x**2 + y**2 - z) % 3 == 0)
    return fits
