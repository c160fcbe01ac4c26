"""The table of system calls, compared with the headers of the kernel that is installed here."""

import re
from pathlib import Path

import pytest

from sandbox.linux.rules import rules
from sandbox.linux.syscalls import AUDIT_ARCH, NUMBERS

# what the package linux-libc-dev brings; aarch64 takes the generic numbers as they are
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}
ELF_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
DEFINE = re.compile(r"^#define[ \t]+(\w+)[ \t]+(\S+)", re.MULTILINE)


@pytest.mark.parametrize("machine", AUDIT_ARCH)
def test_every_number_is_that_of_the_header(machine):
    listed = calls(header(*HEADERS[machine]))
    newest = max(listed.values())
    for name, numbers in NUMBERS.items():
        ours = numbers[machine]
        if ours is not None and ours > newest:
            continue  # the header is older than the call
        assert listed.get(name) == ours, name


@pytest.mark.parametrize("machine", AUDIT_ARCH)
def test_no_number_stands_for_two_calls(machine):
    known = [numbers[machine] for numbers in NUMBERS.values() if numbers[machine] is not None]
    assert len(known) == len(set(known))


@pytest.mark.parametrize("machine", AUDIT_ARCH)
def test_every_audit_value_is_that_of_the_header(machine):
    audit = defines(header("/usr/include/linux/audit.h"))
    elf = defines(header("/usr/include/linux/elf-em.h"))
    parts = audit[f"AUDIT_ARCH_{machine.upper()}"].strip("()").split("|")
    assert parts[0] == ELF_MACHINES[machine]
    flags = {name: int(audit[name], 0) for name in parts[1:]}
    assert sum(flags.values()) | int(elf[parts[0]]) == AUDIT_ARCH[machine]


@pytest.mark.parametrize("tasks", [False, True])
@pytest.mark.parametrize("files", [False, True])
def test_every_call_with_a_rule_has_numbers(tasks, files):
    assert set(rules(tasks=tasks, files=files)) <= set(NUMBERS)


def header(*places):
    for place in map(Path, places):
        if place.exists():
            return place.read_text()
    pytest.skip(f"{places[-1]} is missing: install linux-libc-dev")


def calls(text):
    """Give the numbers by name; a name may stand for another (`__NR_mmap` for `__NR3264_mmap`)."""
    values = defines(text)
    found = {}
    for name, value in values.items():
        if name.startswith("__NR_"):
            value = values.get(value, value)
            if value.isdigit():
                found[name.removeprefix("__NR_")] = int(value)
    return found


def defines(text):
    """Give all macros without parameters, as texts."""
    return dict(DEFINE.findall(text))
