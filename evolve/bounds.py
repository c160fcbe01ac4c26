"""Bounds on what calls of models cost: refused where they could not be kept, or could never bind."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.config import ModelSettings, RunLimits
from evolve.errors import UsageError
from evolve.messages import Request
from evolve.prices import parse_prices, price_of, short_names, worst_cost


def check_bounds(
    limits: RunLimits,
    models: Sequence[str],
    settings: ModelSettings,
    services: Sequence[str] = (),
) -> None:
    """Refuse a bound on dollars that could not be kept.

    services: what is paid like models, and writes nothing. Raises: UsageError.
    """
    paid = (*models, *services)
    told = parse_prices(settings.price) if settings.price else {}
    strangers = set(told) - {name for model in paid for name in short_names(model)} - {""}
    if paid and strangers:
        raise UsageError(
            f"--set model.price: {sorted(strangers)[0]} is none of the models {', '.join(models)}"
        )
    unpriced = [name for name in paid if price_of(name, settings.price) is None]
    if limits.usd is not None and limits.tokens is None and unpriced:
        raise UsageError(
            f"--usd: nobody knows what {unpriced[0]} costs; tell it with `--set model.price=IN,OUT` "
            "(dollars for a million tokens; 0,0 if it is free; NAME=IN,OUT;... for several models), "
            "or bound the run with --tokens N"
        )
    _check_room(limits, models, settings)
    prices = [price_of(name, settings.price) for name in paid]
    free = prices and all(
        price is not None and price.input == price.output == 0 for price in prices
    )
    if free and limits.record().keys() == {"usd"}:
        raise UsageError("--usd: what costs nothing never reaches it; add --steps N or --hours H")


def _check_room(limits: RunLimits, models: Sequence[str], settings: ModelSettings) -> None:
    """Refuse bounds within which no model could answer once. Raises: UsageError."""
    shortest = Request((), settings.max_tokens)
    lower = f"or lower model.max_tokens ({settings.max_tokens})"
    if models and limits.tokens is not None and limits.tokens < settings.max_tokens:
        raise UsageError(
            f"--tokens {limits.tokens}: one answer may take {settings.max_tokens}; raise it, {lower}"
        )
    prices = [price for name in models if (price := price_of(name, settings.price)) is not None]
    if limits.usd is None or len(prices) < len(models) or not models:
        return
    least = min(worst_cost(price, shortest) for price in prices)
    if limits.usd < least:
        raise UsageError(
            f"--usd {limits.usd:g}: one call may cost ${least:.4f} and more; raise it, {lower}"
        )
