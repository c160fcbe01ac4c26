"""Stories of the command line: what is printed, and with which exit code it ends."""

import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

import evolve as package
from archive.store import Archive
from evolve.cli.options import MODEL_OPERATORS, OFFLINE_OPERATORS, complete_operators
from evolve.config import ModelSettings, SearchSettings
from evolve.operators import ASKING, OFFLINE

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
STATUS_KEYS = {
    "run", "name", "task", "state", "rng_seed", "lookahead", "order", "level", "steps",
    "steps_by_kind", "evaluations", "gradings", "statuses", "near_limits", "duplicates",
    "best_fitness", "num_elites", "coverage", "qd_score", "norm_qd_score", "usd", "tokens", "seconds",
    "operators", "models", "arms", "usd_unsettled", "tokens_unsettled", "hashing", "hurdle", "diversity", "best", "challenger",
    "confirmations", "failure", "islands",
}  # fmt: skip
STATUSES = {"ok", "duplicate", "invalid", "crashed", "timeout", "over_limit", "unwritten"}
ELITE_KEYS = {
    "program", "cell", "fitness", "standard_error", "n", "confirmed", "measures", "operator",
    "model", "step", "parents", "lines", "idea", "train_fitness", "train_standard_error", "fresh",
}  # fmt: skip
SHOW_KEYS = {
    "program", "source", "status", "fitness", "scores", "measures", "operator", "model", "step",
    "parents", "ancestry", "feedback", "idea", "subgroups", "stage", "believed", "believed_error",
    "fresh", "confirmed", "determinism", "nearest", "distance", "near", "alike", "rounding",
}  # fmt: skip
RUN_KEYS = {"run", "name", "task", "state", "steps", "best_fitness", "started", "seconds", "usd"}
TASK_KEYS = {"task", "path", "family", "seconds_per_evaluation", "published"}

# Holds 360 MB at once, of 512 that the toy allows.
HUNGRY = """
import numpy as np


def weigh(features, k, rng):
    return features[:, 1] + 0 * np.ones(45 * 2**20).sum()
"""
QUICK = "def weigh(features, k, rng):\n    return features[:, 0]\n"


def test_status_has_the_keys_that_scripts_rely_on(looking):
    status = looking.json("status")
    assert status.keys() >= STATUS_KEYS
    assert status["statuses"].keys() == STATUSES
    assert status["duplicates"].keys() == {"syntax", "behaviour"}
    assert status["state"] == "finished"
    assert status["steps"] == sum(status["statuses"].values())
    assert sum(status["steps_by_kind"].values()) == status["steps"]


def test_runs_elites_and_programs_have_the_keys_that_scripts_rely_on(looking):
    (run,) = looking.json("runs")
    assert run.keys() >= RUN_KEYS
    assert run["name"] == "toy-1"
    elites = looking.json("elites", "toy-1")
    assert all(elite.keys() >= ELITE_KEYS for elite in elites)
    assert elites == sorted(elites, key=lambda elite: -elite["fitness"])
    assert elites[0]["fitness"] == run["best_fitness"]
    program = looking.json("show", elites[0]["program"][:8])
    assert program.keys() >= SHOW_KEYS
    assert program["fitness"] == elites[0]["train_fitness"]
    assert program["believed"] == elites[0]["fitness"]
    assert "def weigh" in program["source"]


def test_tasks_has_the_keys_that_scripts_rely_on(evolve):
    (evolve.folder / "tasks").mkdir()
    (evolve.folder / "tasks/toy").symlink_to(TOY)
    rows = {row["task"]: row for row in evolve.json("tasks")}
    assert all(row.keys() >= TASK_KEYS for row in rows.values())
    assert rows["toy"]["family"] == "test"


def test_lineage_begins_with_an_initial_program_and_ends_with_the_one_asked_for(looking):
    elites = looking.json("elites")
    youngest = max(elites, key=lambda elite: elite["step"])
    line = looking.json("lineage", youngest["program"])
    assert line[0]["operator"] == "initial"
    assert line[0]["name"] in {"trivial", "first", "ranked", "contrast"}
    assert line[-1]["step"] == youngest["step"]
    assert all(later["parents"][0] == old["step"] for old, later in pairwise(line))


def test_every_view_prints_something_that_fits_80_columns(looking):
    best, *_, worst = looking.json("elites")
    for arguments in (
        ["runs"],
        ["status"],
        ["elites"],
        ["map"],
        ["map", "--axes", "lean,spread"],
        ["show", best["program"]],
        ["lineage", worst["program"]],
        ["diff", best["program"], worst["program"]],
    ):
        lines = looking(*arguments).stdout.splitlines()
        assert lines
        assert max(map(len, lines)) <= 80, arguments


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command"),
        (["run"], "Missing argument"),
        (["run", "no_such_task"], "no such task"),
        (["run", TOY, "--steps", "0"], "--steps"),
        (["run", TOY, "--hours", "0"], "hours 0: a limit is a number above 0"),
        (["run", TOY, "--hours", "-1"], "hours -1: a limit is a number above 0"),
        (["resume", "toy-1", "--hours", "0"], "hours 0: a limit is a number above 0"),
        (["run", TOY, "--set", "itmes=9"], "Task toy has: items"),
        (["run", TOY, "--set", "itmes=9"], "did you mean items?"),
        (["run", TOY, "--set", "items=many"], "must be a whole number"),
        (["run", TOY, "--set", "?"], "  items=48\n"),
        (["run", TOY, "--set", "?"], "  search.confirm=0.1\n"),
        (["run", TOY, "--operators", "perturbe"], "perturb"),
        (["run", TOY, "--from", "nowhere.py"], "nowhere.py"),
        (["run", TOY, "--from", "toy-7"], "did you mean toy-1?"),
        (["run", TOY, "--from", "publishd"], "did you mean published?"),
        (["run", TOY, "--from", "trival"], "did you mean trivial?"),
        (["run", TOY, "--from", "elsewhere"], "the latest run is toy-1"),
        (["run", TOY, "--from", f"{TOY}/programs/trival.py"], "programs/trivial.py?"),
        (["run", TOY, "--from", f"{TOY}/programms"], f"did you mean {TOY}/programs?"),
        (["run", TOY, "--name", "toy-1"], "choose another name"),
        (["run", TOY, "--min-level", "steel"], "landlock"),
        (["status", "toy-7"], "did you mean toy-1"),
        (["show", "ffffffff"], "no program ffffffff"),
        (["show", "ab"], "at least 4 letters"),
        (["map", "--axes", "spread,size"], "there are: lean, spread"),
        (["elites", "--archive", "elsewhere.db"], "no archive here"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_there_is(looking, arguments, says):
    assert says in looking(*arguments, expect=2).stderr
    assert len(looking.json("runs")) == 1


def test_a_misspelt_folder_is_recognised(looking):
    (Path.cwd() / "found_programs").mkdir(exist_ok=True)
    said = looking("run", TOY, "--from", "found_program", expect=2).stderr
    assert "did you mean found_programs?" in said


def test_a_folder_where_nothing_can_be_written_ends_with_1(evolve):
    # Not even root may write there, whatever the mode says.
    failed = evolve("run", TOY, "--archive", "/proc/evolve.db", expect=1)
    assert "may you read and write it" in failed.stderr


def test_help_waits_for_nothing_heavy(evolve):
    code = "import sys, evolve.cli\nsys.argv[1:] = ['--help']\n"
    code += "try: evolve.cli.main()\nfinally: print(*sys.modules, file=sys.stderr)"
    helped = subprocess.run(
        [sys.executable, "-c", code],
        env=evolve.environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert "resume" in helped.stdout
    assert not {"torch", "sqlalchemy", "ray", "numpy"}.intersection(helped.stderr.split())


def test_version_is_that_of_the_package(looking):
    assert looking("--version").stdout == f"evolve {package.__version__}\n"


def test_help_of_run_names_the_operators_that_there_are(looking):
    assert tuple(OFFLINE) == OFFLINE_OPERATORS
    assert tuple(ASKING) == MODEL_OPERATORS
    said = " ".join(looking("run", "--help").stdout.split())
    assert ", ".join(OFFLINE) in said
    assert ", ".join(ASKING) in said


def test_help_of_run_names_every_setting(looking):
    words = looking("run", "--help").stdout.replace("│", " ").split()
    assert set(SearchSettings.model_fields) | set(ModelSettings.model_fields) <= set(words)


def test_names_of_operators_are_completed_behind_each_comma():
    assert complete_operators("re") == ["recombine", "rewrite", "repair"]
    assert complete_operators("tune,re")[0] == "tune,recombine"
    assert "tune,tune" not in complete_operators("tune,")


@pytest.mark.slow
def test_programs_that_came_near_a_limit_are_counted_but_not_those_served(evolve):
    initial = evolve.folder / "initial"
    initial.mkdir()
    (initial / "hungry.py").write_text(HUNGRY)
    (initial / "quick.py").write_text(QUICK)
    arguments = ["run", TOY, "--from", "initial", "--steps", 2, "--set", "grade_ms=0"]
    first, again = evolve.json(*arguments), evolve.json(*arguments)
    assert first["statuses"]["ok"] == again["statuses"]["ok"] == 2
    assert (first["near_limits"], again["near_limits"]) == (1, 0)
    near = "1 used more than half of a limit"
    assert near in evolve("status", "toy-1").stdout
    assert near not in evolve("status", "toy-2").stdout


@pytest.mark.parametrize("command", ["run", "resume", "runs", "status", "elites", "map", "show",
                                     "diff", "lineage", "tasks"])  # fmt: skip
def test_every_command_gives_an_example(looking, command):
    assert f"Example: evolve {command}" in looking(command, "--help").stdout


@pytest.mark.slow
def test_a_run_starts_from_the_elites_of_another(looking):
    elites = looking.json("elites")
    again = looking.json(
        "run", TOY, "--from", "toy-1", "--steps", len(elites), "--set", "grade_ms=0",
        "--archive", _copy("again.db"), "--rng-seed", 1,
    )  # fmt: skip
    assert again["steps_by_kind"] == {"initial": len(elites)}
    assert again["best_fitness"] == max(elite["train_fitness"] for elite in elites)
    assert again["gradings"] == 0


@pytest.mark.slow
def test_a_finished_run_can_be_resumed_and_extended(evolve):
    evolve("run", TOY, "--steps", 6, "--set", "grade_ms=0")
    again = evolve("resume")
    assert "finished" in again.stdout
    assert "toy-1 has reached its limit; --steps N raises it" in again.stderr
    longer = evolve.json("resume", "toy-1", "--steps", 9)
    assert longer["steps"] == 9
    assert longer["state"] == "finished"


@pytest.mark.slow
def test_a_run_is_seen_while_it_runs_and_after_it_was_killed(evolve):
    process = _started(evolve, "run", TOY, "--steps", "2000")
    assert evolve.json("runs")[0]["state"] == "running"
    assert "is being written" in evolve("resume", expect=1).stderr
    process.kill()
    process.communicate(timeout=600)
    assert evolve.json("runs")[0]["state"] == "interrupted"


def _started(evolve, *arguments):
    """Start a command and wait until its run has told something."""
    process = subprocess.Popen(
        evolve.command(*arguments),
        cwd=evolve.folder,
        env=evolve.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    place = evolve.folder / "evolve.db"
    while time.monotonic() < deadline:
        if place.exists():
            with Archive.open(place) as archive:
                if archive.runs() and archive.run().told:
                    return process
        time.sleep(0.1)
    process.kill()
    pytest.fail("the run told nothing")


def _copy(name):
    """Copy the archive, so that tests do not see each other's runs."""
    copy = Path.cwd() / name
    with sqlite3.connect(Path.cwd() / "evolve.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


def test_the_run_that_is_resumed_unless_named_is_a_search(evolve):
    evolve("run", TOY, "--steps", 5, "--set", "grade_ms=0")
    evolve("resume", "--replay")
    assert evolve.json("runs")[0]["name"] == "toy-1-replay"
    assert "toy-1: finished" in evolve("resume", "--steps", 6).stdout


def test_fewer_steps_than_are_told_are_refused(looking):
    assert "steps are told already" in looking("resume", "--steps", "3", expect=2).stderr


def test_a_new_task_takes_no_name_of_a_shipped_one(looking):
    assert "choose another name" in looking("new", "data_selection", expect=2).stderr


def test_a_start_that_failed_does_not_hide_the_run_before_it(evolve):
    evolve("run", TOY, "--steps", 5, "--set", "grade_ms=0")
    evolve("run", TOY, "--steps", 5, "--set", "pools=0", expect=2)
    assert [run["name"] for run in evolve.json("runs")][-1] == "toy-1"
    assert evolve.json("status")["name"] == "toy-1"
