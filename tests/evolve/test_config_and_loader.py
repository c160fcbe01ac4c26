"""Tasks and settings: found by name or path, and every mistake is named."""

import shutil
from pathlib import Path

import pytest

from evolve.config import parse_settings
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
    ],
)
def test_what_is_no_task_is_told_with_a_way_on(name, message):
    with pytest.raises(TaskError, match=message):
        load_task(name)


def test_settings_keep_the_types_of_their_defaults():
    settings, search = parse_settings(
        ["items=64", "noise=1", "search.lookahead=4"], read_spec(TOY / "task.toml")
    )
    assert (settings["items"], settings["noise"], search.lookahead) == (64, 1.0, 4)
    assert isinstance(settings["noise"], float)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("items=many", "must be a whole number"),
        ("noise=loud", "must be a number"),
        ("itmes=3", "no such setting. Task toy has: items"),
        ("items", "write it as key=value"),
        ("search.lookahead=0", "search.lookahead: Input should be greater"),
        ("search.lokahead=3", "There are: search.order, search.lookahead"),
        ("model.price=3", "no such setting"),
    ],
)
def test_a_wrong_setting_says_what_there_is(pair, message):
    with pytest.raises(UsageError, match=message):
        parse_settings([pair], read_spec(TOY / "task.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "range = [0.0, 2.0]",
            "range = [5.0, 1.0]",
            r"measures\[0\].range: .*write the lower bound first",
        ),
        ("bins = 5", "bins = 0", r"measures\[0\].bins"),
        ('name = "lean"', 'name = "spread"', "the name 'spread' stands twice"),
        ("rng = true", "rng = true\ncolour = 3", "colour: Extra inputs"),
        ('canonical = "float:40"', 'canonical = "fuzzy"', "canonical"),
        ("rng = true", "rng = ", "not TOML"),
    ],
)
def test_a_wrong_task_toml_names_the_key(toy, old, new, message):
    path = toy / "task.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(TaskError, match=message):
        load_task(toy)


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
