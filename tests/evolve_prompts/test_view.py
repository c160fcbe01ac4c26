"""What a snapshot tells: ideas with their gains, who leads, and which failures still matter."""

import sys

import pytest

from archive.records import Status
from evolve.estimates import by_subgroup, estimate, gain, in_order
from evolve.statistics import Grouping, compare
from evolve.view import MAX_LATEST, NUM_HIGHEST, NUM_NEWEST, view


def test_nothing_told_is_nothing_to_see(new_story):
    shown = view(new_story().state, Grouping())
    assert (shown.tried, shown.standings, shown.failures) == ((), (), ())


def test_ideas_come_with_what_they_gained_and_what_they_equal(small):
    shown = view(small.state, small.briefing.grouping)
    tried = {one.step: one for one in shown.tried}
    assert [one.step for one in shown.highest] == [2, 3, 7]
    assert tried[4].kinship == "the same outputs as step 2"
    assert tried[4].duplicate_of == 2
    assert tried[4].gain is None
    assert tried[2].gain.difference == pytest.approx(3.5 / 6)
    assert tried[2].gain.subgroups["pieces=2"].mean == pytest.approx(1.0)
    assert tried[7].gain is None  # its parent failed: there is nothing to compare with


def test_a_gain_is_the_paired_difference_that_verdicts_use(real):
    grouping = real.briefing.grouping
    child, parent = (real.state.step(e.step).evaluation.scores for e in real.state.best[:2])
    ours, verdict = gain(child, parent, grouping), compare(child, parent, grouping)
    assert ours.difference == pytest.approx(verdict.difference)
    assert ours.standard_error == pytest.approx(verdict.standard_error)
    assert gain(child, {}, grouping) is None


def test_two_draws_that_agree_do_not_look_certain():
    grouping = Grouping(
        {"a": ["x=1"], "b": ["x=1"], "c": ["x=2"], "d": ["x=2"], "e": ["x=2"], "f": ["x=2"]}
    )
    scores = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 2.0, "e": 1.0, "f": -1.0}
    parts = by_subgroup(scores, grouping)
    assert parts["x=2"] == estimate({name: scores[name] for name in "cdef"}, grouping)
    # Five squares over four degrees of freedom, and two draws.
    assert parts["x=1"].standard_error == pytest.approx((5.0 / 4.0 / 2.0) ** 0.5)
    alone = by_subgroup({"a": 1.0, "c": 0.0}, grouping)
    assert [part.standard_error for part in alone.values()] == [None, None]


def test_failures_go_once_they_are_repaired(new_story):
    story = new_story()
    story.tell("initial", "a", [1.0] * 6)
    wrong = {"status": Status.CRASHED, "reason": "IndexError", "idea": "i", "model": "m"}
    first = story.tell("rewrite", "b", parents=(0,), **wrong)
    again = story.tell("repair", "c", parents=(first,), **wrong | {"reason": "KeyError"})
    story.tell("perturb", "d", status=Status.CRASHED, reason="an operator's own", parents=(0,))
    before = story.state
    assert [f.step for f in view(before, Grouping()).failures] == [again, first]
    story.tell("repair", "e", [1.0] * 6, parents=(again,), idea="i", model="m")
    assert view(story.state, Grouping()).failures == ()
    assert [f.step for f in view(before, Grouping()).failures] == [again, first]


def test_one_way_to_fail_is_told_once(new_story):
    story = new_story()
    story.tell("initial", "a", [1.0] * 6)
    for i in range(5):
        story.tell(
            "rewrite", f"b{i}", parents=(0,), status=Status.TIMEOUT, reason="too slow", model="m"
        )
    (failure,) = view(story.state, Grouping()).failures
    assert (failure.step, failure.times) == (5, 5)


def test_the_best_and_who_leads_the_subgroups(small):
    best, specialist = view(small.state, small.briefing.grouping).standings
    assert (best.step, best.labels) == (2, ("best", "pieces=2"))
    assert (specialist.step, specialist.labels) == (3, ("pieces=3",))
    assert specialist.source.endswith("# b")


def test_labels_are_sorted_by_their_numbers():
    labels = ["budget=10%", "regime=hard", "budget=5%", "budget=20%"]
    assert sorted(labels, key=in_order) == ["budget=5%", "budget=10%", "budget=20%", "regime=hard"]


def test_a_long_history_is_not_read_whole(long):
    """Counted in calls of Python, since seconds tell of the machine."""

    def calls(scene):
        count = 0

        def counting(frame, event, argument):
            nonlocal count
            count += event == "call"

        sys.setprofile(counting)
        try:
            shown = view(scene.state, scene.briefing.grouping)
        finally:
            sys.setprofile(None)
        assert len(shown.highest) <= NUM_HIGHEST
        assert len(shown.newest) <= NUM_NEWEST
        return count

    assert long.state.told > 7 * MAX_LATEST
    assert calls(long) < 20_000
