"""The seccomp filter: `rules` as a program for the kernel (classic BPF, man 2 seccomp).

Assembled once in the warm process; in each candidate only its process id is filled in. The number
of the call is found by binary search over ranges with the same answer.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from typing import NamedTuple

from sandbox.linux import libc
from sandbox.linux.rules import (
    ALL_BITS,
    FIRST_UNKNOWN,
    OWN_PID,
    REFUSED,
    UNKNOWN,
    Rule,
    rules,
)
from sandbox.linux.syscalls import AUDIT_ARCH, NUMBERS, number

_SET_MODE_FILTER = 1
_ALL_THREADS = 1  # SECCOMP_FILTER_FLAG_TSYNC
_RET_KILL_PROCESS = 0x80000000
_RET_ERRNO = 0x00050000
_RET_ALLOW = 0x7FFF0000

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST = 0x05, 0x15, 0x35
_FARTHEST = 255  # instructions that a conditional jump can skip

# struct seccomp_data; both machines are little-endian, so that an argument's low half comes first
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT, _ARGUMENT_BYTES = 0, 4, 16, 8
_X32_BIT = 0x40000000  # calls with 32-bit pointers on x86-64, under other numbers


class _Instruction(ctypes.Structure):
    """struct sock_filter; the same fields as _Step in the kernel's order."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("then", ctypes.c_uint8),
        ("otherwise", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Instruction)))


class _Step(NamedTuple):
    """One instruction. then, otherwise: steps to skip when its test holds, and when not."""

    code: int
    k: int
    then: int = 0
    otherwise: int = 0

    def packed(self) -> _Instruction:
        return _Instruction(self.code, self.then, self.otherwise, self.k & ALL_BITS)


class Filter:
    """A program but for the process id; made before the fork, since time is dear after it."""

    def __init__(self, steps: Sequence[_Step]) -> None:
        places = [at for at, step in enumerate(steps) if step.k == OWN_PID]
        self._steps = (_Instruction * len(steps))(*[step.packed() for step in steps])
        self._ids = [self._steps[at] for at in places]  # each a view of its step
        self._header = _Program(len(steps), self._steps)
        self._number = number("seccomp")

    def program(self, own_pid: int) -> bytes:
        """Give the program of a process. own_pid: its id as it sees it itself."""
        self._fill_in(own_pid)
        return bytes(self._steps)

    def install(self, own_pid: int, *, all_threads: bool = False) -> None:
        """Bind this process and all that come from it, for ever. Raises: OSError.

        all_threads: also those that run already; else the calling one alone is bound.
        """
        self._fill_in(own_pid)
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        flags, program = _ALL_THREADS if all_threads else 0, ctypes.byref(self._header)
        if stray := libc.syscall(self._number, _SET_MODE_FILTER, flags, program):
            raise OSError(errno.EBUSY, f"seccomp: thread {stray} cannot be bound")

    def _fill_in(self, own_pid: int) -> None:
        for step in self._ids:
            step.k = own_pid


def assemble(machine: str, *, tasks: bool, files: bool, driver: bool = False) -> Filter:
    """Give the filter that says what `rules` says.

    machine: a key of AUDIT_ARCH. Calls of any other architecture kill the process, the 32-bit ones
    of the same processor included.
    """
    steps = [
        _Step(_LOAD, _ARCH_AT),
        _Step(_JUMP_IF_EQUAL, AUDIT_ARCH[machine], then=1),
        _Step(_RETURN, _RET_KILL_PROCESS),
        _Step(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [
            _Step(_JUMP_IF_AT_LEAST, _X32_BIT, otherwise=1),
            _Step(_RETURN, _RET_KILL_PROCESS),
        ]
    chosen = rules(tasks=tasks, files=files, driver=driver)
    return Filter(steps + _search(_ranges(chosen, machine)))


def _ranges(chosen: dict[str, Rule], machine: str) -> list[tuple[int, Rule]]:
    """Give the first number of every run of calls with the same rule; the last has no end."""
    answers = [REFUSED] * FIRST_UNKNOWN + [UNKNOWN]
    for name, rule in chosen.items():
        number = NUMBERS[name][machine]
        if number is not None:
            answers[number] = rule
    return [
        (number, rule)
        for number, rule in enumerate(answers)
        if number == 0 or rule != answers[number - 1]
    ]


def _search(ranges: list[tuple[int, Rule]]) -> list[_Step]:
    """Give the steps that end with the answer for the number loaded."""
    if len(ranges) == 1:
        return _answer(ranges[0][1])
    middle = len(ranges) // 2
    low, high = _search(ranges[:middle]), _search(ranges[middle:])
    first = ranges[middle][0]
    if len(low) <= _FARTHEST:
        return [_Step(_JUMP_IF_AT_LEAST, first, then=len(low)), *low, *high]
    far = _Step(_JUMP, len(low))
    return [_Step(_JUMP_IF_AT_LEAST, first, otherwise=1), far, *low, *high]


def _answer(rule: Rule) -> list[_Step]:
    """Give the steps that return what a rule says."""
    allow = _Step(_RETURN, _RET_ALLOW)
    refuse = _Step(_RETURN, _RET_ERRNO | rule.refusal)
    if rule.argument is None:
        return [refuse if rule.refusal else allow]
    met, not_met = (refuse, allow) if rule.unless else (allow, refuse)
    steps = [_Step(_LOAD, _ARGUMENTS_AT + rule.argument * _ARGUMENT_BYTES)]
    if rule.mask != ALL_BITS:
        steps.append(_Step(_AND, rule.mask))
    tests = len(rule.values)
    steps += [_Step(_JUMP_IF_EQUAL, v, then=tests - at) for at, v in enumerate(rule.values)]
    return [*steps, not_met, met]
