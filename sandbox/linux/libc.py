"""The C library by name: calls that Python does not wrap, with errors as OSError."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

# PyDLL keeps the interpreter's lock through a call: what follows a raw clone must not find it free.
_libc = ctypes.PyDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library that gives -1 and errno when it fails.

    arguments: int (as a long), bytes (as a text), None, or ctypes values. Raises: OSError.
    """
    function = _function(name)
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(function(*given))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


@functools.cache
def _function(name: str) -> Any:
    function = getattr(_libc, name)
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    return function


def syscall(number: int, *arguments: Any) -> int:
    """Make a system call by its number. Raises: OSError."""
    return call("syscall", number, *arguments)


def malloc_trim() -> None:
    """Give freed memory back to the system; nothing where the C library is not glibc."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def prctl(option: int, value: int) -> None:
    """Change one property of this process. Raises: OSError."""
    call("prctl", option, value, 0, 0, 0)
