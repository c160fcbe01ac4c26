"""A careless evaluator: calls a program in its own process and believes it, as many systems do.

The counterpart of the wall, to show that an attack does bite where there is none. Run by
`sandbox.bare` as `python -m sandbox.careless ANSWER`, with the request on standard input.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np


def main(answer: str) -> None:
    """Evaluate one program between two honest ones; write down what came of it."""
    request = json.load(sys.stdin)
    canaries = {**request["canaries"], "numbers": np.array(request["canaries"]["numbers"])}
    before = call(request["control"], "control", canaries)
    score, said = evaluate(request["program"], canaries, request["secret"])
    try:
        after = call(request["control"], "control", canaries)
    except Exception as error:  # noqa: BLE001 - whatever the first program left behind
        after = repr(error)
    same = repr(before) == repr(after)
    Path(answer).write_text(json.dumps({"score": score, "said": said, "same": same}))


def evaluate(source: str, canaries: dict[str, Any], expected: str) -> tuple[float, str]:
    """Give the program's score, and what it returned as text."""
    try:
        value = call(source, "attack", canaries)
    except Exception as error:  # noqa: BLE001 - whatever the program raises
        return 0.0, f"raised {error!r:.1000}"
    with contextlib.suppress(Exception):
        value = pickle.loads(pickle.dumps(value))  # as if it came from another process
    return float(grade(value, expected)), value[:1000] if type(value) is str else repr(type(value))


def grade(value: Any, expected: str) -> bool:
    """Tell whether a value is the right one, as everybody would."""
    return bool(np.all(value == expected))


def call(source: str, entry: str, canaries: dict[str, Any]) -> Any:
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    exec(compile(source, "<candidate>", "exec"), module.__dict__)
    return module.__dict__[entry](**canaries)


if __name__ == "__main__":
    main(sys.argv[1])
