"""The same rng_seed is the same run, however many workers it has and however often it stops."""

import pytest

pytestmark = pytest.mark.slow

STEPS = 60


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, outcome):
    import subprocess
    import sys
    from pathlib import Path

    place = tmp_path_factory.mktemp("laws") / "undisturbed.db"
    script = Path(__file__).parent / "toy_run.py"
    command = [sys.executable, str(script), str(place), "--steps", str(STEPS), "--workers", "1"]
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    return outcome(place)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_same_rng_seed_gives_the_same_elites_with_any_workers(
    workers, undisturbed, toy_run, outcome, tmp_path
):
    toy_run(tmp_path / "a.db", "--steps", STEPS, "--workers", workers).check_returncode()
    assert outcome(tmp_path / "a.db") == undisturbed
    assert len(undisturbed[0]) == STEPS


def test_another_rng_seed_gives_another_run(undisturbed, toy_run, outcome, tmp_path):
    toy_run(tmp_path / "a.db", "--steps", STEPS, "--rng-seed", 6).check_returncode()
    assert outcome(tmp_path / "a.db") != undisturbed


def test_half_the_steps_and_then_the_rest_is_all_at_once(undisturbed, toy_run, outcome, tmp_path):
    toy_run(tmp_path / "a.db", "--steps", STEPS // 2).check_returncode()
    assert len(outcome(tmp_path / "a.db")[0]) == STEPS // 2
    toy_run(tmp_path / "a.db", "--steps", STEPS, "--resume").check_returncode()
    assert outcome(tmp_path / "a.db") == undisturbed


def test_sharing_grades_or_not_is_the_same_run(undisturbed, toy_run, outcome, tmp_path):
    options = ("--set", "search.share_grades=false")
    toy_run(tmp_path / "a.db", "--steps", STEPS, *options).check_returncode()
    assert outcome(tmp_path / "a.db") == undisturbed


def test_a_second_run_in_the_same_archive_is_the_same_and_pays_for_nothing(
    undisturbed, toy_run, outcome, tmp_path
):
    from archive.store import Archive

    for _ in range(2):
        toy_run(tmp_path / "a.db", "--steps", STEPS).check_returncode()
    assert outcome(tmp_path / "a.db") == undisturbed
    with Archive.open(tmp_path / "a.db") as archive:
        first, second = archive.runs()
    assert first.gradings > 0
    assert second.gradings == 0
