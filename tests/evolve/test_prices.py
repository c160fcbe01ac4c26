"""Dollars: what an answer costs, what it can cost at most, and what nobody knows stays unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.bounds import check_bounds
from evolve.config import ModelSettings, RunLimits
from evolve.errors import UsageError
from evolve.messages import Message, Price, Request, Tool, Usage
from evolve.prices import cost, price_of, table_source, worst_cost, worst_tokens

SONNET = "anthropic/claude-sonnet-4-6"


def test_each_kind_of_token_has_its_own_price():
    price = Price(input=3, output=15, cached=0.3, written=3.75)
    usage = Usage(input=1_000_000, output=100_000, cached=600_000, written=200_000)
    assert cost(price, usage) == pytest.approx(0.2 * 3 + 0.6 * 0.3 + 0.2 * 3.75 + 0.1 * 15)
    assert cost(Price(3, 15), usage) == pytest.approx(3 + 1.5)


def test_a_dated_version_has_the_price_of_its_name_and_no_other_name_has():
    assert price_of(f"{SONNET}-20260301") == price_of(SONNET) is not None
    assert price_of("openai/gpt-5.4-2026-03-05") == price_of("openai/gpt-5.4") is not None
    assert price_of(f"{SONNET}-turbo") is None
    assert "2026" in table_source()


def test_an_endpoint_of_ones_own_has_no_price_until_it_is_told():
    local = "openai/gpt-5@http://127.0.0.1:8000/v1"
    assert price_of(local) is None
    assert price_of(local, "0,0") == Price(0, 0)
    assert price_of(local, "x/y=1,2;openai/gpt-5@http://127.0.0.1:8000/v1=3,4,0.3,5") == Price(
        3, 4, 0.3, 5
    )
    assert price_of(SONNET, "x/y=1,2") == price_of(SONNET)


@pytest.mark.parametrize("told", ["3", "3,x", "1,2,3", "-1,2", "a=b=c", "nan,1", "3,inf"])
def test_a_price_that_is_none_is_refused(told):
    with pytest.raises(UsageError, match="write IN,OUT"):
        price_of(SONNET, told)


def test_a_bound_on_dollars_needs_prices_or_a_bound_on_tokens():
    models, unknown = [SONNET, "mistral/none"], ModelSettings()
    with pytest.raises(UsageError, match=r"what mistral/none costs.*model\.price=IN,OUT.*--tokens"):
        check_bounds(RunLimits(usd=1.0), models, unknown)
    check_bounds(RunLimits(usd=1.0, tokens=99_000), models, unknown)
    check_bounds(RunLimits(usd=1.0), models, ModelSettings(price="mistral/none=1,2"))
    check_bounds(RunLimits(steps=9), models, unknown)


@pytest.mark.parametrize(
    ("limits", "price", "words"),
    [
        (RunLimits(usd=0.01), None, r"--usd 0.01: one call may cost \$0\.24\d\d and more"),
        (
            RunLimits(tokens=100),
            None,
            "one answer may take 16384; raise it, or lower model.max_tokens",
        ),
        (RunLimits(usd=1.0), "0,0", "what costs nothing never reaches it"),
        (RunLimits(usd=1.0), "tiny=1,2", "tiny is none of the models"),
    ],
)
def test_bounds_that_make_no_sense_are_refused_before_a_run_is_made(limits, price, words):
    with pytest.raises(UsageError, match=words):
        check_bounds(limits, [SONNET], ModelSettings(price=price))


def test_a_price_may_be_told_by_a_short_name():
    local = "openai/big@http://127.0.0.1:8000/v1"
    for name in (local, "openai/big", "big"):
        assert price_of(local, f"{name}=1,2;small=3,4") == Price(1, 2)


@given(st.text(max_size=300), st.integers(1, 9999), st.booleans())
def test_the_worst_case_holds_any_way_to_cut_a_text_into_tokens(text, max_tokens, with_tool):
    tools = (Tool("look", text, {"type": "object"}),) if with_tool else ()
    request = Request((Message("user", text),), max_tokens, tools=tools)
    worst = worst_tokens(request)
    assert worst.input > len(text.encode())
    price = Price(input=2, output=9, written=2.5)
    most = Usage(len(text.encode()), max_tokens, written=len(text.encode()))
    assert worst_cost(price, request) > cost(price, most)
