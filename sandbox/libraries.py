"""What a candidate's Python may read: the standard library and what is loaded already.

Nothing else of site-packages: a data set that some package carries may be a task's hidden test.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Of the standard library's folder: packages of others live there too, and nobody needs its tests, or
# its help texts, which are data of tasks.
_NOT_STANDARD = (
    "site-packages",
    "dist-packages",
    "test",
    "idlelib",
    "ensurepip",
    "turtledemo",
    "pydoc_data",
)
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib")  # hold libraries only
_OWN = ("sandbox", "__main__")  # this package: no candidate needs its files
_LOADER_CACHE = "/etc/ld.so.cache"


class Needed(NamedTuple):
    """readable: files, and folders with all below them. listable: folders to find modules in."""

    readable: list[str]
    listable: list[str]


def needed() -> Needed:
    """Find what this process, with all it has imported, may still need to read."""
    found = {*_standard(), *_imported(), *_shared_libraries(), _LOADER_CACHE}
    existing = sorted(path for path in found if Path(path).exists())
    outermost: list[str] = []
    for path in existing:  # a folder sorts before all below it
        if not any(path.startswith(f"{above}/") for above in outermost):
            outermost.append(path)
    found_in = [path for path in sys.path if path in _folders() or path in outermost]
    return Needed(outermost, found_in)


def hide_others(found: Needed) -> None:
    """Let Python find no other modules from now on.

    Modules try for others that they can do without, and expect an ImportError: for one that is
    found but may not be read they would get a PermissionError.
    """
    sys.path[:] = found.listable


def _folders() -> tuple[str, str]:
    """Give the folders of the standard library."""
    return sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")


def _standard() -> Iterator[str]:
    for folder in filter(os.path.isdir, _folders()):
        yield from (entry.path for entry in os.scandir(folder) if entry.name not in _NOT_STANDARD)
    yield from (path for path in sys.path if path.endswith(".zip"))


def _imported() -> Iterator[str]:
    """Give file or folder of every imported top-level module, and the libraries beside it."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." in name or name in _OWN or not isinstance(file, str):
            continue
        place = Path(file)
        if place.name.startswith("__init__."):
            place = place.parent
            yield str(place.with_name(f"{place.name}.libs"))
        yield str(place)


def _shared_libraries() -> Iterator[str]:
    """Give the folders of the shared libraries that are mapped; elsewhere, only the libraries."""
    mapped = {
        parts[5]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if len(parts := line.split(maxsplit=5)) == 6 and ".so" in parts[5]
    }
    for folder in {Path(path).parent for path in mapped}:
        entries = list(os.scandir(folder))
        if _is_of_libraries(folder) and not any(e.name.startswith("python") for e in entries):
            yield str(folder)
            if folder.is_relative_to("/usr/lib"):  # the loader's cache may know it by this name
                yield str(folder).removeprefix("/usr")
        else:
            yield from (entry.path for entry in entries if ".so" in entry.name)


def _is_of_libraries(folder: Path) -> bool:
    """Tell whether the system keeps libraries there, and no packages of Python."""
    within = any(folder.is_relative_to(place) for place in _SYSTEM)
    return within and not any(part.startswith("python") for part in folder.parts)
