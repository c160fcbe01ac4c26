"""Tasks and settings: found by name or path, and every mistake is named."""

import re
import shutil
from pathlib import Path

import pytest

from evolve.config import RunLimits, parse_settings
from evolve.errors import TaskError, UsageError
from evolve.loader import find_task, load_task, shipped_tasks
from evolve.spec import read_spec

TOY = Path("tests/tasks/toy")


@pytest.fixture
def toy(tmp_path):
    return Path(shutil.copytree(TOY, tmp_path / "toy"))


def test_a_path_and_a_bare_name_find_the_same_task(tmp_path, monkeypatch):
    by_path = find_task("tasks/data_selection")
    monkeypatch.chdir(tmp_path)
    assert find_task("data_selection") == find_task("tasks/data_selection") == by_path
    assert "data_selection" in shipped_tasks()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data_selektion", "did you mean data_selection"),
        ("some/where/else", "no such folder"),
        ("tests", "has no task.toml"),
        ("tests/tasks/toy/task.toml", "is a file: name the folder that holds task.toml"),
    ],
)
def test_what_is_no_task_is_told_with_a_way_on(name, message):
    with pytest.raises(TaskError, match=message):
        load_task(name)


def test_an_empty_folder_is_told_what_a_task_has_and_hides_no_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine/inner").mkdir(parents=True)
    Path("data_selection").mkdir()
    for name in ("mine/inner", tmp_path / "mine" / "inner"):
        with pytest.raises(TaskError, match=r"inner: is empty: a task has task\.toml, task\.py,"):
            find_task(name)
    Path("mine/inner").rmdir()
    with pytest.raises(TaskError, match=r"mine: is empty: .*`evolve new NAME`"):
        find_task("mine")
    assert find_task("data_selection") != tmp_path / "data_selection"


def test_settings_keep_the_types_of_their_defaults():
    pairs = ["items=64", "noise=1", "search.lookahead=4", "model.concurrency=3"]
    settings = parse_settings(pairs, read_spec(TOY / "task.toml"))
    assert (settings.task["items"], settings.task["noise"]) == (64, 1.0)
    assert isinstance(settings.task["noise"], float)
    assert (settings.search.lookahead, settings.model.concurrency) == (4, 3)


def test_models_bring_defaults_of_their_own_and_what_was_told_stands():
    spec = read_spec(TOY / "task.toml")
    search = parse_settings([], spec).search.where_models_write(16)
    assert (search.order, search.lookahead, search.credit) == ("arrival", 32, "bandit")
    told = ["search.order=step", "search.lookahead=4", "search.credit=shares"]
    search = parse_settings(told, spec).search
    assert search.where_models_write(16) == search


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("items=many", "must be a whole number"),
        ("noise=loud", "must be a number"),
        ("itmes=3", r"no such setting; did you mean items\? Task toy has: items"),
        ("items", "write it as key=value"),
        ("search.lookahead=0", "--set search.lookahead=0: must be 1 or more"),
        ("search.lookahead=9999", "--set search.lookahead=9999: must be 4096 or less"),
        ("search.depth=deep", "--set search.depth=deep: must be a whole number"),
        ("search.parents=best", "must be 'rank', 'uniform', 'weighted' or 'initial'"),
        ("search.lokahead=3", r"did you mean search.lookahead\?.* has: order, lookahead"),
        ("lookahead=3", r"did you mean search.lookahead\?"),
        ("search.noize=3", r"did you mean noise\?"),
        ("model.prize=3", r"did you mean model.price\?.* model.\* has: concurrency"),
        ("model.concurrency=0", "--set model.concurrency=0: must be 1 or more"),
    ],
)
def test_a_wrong_setting_says_what_there_is(pair, message):
    with pytest.raises(UsageError, match=message):
        parse_settings([pair], read_spec(TOY / "task.toml"))


@pytest.mark.parametrize(
    "limits", [{"steps": 0}, {"evaluations": -1}, {"hours": 0.0}, {"hours": float("nan")}]
)
def test_a_limit_that_ends_a_run_before_it_begins_is_refused(limits):
    with pytest.raises(UsageError, match="a limit is a number above 0"):
        RunLimits(**limits)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "range = [0.0, 2.0]",
            "range = [5.0, 1.0]",
            r"measures\[0\]\.range = \[5\.0, 1\.0\]: write the lower bound first",
        ),
        ("range = [0.0, 2.0]", "range = [0.0]", r"range: must be two numbers, \[lower, upper\]"),
        ("range = [0.0, 2.0]", 'range = ["a", 2.0]', r"range\[0\] = 'a': must be a number"),
        ("bins = 5", "bins = 0", r"measures\[0\]\.bins = 0: must be a whole number from 1 to 100"),
        ("bins = 5", "", r"measures\[0\]\.bins: is missing; write a whole number"),
        ('name = "lean"', 'name = "spread"', "toml: measures: the name 'spread' stands twice"),
        ('entry = "weigh"', "", "toml: entry: is missing; write in quotes, the function"),
        ("rng = true", "rng = true\ncolour = 3", "colour: no such key; there are: name, about"),
        ("rng = true", "rng = true\nprobe = 3", r"probe: no such key; did you mean probes\?"),
        ("rng = true", "rng = true\ncpu_s = 3", r"cpu_s: no such key; did you mean limits.cpu_s\?"),
        ("cpu_s = 2.0", "cpu = 2.0", r"limits\.cpu: no such key; did you mean cpu_s\?"),
        ("cpu_s = 2.0", "cpu_s = 0", r"limits\.cpu_s = 0: must be more than 0"),
        ("rng = true", 'rng = "maybe"', "rng = 'maybe': must be true or false"),
        ("rng = true", 'imports = "numpy"', "imports = 'numpy': must be a list"),
        ('canonical = "float:40"', 'canonical = "fuzzy"', "'fuzzy': must be exact, set, ranking"),
        ("items = 48", "items = [48]", "items must be a number, a text in quotes, or true"),
        ("rng = true", "rng = ", "not TOML"),
    ],
)
def test_a_wrong_task_toml_names_the_key_and_what_it_must_be(toy, old, new, message):
    path = toy / "task.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(TaskError, match=message) as raised:
        load_task(toy)
    # One key is wrong and one line says so, in words of ours.
    assert len(str(raised.value).splitlines()) == 1
    assert not re.search("Input should|Field required|Extra inputs|Value error", str(raised.value))


def test_a_task_toml_that_lacks_everything_is_told_each_key_with_an_example(tmp_path):
    (tmp_path / "task.toml").write_text("")
    with pytest.raises(TaskError) as raised:
        read_spec(tmp_path / "task.toml")
    lacking = str(raised.value).splitlines()
    examples = ("name = ", "about = ", "entry = ", "[[measures]]")
    assert len(lacking) == len(examples)
    assert all("is missing; write " in line for line in lacking)
    assert all(example in line for line, example in zip(lacking, examples, strict=True))


def test_the_digest_covers_what_decides_a_grade_and_nothing_else(toy):
    before = load_task(toy).digest
    (toy / "brief.md").write_text("other words")
    (toy / "README.md").write_text("a page")
    (toy / "programs" / "more.py").write_text("def weigh(features, k, rng): return k")
    assert load_task(toy).digest == before
    assert load_task(toy, ["noise=0.5"]).digest != before
    (toy / "helper.py").write_text("x = 1")
    assert load_task(toy).digest != before


def test_a_folder_without_code_or_programs_says_what_is_missing(toy):
    shutil.rmtree(toy / "programs")
    with pytest.raises(TaskError, match="no initial program"):
        load_task(toy).programs()
    (toy / "task.py").unlink()
    with pytest.raises(TaskError, match=r"has no task\.py"):
        load_task(toy)
