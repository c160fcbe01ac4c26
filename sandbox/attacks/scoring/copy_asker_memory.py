"""Copy the memory of the process that asks for the result, by the call made for it.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets a process read another that is not below it
"""

import ctypes


class Part(ctypes.Structure):
    _fields_ = [("place", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def attack(asker, **others):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(64)
    here, there = Part(ctypes.addressof(buffer), 64), Part(0, 64)
    libc.process_vm_readv(asker, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    if ctypes.get_errno() == 14:  # a bad address: it may read, only not there
        return "bitten: it may read the memory of the asking process"
    return f"refused: {ctypes.get_errno()}"
