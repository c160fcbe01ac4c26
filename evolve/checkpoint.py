"""Checkpoints of a run's fold, so that a long run is opened again without folding all its rows.

Each holds what the history took in since the one before, and the state at its end. It says nothing
that the told rows do not say: code that differs in one letter from the code that wrote it does not
read it, and folds the rows anew.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, fields, replace
from typing import Any

from archive import queries
from archive.journal import Journal
from archive.store import Archive
from evolve.belief import calibration_of
from evolve.cells import Cells, Elite
from evolve.credit import Account, Credit
from evolve.grid import Grid
from evolve.history import Part
from evolve.hurdle import HurdleRecord
from evolve.state import State
from evolve.world import code_digest

# So many tells from one to the next: to fold them takes seconds.
EVERY = 10_000
# Of hashes, which are most of it, more effort saves little.
EFFORT = 1

# A body has some 3 MB.
MOST_BYTES = 2**28
# By the code as it was when this process began: files may change while it runs.
CODE = code_digest()
# What a body raises that somebody damaged, or made.
UNREADABLE = (zlib.error, ValueError, TypeError, LookupError, OverflowError, RecursionError)

# What of a state is a number and goes as it is.
NUMBERS = ("told", "evaluations", "clipped", "confirms", "earned")


def is_due(state: State) -> bool:
    """Tell whether a checkpoint is to be kept of a state."""
    part = state.history.part
    return state.told % EVERY == 0 and part is not None and bool(part.lines)


def keep(journal: Journal, state: State) -> None:
    """Write down what the fold has come to, and what its history took in since it was done last."""
    part = state.history.part
    assert part is not None
    journal.checkpoint(
        state.told,
        code=CODE,
        first=state.told - len(part.lines),
        history=_packed(part),
        state=_packed(_plain(state)),
    )
    state.history.begin_part()


def restored(archive: Archive, run: int, begin: Callable[[], State], at_most: int) -> State:
    """Give the state of the latest checkpoint of a run, where there is none that of no told step.

    begin: gives that, with a history of its own. at_most: no more steps than this may be told in it.
    One that cannot be read is as good as none: the rows tell all.
    """
    if at_most < EVERY:
        return begin()
    try:
        return _restored(archive, run, begin(), at_most)
    except UNREADABLE:
        return begin()


def _restored(archive: Archive, run: int, empty: State, at_most: int) -> State:
    chain, known = [], 0
    for told, first, has_state in queries.checkpoints(archive, run, CODE):
        if first != known:  # one is missing: what comes behind stands on nothing
            break
        chain.append((told, has_state))
        known = told
    last = max((told for told, has_state in chain if has_state and told <= at_most), default=0)
    if not last:
        return empty
    for told, _ in chain:
        if told > last:
            break
        found = _found(archive, run, told)
        empty.history.take(Part(*_unpacked(found.history)))
    state = _state(_unpacked(found.state), empty)
    if (state.told, len(state.history.entries)) != (last, last):
        raise ValueError(f"a checkpoint of {state.told} told steps in the row of {last}")
    return state


def _found(archive: Archive, run: int, told: int) -> queries.Checkpoint:
    found = queries.checkpoint(archive, run, told, CODE)
    if found is None:
        raise LookupError(f"the checkpoint of {told} is gone: other code has opened the run")
    return found


def _packed(plain: Any) -> bytes:
    return zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), EFFORT)


def _unpacked(body: bytes | None) -> Any:
    """Read a body. Raises: one of UNREADABLE."""
    stream = zlib.decompressobj()
    text = stream.decompress(body or b"", MOST_BYTES)
    if not stream.eof:
        raise ValueError(f"it ends too early, or has more than {MOST_BYTES} bytes")
    return json.loads(text)


def _plain(state: State) -> dict[str, Any]:
    """Give a state without its history as plain values, every elite as it is believed now."""
    cells = state.grid.cells
    return {
        **{name: getattr(state, name) for name in NUMBERS},
        "cells": [[cell, [_row(elite) for elite in cells[cell]]] for cell in cells],
        "best": [_row(elite) for elite in state.best],
        "initial": [_row(elite) for elite in state.initial],
        "credit": [[*arm, *astuple(account)] for arm, account in state.credit.accounts.items()],
        "calibration": state.calibration.plain(),
        "hurdle": asdict(state.hurdle),
    }


def _state(plain: Mapping[str, Any], empty: State) -> State:
    cells = {tuple(cell): tuple(Elite(*row) for row in held) for cell, held in plain["cells"]}
    accounts = {(arm, model): Account(*sums) for arm, model, *sums in plain["credit"]}
    return replace(
        empty,
        **{name: plain[name] for name in NUMBERS},
        grid=Grid(empty.grid.measures, empty.grid.depth, Cells.of(cells)),
        best=tuple(Elite(*row) for row in plain["best"]),
        initial=tuple(Elite(*row) for row in plain["initial"]),
        credit=Credit(accounts),
        calibration=calibration_of(plain["calibration"]),
        hurdle=HurdleRecord(**plain["hurdle"]),
    )


ELITE = [each.name for each in fields(Elite)]


def _row(elite: Elite) -> list[Any]:
    return [getattr(elite, name) for name in ELITE]
