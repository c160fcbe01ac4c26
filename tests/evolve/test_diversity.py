"""Laws of the Vendi score, and of the rule that says when operators collapse."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.behaviour import record
from evolve.diversity import WINDOW, collapse, vendi_score, vendi_scores
from evolve.novelty import kernel

SHOWN = (0.1, 1.0, math.inf)
ORDERS = (0.0, *SHOWN, 0.5, 2.0, 1000.0)
# Of eigenvalues of up to so few items, and their powers.
CLOSE = 1e-6


@st.composite
def record_lists(draw):
    """Draw what some programs decided on the same few probes."""
    probes = draw(st.integers(1, 6))
    record = st.lists(st.sampled_from("abcd"), min_size=probes, max_size=probes)
    return draw(st.lists(record, min_size=1, max_size=12))


def agreement_kernel(decisions):
    """Give the share of probes on which each two programs decide alike."""
    return kernel(
        [
            record("exact", [(f"p{i}", "ok", choice) for i, choice in enumerate(each)])
            for each in decisions
        ]
    )


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("n", [1, 2, 50])
def test_programs_that_behave_alike_count_as_one_and_strangers_each_for_itself(n, q):
    assert vendi_score(np.ones((n, n)), q) == pytest.approx(1.0, rel=CLOSE)
    assert vendi_score(np.eye(n), q) == pytest.approx(n, rel=CLOSE)


@pytest.mark.parametrize("q", ORDERS)
def test_alike_groups_count_by_their_shares(q):
    """Groups that have nothing in common are a distribution, whose Hill number the score is."""
    records = ["a"] * 6 + ["b"] * 3 + ["c"]
    shares = np.array([0.6, 0.3, 0.1])
    if q == 1.0:
        hill = math.exp(-np.sum(shares * np.log(shares)))
    else:
        hill = 1 / 0.6 if math.isinf(q) else np.sum(shares**q) ** (1 / (1 - q))
    assert vendi_score(agreement_kernel(records), q) == pytest.approx(hill, rel=CLOSE)


@given(records=record_lists(), data=st.data())
@settings(deadline=None)
def test_the_order_of_programs_does_not_matter(records, data):
    mixed = data.draw(st.permutations(records))
    for q in SHOWN:
        one, other = (
            vendi_score(agreement_kernel(records), q),
            vendi_score(agreement_kernel(mixed), q),
        )
        assert one == pytest.approx(other, rel=CLOSE)


@given(records=record_lists())
@settings(deadline=None)
def test_a_higher_order_never_gives_a_higher_score_and_all_lie_between_1_and_n(records):
    kernel = agreement_kernel(records)
    scores = [vendi_score(kernel, q) for q in sorted(ORDERS)]
    assert all(high >= low - CLOSE for high, low in pairwise(scores))
    assert scores[-1] >= 1 - CLOSE
    assert scores[0] <= len(records) + CLOSE


@given(records=record_lists(), times=st.integers(2, 4))
@settings(deadline=None)
def test_a_set_said_several_times_is_no_more_diverse(records, times):
    once, often = agreement_kernel(records), agreement_kernel(records * times)
    for q in SHOWN:
        assert vendi_score(often, q) == pytest.approx(vendi_score(once, q), rel=CLOSE)


@given(groups=st.integers(1, 8), copies=st.integers(0, 8))
@settings(deadline=None)
def test_copies_of_one_program_do_not_raise_the_score_of_strangers(groups, copies):
    strangers = [[str(number)] for number in range(groups)]
    for q in SHOWN:
        score = vendi_score(agreement_kernel(strangers + [strangers[0]] * copies), q)
        assert score <= groups + CLOSE


@given(records=record_lists())
@settings(deadline=None)
def test_the_share_of_probes_decided_alike_is_a_kernel(records):
    kernel = agreement_kernel(records)
    assert (np.diag(kernel) == 1).all()
    assert (kernel == kernel.T).all()
    assert np.linalg.eigvalsh(kernel)[0] > -CLOSE
    first, last = records[0], records[-1]
    assert kernel[0, -1] == pytest.approx(
        sum(a == b for a, b in zip(first, last, strict=True)) / len(first)
    )


def test_scores_are_shown_by_the_name_of_their_order():
    assert vendi_scores(agreement_kernel(["a"])).keys() == {"q0.1", "q1", "qinf"}


@pytest.mark.parametrize("q", SHOWN)
def test_what_two_programs_have_in_common_counts_for_less_than_one_other_behaviour(q):
    """Two thirds of two sets are shared: a kernel that knows only equality says two ways."""
    sets = [record("set", [("p", "ok", chosen)]) for chosen in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 6])]
    score = vendi_score(kernel(sets), q)
    assert 1.0 < score < 1.95


@pytest.mark.parametrize("kernel", [np.ones((0, 0)), np.ones((2, 3)), np.ones(2)])
def test_what_is_no_kernel_is_refused(kernel):
    with pytest.raises(ValueError, match="a kernel of shape"):
        vendi_score(kernel)


def test_an_order_below_0_is_refused():
    with pytest.raises(ValueError, match="orders begin at 0"):
        vendi_score(np.eye(2), -0.5)


def test_operators_collapse_below_half_of_what_was():
    assert collapse(recent=10.0, before=20.0) is None
    assert collapse(recent=30.0, before=20.0) is None
    assert f"the last {WINDOW} children behave in 4.0 ways" in collapse(recent=4.0, before=20.0)
