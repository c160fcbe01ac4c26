"""What calls of models cost: the price table, the cost of an answer, the worst case of a request."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from evolve.errors import UsageError
from evolve.messages import Price, Request, Usage

TABLE = "prices.toml"
MILLION = 1e6
VERSION = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
# A token is at least one byte of the request, so bytes bound its tokens; a message adds its role
# and separators, a few tokens each.
TOKENS_PER_MESSAGE = 64
# What a provider says to a model of tools before it names ours.
TOKENS_OF_TOOLS = 1024
PRICE_FORM = "IN,OUT or IN,OUT,CACHED,WRITTEN in dollars for a million tokens, or NAME=IN,OUT;..."


def price_of(model: str, told: str | None = None) -> Price | None:
    """Give the price of a model, None where nobody knows it.

    model: as written on the command line; a dated version has the price of the name without the
    date. An own endpoint (`@URL`) has no price in the table.
    told: the setting `model.price`, which goes before the table. Raises: UsageError.
    """
    own = parse_prices(told) if told else {}
    for name in (*short_names(model), ""):
        if name in own:
            return own[name]
    return _table().get(model) or _table().get(VERSION.sub("", model))


def short_names(model: str) -> tuple[str, str, str]:
    """Give the names by which `model.price` may speak of a model: whole, without URL, the last part."""
    name = model.split("@http")[0]
    return model, name, name.partition("/")[2]


def parse_prices(told: str) -> dict[str, Price]:
    """Read the setting `model.price`; the name "" stands for every model. Raises: UsageError."""
    prices = {}
    for part in filter(None, told.split(";")):
        name, _, numbers = part.rpartition("=")
        try:
            values = [float(number) for number in numbers.split(",")]
            if len(values) not in (2, 4) or not all(0 <= value < MILLION for value in values):
                raise ValueError
        except ValueError as error:
            raise UsageError(f"--set model.price={told}: write {PRICE_FORM}") from error
        prices[name.strip()] = _price(values)
    return prices


def _price(values: list[float]) -> Price:
    cached, written = values[2:] or (None, None)
    return Price(values[0], values[1], cached, written)


def cost(price: Price, usage: Usage) -> float:
    """Give the dollars of an answer."""
    # Servers count differently; nothing that they say makes an answer cost less than nothing.
    plain = max(0, usage.input - usage.cached - usage.written)
    cached = price.input if price.cached is None else price.cached
    written = price.input if price.written is None else price.written
    tokens = plain * price.input + usage.cached * cached + usage.written * written
    return (tokens + usage.output * price.output) / MILLION


def worst_tokens(request: Request) -> Usage:
    """Give more tokens than any answer to a request can take: its bytes, and all it may say."""
    said = json.dumps(request.plain(), ensure_ascii=False).encode("utf-8", "surrogatepass")
    tokens = len(said) + TOKENS_PER_MESSAGE * len(request.messages)
    return Usage(tokens + (TOKENS_OF_TOOLS if request.tools else 0), request.max_tokens)


def worst_cost(price: Price, request: Request) -> float:
    """Give more dollars than any answer to a request can cost."""
    dearest = max(price.input, price.cached or 0.0, price.written or 0.0)
    worst = worst_tokens(request)
    return (worst.input * dearest + worst.output * price.output) / MILLION


def table_source() -> str:
    """Say where the price table comes from, and of when it is."""
    return str(_read()["source"])


@functools.cache
def _table() -> Mapping[str, Price]:
    return {name: Price(**row) for name, row in _read()["prices"].items()}


@functools.cache
def _read() -> Mapping[str, Any]:
    text = resources.files("evolve").joinpath(TABLE).read_text(encoding="utf-8")
    return tomllib.loads(text)
