"""What `verify` says of a run, and that every look at the hidden test is written down."""

import json
from dataclasses import replace

import pytest

from archive import queries
from archive.store import Archive
from evolve import RunLimits, baselines, load_task, open_run, search
from evolve.errors import UsageError
from evolve.verify import own_block, verify

KEYS = {
    *("task", "split", "instances", "published", "tuned", "random", "random_search", "best_of_n"),
    *("looks", "programs", "strict", "block", "evaluations", "looks_of_all_runs", "examined"),
}
ROW_KEYS = {
    *("program", "score", "difference", "standard_error", "interval", "p"),
    *("beats_published", "beats_tuned", "valid", "optimism", "subgroups", "agreement"),
    *("difference_tuned", "standard_error_tuned", "interval_tuned", "p_tuned", "agreement_tuned"),
}


def verified(place, **options):
    with Archive.open(place) as archive:
        return verify(archive, archive.run(), workers=2, **options)


def test_the_best_elites_are_compared_in_pairs_and_the_look_is_recorded(searched):
    result = verified(searched.place, top=2)
    assert result.keys() >= KEYS
    assert (result["task"], result["split"], result["instances"]) == ("toy", "test", 16)
    assert [row.keys() >= ROW_KEYS for row in result["programs"]] == [True, True]
    best = result["programs"][0]
    assert best["difference"] == pytest.approx(best["score"] - result["published"]["score"])
    assert best["interval"][0] <= best["difference"] <= best["interval"][1]
    with Archive.open(searched.place) as archive:
        (look,) = queries.looks(archive, archive.run().id)
    assert look.programs == tuple(row["program"] for row in result["programs"])
    assert json.loads(json.dumps(result)) == dict(look.result)


def test_optimism_is_what_valid_promised_too_much(searched):
    result = verified(searched.place, top=1)
    for row in (*result["programs"], result["published"], result["random"]):
        assert row["optimism"] == pytest.approx(row["valid"] - row["score"])


def test_each_subgroup_is_shown_with_its_own_error(searched):
    (row,) = verified(searched.place, top=1)["programs"]
    assert list(row["subgroups"]) == ["size=even", "size=odd"]
    assert [group["n"] for group in row["subgroups"].values()] == [8, 8]
    halves = [group["difference"] for group in row["subgroups"].values()]
    assert sum(halves) / 2 == pytest.approx(row["difference"])
    assert row["agreement"] == sum(half > 0 for half in halves) / 2
    assert all(group["standard_error"] > 0 for group in row["subgroups"].values())


def test_a_strict_look_is_at_instances_that_no_other_run_is_measured_on(searched):
    shared, strict = verified(searched.place, top=1), verified(searched.place, top=1, strict=True)
    assert (shared["strict"], shared["block"]) == (False, 0)
    with Archive.open(searched.place) as archive:
        run = archive.run()
        assert (strict["strict"], strict["block"]) == (True, own_block(run))
        others = [replace(run, name="second"), replace(run, rng_seed=4)]
        assert len({0, *map(own_block, [run, *others])}) == 4
        key = {"task": run.task, "world": run.world, "stage": "test", "block": strict["block"]}
        kept = queries.find_evaluation(archive, **key, program=strict["programs"][0]["program"])
    assert all(name.startswith(f"test-{strict['block']}-") for name in kept.scores)
    # The baselines are measured on those instances too, and stand in pairs.
    assert strict["published"]["name"] == shared["published"]["name"]
    assert strict["published"]["score"] != shared["published"]["score"]
    row = strict["programs"][0]
    assert row["difference"] == pytest.approx(row["score"] - strict["published"]["score"])
    # It is the run's block for good: looking again shows the same.
    again = verified(searched.place, top=1, strict=True)
    assert again["programs"] == strict["programs"]
    assert again["looks"] == 3


def test_p_is_corrected_for_the_programs_of_earlier_looks_too(searched):
    first = verified(searched.place, top=1)
    both = verified(searched.place, top=2)
    later = verified(searched.place, top=1)
    assert [look["examined"] for look in (first, both, later)] == [1, 2, 2]
    p_first, p_later = (look["programs"][0]["p"] for look in (first, later))
    assert p_later == pytest.approx(min(1.0, 2 * p_first))


def test_looks_of_other_runs_of_the_task_are_counted_beside(searched):
    verified(searched.place, top=1)
    with Archive.open(searched.place) as archive:
        task = load_task(searched.folder)
        run = open_run(task, archive=archive, limits=RunLimits(steps=4), name="second")
        search(run, workers=2)
    result = verified(searched.place, top=1)
    assert (result["run"], result["looks"], result["looks_of_all_runs"]) == ("second", 1, 2)
    assert result["evaluations"] == 4


def test_looking_again_counts_and_computes_nothing(searched):
    first = verified(searched.place, top=1)
    with Archive.open(searched.place) as archive:
        run = archive.run()
        key = {"task": run.task, "world": run.world, "stage": "test", "block": 0}
        kept = queries.find_evaluation(archive, **key, program=first["programs"][0]["program"])
    assert kept is not None
    second = verified(searched.place, top=1)
    assert (first["looks"], second["looks"]) == (1, 2)
    assert second["programs"] == first["programs"]


def test_a_look_that_is_cut_off_counts(searched):
    def cut_off(done, total, name):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        verified(searched.place, top=1, watch=cut_off)
    with Archive.open(searched.place) as archive:
        (look,) = queries.looks(archive, archive.run().id)
    assert (len(look.programs), look.result) == (1, {})
    assert verified(searched.place, top=1)["looks"] == 2


def test_without_baselines_the_best_on_train_is_said_to_stand_in(searched):
    result = verified(searched.place, top=1)
    assert "not measured" in result["published"]["chosen"]
    assert "not measured yet" in result["note"]
    assert result["tuned"] is None
    assert result["programs"][0]["beats_tuned"] is None


def test_measured_baselines_name_the_published_and_the_tuned(searched_once, tmp_path):
    task = load_task(searched_once.folder)
    values = baselines.measure(task, workers=2)
    try:
        assert values["published"]["name"] == "contrast", "the highest on valid"
        # A tuned program that is the published one itself: the differences must agree.
        (task.folder / "tuned").mkdir()
        source = task.programs()["contrast"]
        (task.folder / "tuned" / "one.py").write_text(source)
        values["tuned"] = {"name": "same", "file": "tuned/one.py", "gradings": 12, "score": -1.0}
        baselines.write_baselines(task, values)
        assert load_task(task.folder).digest == task.digest, "baselines decide no grade"
        place = tmp_path / "evolve.db"
        place.write_bytes(searched_once.place.read_bytes())
        result = verified(place, top=1)
        values["random_search"] = {"score": -0.4, "gradings": 12}
        baselines.write_baselines(task, values)
        strict = verified(place, top=1, strict=True)
    finally:
        (task.folder / "baselines.json").unlink()
    assert result["published"] == {
        **result["published"],
        "name": "contrast",
        "chosen": "best on valid",
    }
    assert result["tuned"]["gradings"] == 12
    row = result["programs"][0]
    assert row["difference_tuned"] == row["difference"]
    assert row["beats_tuned"] == row["beats_published"]
    assert (row["interval_tuned"], row["p_tuned"]) == (row["interval"], row["p"])
    assert result["note"] is None
    assert strict["note"] == (
        "random search: measured on the test that all runs share, not on this run's own"
    )
    assert strict["tuned"]["score"] == strict["published"]["score"]


def test_stale_baselines_are_not_believed(toy):
    task = load_task(toy)
    baselines.write_baselines(task, {"digest": "another", "published": {"name": "first"}})
    values, why = baselines.current_baselines(task)
    assert values == {}
    assert "stale" in why


def test_a_task_that_changed_is_refused(searched, tmp_path):
    code = searched.folder / "task.py"
    text = code.read_text()
    code.write_text(text + "\n# other\n")
    try:
        with pytest.raises(UsageError, match="has changed since first began"):
            verified(searched.place)
    finally:
        code.write_text(text)
