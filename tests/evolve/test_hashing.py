"""Digests tell decisions apart, and only decisions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evolve.hashing import canonical, digest, masks, members, orders, widened

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
@settings(max_examples=200, deadline=None)
def test_every_plain_value_has_an_exact_form_and_always_the_same(value):
    assert canonical("exact", value) == canonical("exact", value)


@given(st.lists(st.integers(-1000, 1000), unique=True), st.randoms(use_true_random=False))
def test_a_set_does_not_know_its_order(items, random):
    shuffled = items.copy()
    random.shuffle(shuffled)
    assert canonical("set", items) == canonical("set", np.array(shuffled, dtype=np.int32))


@given(hnp.arrays(np.float64, st.integers(1, 20), elements=st.integers(-50, 50).map(float)))
def test_a_ranking_survives_every_monotone_map(scores):
    for mapped in (scores * 3 + 7, np.exp(scores / 20), scores.astype(np.float32)):
        assert canonical("ranking", scores) == canonical("ranking", mapped)


def test_nan_and_signed_zero_are_unified():
    assert canonical("exact", [0.0, float("nan")]) == canonical("exact", [-0.0, -float("nan")])


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        ("exact", [1, 2], [2, 1]),
        ("exact", {"a": 1}, {"a": 2}),
        ("exact", 1, 1.5),
        ("exact", "ab", b"ab"),
        ("exact", [[1], [2]], [[1, 2]]),
        ("exact", np.zeros((2, 3)), np.zeros((3, 2))),
        ("exact", 2**70, 2**71),
        ("set", [1, 2], [1, 3]),
        ("ranking", [1.0, 2.0], [2.0, 1.0]),
        ("topk:2", [3.0, 2.0, 1.0], [3.0, 1.0, 2.0]),
        ("mask", [True, False], [False, True]),
        ("float:20", [1.0], [1.001]),
        ("ranking", np.array([2.0, 1.0]), np.array([[2.0], [1.0]])),
        ("exact", np.array([2**64 - 1], dtype=np.uint64), np.array([-1])),
    ],
)
def test_different_decisions_have_different_forms(form, one, other):
    assert canonical(form, one) != canonical(form, other)


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        ("topk:2", [3.0, 2.0, 1.0], [2.0, 3.0, 0.0]),
        ("mask", [1, 0, 2], [True, False, True]),
        ("float:20", [1.0, 0.1 + 0.2], [1.0, 0.3]),
        ("exact", np.float32(0.5), 0.5),
        ("exact", (1, 2), [1, 2]),
    ],
)
def test_equal_decisions_have_equal_forms(form, one, other):
    assert canonical(form, one) == canonical(form, other)


@pytest.mark.parametrize(
    ("form", "output"),
    [
        ("set", "ab"),
        ("set", [0.5]),
        ("set", [1, 1, 2]),
        ("set", [[1], [2]]),
        ("set", [True, False]),
        ("ranking", [["a"]]),
        ("ranking", [1.0, float("nan")]),
        ("topk:1", [1.0, float("nan")]),
        ("mask", [1.0, float("nan")]),
        ("exact", object()),
    ],
)
def test_what_does_not_fit_a_form_is_refused_and_never_mended(form, output):
    with pytest.raises((ValueError, TypeError)):
        canonical(form, output)


def test_a_digest_depends_on_its_header_its_names_and_its_order():
    outputs = [("a", 1), ("b", 2)]
    base = digest(("task", "world"), "exact", outputs)
    assert base == digest(("task", "world"), "exact", outputs)
    for other in (
        digest(("task", "other world"), "exact", outputs),
        digest(("taskworld", ""), "exact", outputs),
        digest(("task", "world"), "exact", outputs[::-1]),
        digest(("task", "world"), "exact", [("a", 2), ("b", 1)]),
        digest(("task", "world"), "table", outputs),
    ):
        assert other != base


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64]
)
def test_outputs_of_one_exact_form_are_one_and_the_same_to_a_grader(dtype):
    narrow = {"a": [np.array([1, 2, 3], dtype=dtype), "text"]}
    wide = widened(narrow)
    assert canonical("exact", wide) == canonical("exact", narrow)
    assert wide["a"][0].dtype in (np.int64, np.float64)
    assert wide["a"][1] == "text"


def test_a_form_gives_the_decision_itself():
    assert members([5, 1, 3]).tolist() == [1, 3, 5]
    assert [part.tolist() for part in masks([[0, 2], [1, 0]])] == [[False, True], [True, False]]
    shapes, ranked = orders([[1.0, 3.0, 3.0], [0.5]])
    assert shapes == [[3], [1]]
    assert [part.tolist() for part in ranked] == [[1, 2, 0], [0]]


@given(
    st.lists(hnp.arrays(np.float64, st.integers(1, 8), elements=st.integers(-9, 9).map(float)), min_size=2, max_size=4),
    st.sampled_from(["ranking", "topk:3"]),
)  # fmt: skip
def test_each_part_of_a_ranking_has_an_order_of_its_own(parts, form):
    """So a monotone map may be another one for each part."""
    mapped = [part * (i + 1) - 10 * i for i, part in enumerate(parts)]
    assert canonical(form, parts) == canonical(form, mapped)


@pytest.mark.parametrize(
    "form", ["exact", "ranking", "topk:2", "mask", "float:20", "table", "trace"]
)
def test_single_and_double_precision_of_the_same_numbers_are_one(form):
    numbers = np.array([0.5, -2.25, 3.0], dtype=np.float32)
    assert canonical(form, numbers) == canonical(form, numbers.astype(np.float64))


@pytest.mark.parametrize("form", ["mask", "ranking", "topk:2"])
def test_one_array_is_not_a_list_of_one(form):
    values = np.array([True, False, True]) if form == "mask" else np.array([0.3, 0.1, 0.2])
    assert canonical(form, [values]) != canonical(form, values)
    assert canonical(form, values) == canonical(form, values.tolist())
