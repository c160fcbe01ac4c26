"""Laws of behaviour distances: of records, of the sketches that stand for them, and of verdicts."""

import json
import zlib
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.behaviour import RECORD_BYTES, digest_of, distance, record, tolerant_match
from evolve.decisions import MARK, MAX_BYTES, read, written
from evolve.novelty import NEAR, distances, kernel, nearest, says_novel, similar, sketch

PROBES = 3
FORMS = ("set", "topk:3", "mask", "ranking", "float:20", "table", "trace", "exact")
# Of float32 in a sketch, against float64.
CLOSE = 1e-5

numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 1e-12, np.inf, -np.inf, np.nan])
orderly = st.lists(st.integers(-5, 5).map(float), max_size=6)
trees = st.recursive(
    numbers
    | st.integers()
    | st.text(max_size=2)
    | st.none()
    | st.booleans()
    | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)
OUTPUTS = {
    "set": st.lists(st.integers(-3, 9), unique=True),
    "topk:3": orderly,
    "mask": st.lists(st.booleans(), max_size=6),
    "ranking": orderly,
    "float:20": st.lists(numbers, max_size=4),
    "table": trees,
    "trace": trees,
    "exact": st.integers(0, 2),
}


def outcome(form):
    good = OUTPUTS[form].map(lambda output: ("ok", output))
    return good | st.sampled_from([("crashed", None), ("invalid", None)])


@st.composite
def program_lists(draw, form, size):
    """Draw what some programs did on the same few probes, some of it by copying another's."""
    programs = []
    for _ in range(size):
        rows = draw(st.lists(outcome(form), min_size=PROBES, max_size=PROBES))
        if programs and draw(st.booleans()):
            rows[1:] = programs[0][1:]
        programs.append(rows)
    return [recorded(form, [value for _, value in rows], [s for s, _ in rows]) for rows in programs]


def recorded(form, outputs, statuses=None):
    statuses = statuses or ["ok"] * len(outputs)
    rows = zip(statuses, outputs, strict=True)
    return record(form, [(f"p{i}", status, value) for i, (status, value) in enumerate(rows)])


def apart(form, one, other):
    """Give the distance of two programs by what they gave on a single probe."""
    return distance(form, recorded(form, [one]), recorded(form, [other]))


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_distance_is_a_metric_up_to_1_and_sketches_tell_the_same(form, data):
    records = data.draw(program_lists(form, 3))
    rows = np.stack([sketch(form, each) for each in records])
    told = {}
    for i, one in enumerate(records):
        for j, other in enumerate(records):
            told[i, j] = distance(form, one, other)
            assert distances(rows[i], rows, form)[j] == pytest.approx(told[i, j], abs=CLOSE)
    for i in range(3):
        assert told[i, i] == 0.0 == distances(rows[i], rows, form)[i]
    for i, j in combinations(range(3), 2):
        assert 0.0 <= told[i, j] == told[j, i] <= 1.0
    assert told[0, 2] <= told[0, 1] + told[1, 2] + 1e-12


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_likeness_is_a_kernel(form, data):
    records = data.draw(program_lists(form, 6))
    alike = kernel(records)
    assert (np.diag(alike) == 1.0).all()
    assert (alike == alike.T).all()
    assert np.linalg.eigvalsh(alike)[0] > -1e-6


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_record_is_read_as_it_was_written_and_keeps_the_digests(form, data):
    rows = data.draw(st.lists(outcome(form), min_size=1, max_size=PROBES))
    kept = recorded(form, [value for _, value in rows], [status for status, _ in rows])
    again = read(kept)
    assert written(again) == kept
    assert again.form == form
    for i, (status, value) in enumerate(rows):
        assert again.digests[i] == digest_of(form, f"p{i}", status, value)


# --- what each distance is ---


@given(*(st.sets(st.integers(-50, 50)) for _ in range(2)))
@settings(deadline=None)
def test_sets_are_apart_by_jaccard(one, other):
    expected = 1 - len(one & other) / len(one | other) if one | other else 0.0
    assert apart("set", list(one), list(other)) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
@settings(deadline=None)
def test_masks_are_apart_by_the_places_that_differ(pairs):
    one, other = zip(*pairs, strict=True)
    expected = sum(a != b for a, b in pairs) / len(pairs)
    assert apart("mask", list(one), list(other)) == pytest.approx(expected)


@given(*(st.permutations(range(12)) for _ in range(2)))
@settings(deadline=None)
def test_rankings_are_apart_by_the_pairs_in_another_order(one, other):
    pairs = list(combinations(range(12), 2))
    swapped = sum((one[i] < one[j]) != (other[i] < other[j]) for i, j in pairs)
    assert apart("ranking", one, other) == pytest.approx(swapped / len(pairs))
    assert apart("ranking", one, [-score for score in one]) == 1.0


def test_top_k_are_sets_that_know_no_order_within():
    assert apart("topk:2", [9.0, 8.0, 1.0, 0.0], [8.0, 9.0, 0.0, 1.0]) == 0.0
    assert apart("topk:2", [9.0, 8.0, 1.0, 0.0], [9.0, 1.0, 8.0, 0.0]) == pytest.approx(2 / 3)
    assert apart("topk:1", [[2.0, 1.0], [1.0, 2.0]], [[2.0, 1.0], [2.0, 1.0]]) == pytest.approx(
        2 / 3
    )


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6))
@settings(deadline=None)
def test_values_are_apart_by_their_ratio(x, y):
    for form in ("float:30", "table", "trace"):
        expected = 1 - min(x, y) / max(x, y)
        assert apart(form, [x, 5.0], [y, 5.0]) == pytest.approx(expected / 2, abs=1e-5)
        assert apart(form, [x], [-y]) > 0.99
        assert apart(form, [np.nan], [x]) == apart(form, [np.inf], [x]) == 1.0


def test_what_is_exact_is_equal_or_not():
    assert apart("exact", [1.0], [1.0 + 1e-15]) == 1.0
    assert apart("exact", [0.0], [-0.0]) == 0.0


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        ("mask", [True] * 4, [[True] * 2] * 2),
        ("ranking", [1.0, 2.0], [1.0, 2.0, 3.0]),
        ("topk:1", [2.0, 1.0], [2.0, 1.0, 0.0]),
        ("table", {"a": 1.0}, {"b": 1.0}),
        ("trace", [1.0, 2.0], [1.0, 2.0, 3.0]),
        ("table", ["left", 1.0], ["right", 1.0]),
    ],
)
def test_another_shape_is_another_behaviour_altogether(form, one, other):
    assert apart(form, one, other) == 1.0


def test_a_failure_is_far_from_success_and_alike_to_the_same_failure():
    good, crashed = recorded("set", [[1], [2]]), recorded("set", [[1], None], ["ok", "crashed"])
    invalid = recorded("set", [[1], [2, 2]])  # no set, though the run went well
    assert distance("set", good, crashed) == distance("set", crashed, invalid) == 0.5
    assert distance("set", crashed, crashed) == 0.0
    assert read(invalid).digests[1] == "invalid"


# --- what is too large to keep whole ---


def changed(rng, outputs, share):
    """Shuffle a share of the items of each probe."""
    return [np.where(rng.random(len(x)) < share, rng.permutation(x), x) for x in outputs]


def jaccard(one, other):
    return 1 - len(np.intersect1d(one, other)) / len(np.union1d(one, other))


def kendall(one, other):
    i, j = np.random.default_rng(1).integers(0, len(one), (2, 100_000))
    return np.mean((one[i] < one[j]) != (other[i] < other[j]))


# From 20,000 distinct numbers to an output, how far two such are apart in truth, and how far off
# the distances of records and of sketches may be: about four standard errors, and for sets what
# folding them may do.
SAMPLED = {
    "set": (lambda x: np.unique(x[:4000]), jaccard, 0.03, 0.07),
    "topk:4000": (lambda x: x, lambda a, b: jaccard(np.argsort(-a)[:4000], np.argsort(-b)[:4000]), 0.03, 0.07),
    "mask": (lambda x: x < 5000, lambda a, b: np.mean(a != b), 0.01, 0.016),
    "ranking": (lambda x: x, kendall, 0.016, 0.016),
    "trace": (lambda x: x + 1.0, lambda a, b: np.mean(1 - np.minimum(a, b) / np.maximum(a, b)), 0.045, 0.09),
}  # fmt: skip


@pytest.mark.parametrize("share", [0.02, 0.1, 0.6])
@pytest.mark.parametrize("form", SAMPLED)
def test_the_error_of_samples_is_what_the_docstrings_say(form, share):
    """Six probes of 20,000 items, of which nothing fits."""
    rng = np.random.default_rng(5)
    made, truth, allowed, allowed_of_sketches = SAMPLED[form]
    raw = [rng.permutation(20_000) for _ in range(6)]
    one, other = [made(x) for x in raw], [made(x) for x in changed(rng, raw, share)]
    true = np.mean([truth(a, b) for a, b in zip(one, other, strict=True)])
    first, second = recorded(form, one), recorded(form, other)
    assert distance(form, first, second) == pytest.approx(true, abs=allowed)
    by_sketch = distances(sketch(form, first), sketch(form, second)[None], form)[0]
    assert by_sketch == pytest.approx(true, abs=allowed_of_sketches)


@pytest.mark.parametrize("probes", [1, 6, 40])
@pytest.mark.parametrize("form", ["set", "mask", "ranking", "trace", "exact"])
def test_a_record_has_a_bound_whatever_is_in_it(form, probes):
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 2**62, 200_000 // probes) for _ in range(probes)]
    outputs = [x % 2 == 0 for x in drawn] if form == "mask" else drawn
    outputs = [x / 2**62 for x in drawn] if form == "trace" else outputs
    kept = recorded(form, outputs)
    assert len(kept) < RECORD_BYTES * 1.1
    assert distance(form, kept, kept) == 0.0


def test_a_choice_out_of_thousands_takes_little_room():
    rng = np.random.default_rng(0)
    outputs = [rng.choice(1330, k, replace=False) for k in (60, 133, 60)]
    assert len(recorded("set", outputs)) < 1000


# --- records of others ---


@given(st.binary(max_size=60), st.booleans())
@settings(deadline=None)
def test_what_is_no_record_is_refused(data, marked):
    for text in (data, b"{" + data, MARK + (zlib.compress(data) if marked else data)):
        with pytest.raises(ValueError, match="record"):
            read(text)


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_damaged_record_is_refused_or_read_as_another(data):
    inside = zlib.decompress(recorded("table", [[1.5, 2], {"a": None}])[len(MARK) :])
    at = data.draw(st.integers(0, len(inside) - 1))
    damaged = inside[:at] + data.draw(st.binary(max_size=3)) + inside[at + 1 :]
    try:
        again = read(MARK + zlib.compress(damaged))
    except ValueError:
        return
    assert all(isinstance(digest, str) for digest in again.digests)


def test_bytes_that_swell_are_refused():
    with pytest.raises(ValueError, match="cut, too long"):
        read(MARK + zlib.compress(bytes(MAX_BYTES + 1)))


@pytest.mark.parametrize("text", ["{}", '{"statuses": [], "digests": []}', '{"statuses": ["ok"], "digests": []}', '{"statuses": 1, "digests": 2}', '{"statuses": [1], "digests": [2]}'])  # fmt: skip
def test_a_damaged_old_record_is_refused(text):
    with pytest.raises(ValueError, match="not a record"):
        read(text.encode())


def old(*digests):
    return json.dumps({"statuses": ["ok"] * len(digests), "digests": digests}).encode()


def test_old_records_tell_equal_from_not():
    assert distance("set", old("a", "b"), old("a", "c")) == 0.5
    rows = np.stack([sketch("set", old("a", "b")), sketch("set", old("a", "c"))])
    assert distances(rows[0], rows, "set").tolist() == [0.0, 0.5]
    assert kernel([old("a", "b"), old("a", "c")])[0, 1] == 0.5
    new = recorded("set", [[1, 2], [3]])
    same = old(*read(new).digests)
    assert distance("set", new, same) == 0.0
    assert kernel([new, same])[0, 1] == 1.0


def test_records_that_cannot_be_compared_are_refused():
    one, longer, other = (
        recorded("set", [[1]]),
        recorded("set", [[1], [2]]),
        recorded("mask", [[1]]),
    )
    with pytest.raises(ValueError, match="form mask, not set"):
        distance("set", one, other)
    with pytest.raises(ValueError, match="records of 1 and 2 probes"):
        distance("set", one, longer)
    with pytest.raises(ValueError, match="a sketch of shape"):
        distances(sketch("set", one), sketch("set", longer)[None, :-1], "set")
    with pytest.raises(ValueError, match="form mask, not set"):
        sketch("set", other)
    with pytest.raises(ValueError, match="a record of no probe"):
        record("set", [])


# --- near misses ---


@pytest.mark.parametrize("form", ["float:40", "table", "trace", "exact"])
def test_floats_match_within_a_tolerance_and_all_else_must_be_equal(form):
    base = {"loss": np.array([1.0, 0.3, 0.0, np.nan]), "steps": 12, "why": "done"}
    last = {**base, "loss": np.array([1.0 + 1e-9, 0.1 + 0.2, 1e-17, np.nan])}

    def matches(other, rtol=1e-6):
        return tolerant_match(form, recorded(form, [base]), recorded(form, [other]), rtol)

    assert digest_of(form, "p", "ok", base) != digest_of(form, "p", "ok", last)
    assert matches(last)
    assert not matches(last, rtol=1e-12)
    assert not matches({**base, "loss": np.array([1.0, 0.3, 1e-6, np.nan])})
    assert not matches({**base, "loss": np.array([1.0, 0.3, 0.0, np.inf])})
    assert not matches({**base, "steps": 13})
    assert not matches({**base, "why": "gave up"})
    assert not tolerant_match(
        form, recorded(form, [base]), recorded(form, [None], ["crashed"]), 1.0
    )


def test_decisions_have_no_tolerance():
    one, other = recorded("set", [range(1000)]), recorded("set", [range(1, 1001)])
    assert not tolerant_match("set", one, other, rtol=0.5)
    assert tolerant_match("set", one, one, rtol=0.0)


# --- what follows ---


def test_the_nearest_is_found_and_near_duplicates_are_below_the_threshold():
    base = np.arange(200)
    one_other = np.append(base[1:], 500)
    others = [np.arange(100, 300), one_other, base, base]
    rows = np.stack([sketch("set", recorded("set", [each])) for each in others])
    own = sketch("set", recorded("set", [base]))
    assert nearest(own, rows, "set") == (2, 0.0)
    found = nearest(own, rows[:2], "set")
    assert found.row == 1
    assert 0.0 < found.distance < NEAR
    assert nearest(own, rows[:1], "set").distance > NEAR
    assert nearest(own, rows[:0], "set") is None


def test_the_text_most_alike_counts_from_a_threshold_on():
    known = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    own = np.array([0.6, 0.8], dtype=np.float32)
    assert similar(known, own, 0.95) == (1, pytest.approx(0.96))
    assert similar(known, own, 0.99) is None
    assert similar(known[:0], own, 0.0) is None


@pytest.mark.parametrize(
    ("answer", "novel"),
    [
        ("They differ in a name.\n\nNOT NOVEL", False),
        ("**Not novel.**", False),
        ("Verdict: `NOT NOVEL`\n", False),
        ("NOT NOVEL: only names differ", False),
        ("It looks NOT NOVEL at first.\nNOVEL", True),
        ("NOVEL\nI take it back.\nNOT NOVEL", False),
        ("I would say that it is not novel", True),
        ("Novel ideas abound.", True),
        ("", True),
    ],
)
def test_only_a_clear_verdict_says_that_a_program_is_not_novel(answer, novel):
    assert says_novel(answer) is novel
