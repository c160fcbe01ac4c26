"""What an instrumented program carries with it to note what it does; appended to its source.

It runs behind the wall, in the namespace of a candidate: so every name begins with `EVOLVE_`, and
nothing but builtins is needed. `evolve.edits.sites` sets the constants for the task at hand.
"""

import typing as EVOLVE_typing

EVOLVE_RECORD: dict[str, EVOLVE_typing.Any] = {
    "ran": False,
    "output": None,
    "dims": {},
    "arrays": {},
    "sites": {},
}
EVOLVE_PATHS: dict[str, tuple[str, tuple[str, ...], int | None]] = {}
EVOLVE_ITEMS: list[str] = []  # the shape of a score per item
EVOLVE_LONG = 2000  # characters of an output that are kept; of longer ones a checksum too
EVOLVE_VALUES: dict[str, EVOLVE_typing.Any] = {}


def EVOLVE_enter(arguments: dict[str, EVOLVE_typing.Any]) -> None:
    """Note what the entry point was first called with."""
    if EVOLVE_RECORD["ran"]:
        return
    EVOLVE_RECORD["ran"] = True
    EVOLVE_RECORD["dims"] = EVOLVE_dims(arguments)
    for name, value in arguments.items():
        if isinstance(value, dict):
            EVOLVE_RECORD["arrays"][name] = {
                key: [int(size) for size in item.shape]
                for key, item in value.items()
                if isinstance(key, str) and hasattr(item, "shape")
            }
        elif hasattr(value, "shape"):
            EVOLVE_RECORD["arrays"][name] = {"": [int(size) for size in value.shape]}


def EVOLVE_dims(arguments: dict[str, EVOLVE_typing.Any]) -> dict[str, int]:
    """Measure the declared dimensions that these arguments have."""
    sizes = {}
    for name, (root, keys, axis) in EVOLVE_PATHS.items():
        try:
            value = arguments[root]
            for key in keys:
                value = value[key]
            if axis is None:
                sizes[name] = int(value)
            else:
                sizes[name] = int(value.shape[axis] if hasattr(value, "shape") else len(value))
        except (KeyError, IndexError, TypeError, ValueError):
            pass
    return sizes


def EVOLVE_see(number: int, value: EVOLVE_typing.Any, dims: dict[str, int]) -> EVOLVE_typing.Any:
    """Note the type of a value and give it back; a site that changes its type is mixed."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is None:
        kind = {float: "f", int: "i", bool: "b"}.get(type(value))
    if kind not in ("f", "i", "u", "b"):
        return value
    shape: list[str | int] = []
    for size in getattr(value, "shape", ()):
        names = [name for name, other in dims.items() if other == size]
        shape.append(names[0] if len(names) == 1 else int(size))
    key = str(number)
    noted = EVOLVE_RECORD["sites"].get(key)
    if noted is None:
        EVOLVE_RECORD["sites"][key] = [kind, shape, 1, None]
        if shape and shape == EVOLVE_ITEMS and kind == "f":
            EVOLVE_VALUES[key] = value
    elif noted[:2] == [kind, shape]:
        noted[2] += 1
    else:
        noted[0] = "mixed"
    return value


def EVOLVE_leave(value: EVOLVE_typing.Any) -> None:
    """Note the output, and for each score whether high or low ones were chosen."""
    text = EVOLVE_text(value)
    if len(text) > EVOLVE_LONG:
        total = sum((at + 1) * ord(letter) for at, letter in enumerate(text))
        text = f"{text[:EVOLVE_LONG]}... {len(text)} {total}"
    EVOLVE_RECORD["output"] = text
    try:  # noqa: SIM105 - no import that a task may forbid
        EVOLVE_lean(EVOLVE_chosen(value))
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        pass


def EVOLVE_text(value: EVOLVE_typing.Any) -> str:
    """Write an output so that equal outputs give equal texts."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(EVOLVE_text(item) for item in value) + "]"
    return repr(value)


def EVOLVE_chosen(value: EVOLVE_typing.Any) -> list[int]:
    """Give the items of a choice, or the higher half of an output that is one array of scores."""
    if len(EVOLVE_ITEMS) > 1:
        (scores,) = value
        flat = scores.ravel().tolist()
        return sorted(range(len(flat)), key=flat.__getitem__)[len(flat) // 2 :]
    return [int(item) for item in value]


def EVOLVE_lean(chosen: list[int]) -> None:
    """Note the mean rank of the chosen items under each score, from -1 (lowest) to 1."""
    for key, scored in EVOLVE_VALUES.items():
        values = scored.ravel()
        order = sorted(range(len(values)), key=values.__getitem__)
        place = {item: at for at, item in enumerate(order)}
        ranks = [place[item] for item in chosen if item in place]
        if ranks and len(order) > 1:
            mean = sum(ranks) / len(ranks) / (len(order) - 1)
            EVOLVE_RECORD["sites"][key][3] = round(2 * mean - 1, 3)
