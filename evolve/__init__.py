"""evolve discovers programs: MAP-Elites over source code, behind a wall, in a SQL archive.

    from archive.store import Archive
    from evolve import load_task, open_run, search

    with Archive.open("evolve.db") as archive:
        run = open_run(load_task("data_selection"), archive=archive, rng_seed=0)
        search(run)

Names resolve when they are first used, so that `import evolve` loads neither torch nor SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolve.build import search
    from evolve.config import RunLimits
    from evolve.loader import load_task
    from evolve.opening import open_run, replay_run, resume_run

__all__ = ["RunLimits", "load_task", "open_run", "replay_run", "resume_run", "search"]
__version__ = "0.1.0"

_HOMES = {
    "RunLimits": "evolve.config",
    "load_task": "evolve.loader",
    "open_run": "evolve.opening",
    "replay_run": "evolve.opening",
    "resume_run": "evolve.opening",
    "search": "evolve.build",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evolve' has no attribute {name!r}")
