"""What `--model`, `--usd` and `--tokens` say: models that can be asked, and bounds that make sense."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.cli.options import MODEL_OPERATORS

if TYPE_CHECKING:
    from archive.records import RunRecord
    from evolve.config import ModelSettings, RunLimits
    from evolve.messages import Model

# Such models answer what a Python program tells them to.
SCRIPTED = "scripted"


def models_of(names: Sequence[str], settings: ModelSettings) -> list[Model]:
    """Give the models of these names, with their keys from the environment or `.env` here.

    Raises: UsageError for a name that is told twice or means nothing, a missing key or package.
    """
    if not names:
        return []
    from evolve.errors import UsageError
    from evolve.models.keys import read_keys
    from evolve.models.names import models_for

    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--model {name}: told twice; `evolve status` shows what each gets")
        if name.partition("/")[0] == SCRIPTED:
            raise UsageError(f"--model {name}: answers come from a script; search it from Python")
    return models_for(names, settings, read_keys(Path()))


def check_asking(
    names: Sequence[str],
    operators: Sequence[str] | None,
    limits: RunLimits | None,
    settings: ModelSettings | None = None,
) -> None:
    """Refuse models that nobody asks, and bounds and settings of none.

    settings: as told now; None where a run brings its own. Raises: UsageError.
    """
    from evolve.errors import UsageError

    if not names and settings is not None and settings.model_fields_set:
        told = ", ".join(f"model.{name}" for name in sorted(settings.model_fields_set))
        raise UsageError(f"--set {told}: no model is asked; add --model NAME")
    if names and operators is not None and not set(operators) & set(MODEL_OPERATORS):
        raise UsageError(
            f"--model {names[0]}: none of --operators {','.join(operators)} asks a model; add one "
            f"of {', '.join(MODEL_OPERATORS)}"
        )
    for bound in ("usd", "tokens"):
        if not names and limits is not None and getattr(limits, bound) is not None:
            raise UsageError(f"--{bound}: bounds what models cost, and none is asked (--model)")


def check_spent(record: RunRecord, limits: RunLimits) -> None:
    """Refuse bounds that a run has passed already. Raises: UsageError."""
    from evolve.errors import UsageError

    if limits.usd is not None and limits.usd < record.usd:
        raise UsageError(f"${record.usd:.4f} are spent already: give --usd more than that")
    if limits.tokens is not None and limits.tokens < record.tokens:
        raise UsageError(f"{record.tokens} tokens are used already: give --tokens more than that")
