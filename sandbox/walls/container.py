"""Level container, experimental: docker, podman or apptainer around the warm process."""

from __future__ import annotations

from sandbox.levels import Availability
from sandbox.walls.weak import Weak

# An image that has this Python's version and whatever a task preloads; there is no default.
IMAGE = "EVOLVE_SANDBOX_IMAGE"
_ENGINES = ("podman", "docker", "apptainer")


def availability() -> Availability:
    """Tell whether an engine and an image were named; neither is started here."""
    return Availability(False, "not built yet")


class Container(Weak):
    """One container per warm process."""
