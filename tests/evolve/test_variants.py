"""A task that extends another: its keys over the other's keys, its files over the other's files."""

import re
import shutil
from pathlib import Path

import pytest

from evolve.check import check
from evolve.errors import TaskError, UsageError
from evolve.folder import split_path
from evolve.grading import namespace
from evolve.loader import load_task

TASKS = Path(__file__).resolve().parent.parent / "tasks"
TRIVIAL = "def weigh(features, k, rng):\n    return features[:, 0] * 0\n"


@pytest.fixture
def base(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(TASKS / "toy", tmp_path / "toy", ignore=ignored))


def variant(base, text, **files):
    folder = base.parent / "short"
    folder.mkdir()
    (folder / "task.toml").write_text(f'name = "short"\nextends = "toy"\nabout = "a"\n{text}')
    for name, source in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".py").write_text(source)
    return folder


def test_a_variant_is_its_base_with_other_values(base):
    task = load_task(variant(base, "[settings]\nitems = 24\n[limits]\ncpu_s = 1.0\n"))
    toy = load_task(base)
    assert (task.name, task.spec.entry) == ("short", "weigh")
    assert task.settings == {**toy.settings, "items": 24}
    assert (task.spec.limits.cpu_s, task.spec.limits.memory_mb) == (1.0, 512)
    assert task.spec.block == toy.spec.block
    assert task.programs() == toy.programs()
    assert task.digest != toy.digest


def test_a_variant_runs_and_may_lack_everything_but_a_task_toml(base):
    report = check(variant(base, "[settings]\ngrade_ms = 0.0\n"), workers=2)
    assert [finding for finding in report.findings if finding.severity == "error"] == []
    assert {row.status for row in report.rows} == {"ok"}


def test_own_code_builds_on_that_of_the_base(base):
    code = (
        "from .base.task import grade, instances as all_of_them\n\n\n"
        "def instances(split, settings, block=0):\n"
        "    yield next(iter(all_of_them(split, settings, block)))\n"
    )
    report = check(variant(base, "", task=code), workers=2)
    assert [finding.message for finding in report.findings if finding.severity == "error"] == []


def test_own_programs_hide_those_of_the_same_name_and_another_entry_hides_all(base):
    folder = variant(base, "", programs__trivial=TRIVIAL)
    programs, inherited = load_task(folder).programs(), load_task(base).programs()
    assert programs == {**inherited, "trivial": TRIVIAL}
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(text + 'entry = "other"\n')
    assert load_task(folder).programs() == {"trivial": TRIVIAL}


def test_a_change_of_the_base_is_a_change_of_the_variant(base):
    folder = variant(base, "")
    before = load_task(folder).digest
    (base / "helper.py").write_text("x = 1")
    assert load_task(folder).digest != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toyy", "extends = 'toyy': no such task, neither in"),
        ("data_selektion", "did you mean data_selection?"),
        ("short", "a task cannot extend itself"),
    ],
)
def test_a_wrong_base_is_named(base, name, message):
    folder = variant(base, "")
    path = folder / "task.toml"
    path.write_text(path.read_text().replace('"toy"', f'"{name}"'))
    with pytest.raises(TaskError) as raised:
        load_task(folder)
    assert message in str(raised.value)


def test_a_variant_of_a_variant_is_refused(base):
    variant(base, "")
    other = base.parent / "other"
    other.mkdir()
    (other / "task.toml").write_text('name = "other"\nextends = "short"\nabout = "a"\n')
    with pytest.raises(TaskError, match="is a variant itself"):
        load_task(other)


def test_a_dot_in_a_setting_is_a_place(base):
    assert namespace({"data.path": "a", "data.size": 3, "k": 1}).data.size == 3


def test_what_a_path_names_counts_by_its_content(base, tmp_path):
    text = (base / "task.toml").read_text()
    (base / "task.toml").write_text(text.replace("[settings]", '[settings]\n"data.path" = ""'))
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    one.write_text("x")
    same.write_text("x")
    other.write_text("y")
    digests = [load_task(base, [f"data.path={path}"]).digest for path in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert load_task(base).digest not in digests
    assert load_task(base, [f"data.path={one}"]).settings["data.path"] == str(one)
    with pytest.raises(UsageError, match="there is no file"):
        load_task(base, [f"data.path={tmp_path}/none.npz"])


def test_a_path_may_name_something_in_its_file():
    assert split_path("nets.py:build") == ("nets.py", "build")
    assert split_path("C:/a/nets.py") == ("C:/a/nets.py", "")


PUBLISHED = """

def published(instances, grades):
    return 100 * len(grades)
"""


@pytest.mark.parametrize(
    ("printed", "errors"),
    [
        ("400.0", []),
        ("400.1", ["trivial all: 400.1 is printed, this gives 400"]),
    ],
)
def test_check_recomputes_what_papers_print(base, printed, errors):
    code = (
        "import dataclasses\n"
        "from .base.task import grade, instances as others\n\n\n"
        "def instances(split, settings, block=0):\n"
        "    for each in others('train' if split == 'published' else split, settings, block):\n"
        "        yield dataclasses.replace(\n"
        "            each, name=f'{split}-{each.name}', groups={'protocol': 'all'})\n" + PUBLISHED
    )
    text = f'[published_protocol]\n"trivial all" = "{printed}"\n[settings]\ngrade_ms = 0.0\n'
    report = check(variant(base, text, task=code), workers=2)
    told = [finding.message for finding in report.findings if finding.severity == "error"]
    assert told == errors


def test_what_instances_refuse_of_a_users_file_is_told_without_lines_of_code(base):
    for kind in ("Invalid", "Unusable"):
        (base / "task.py").write_text(
            f"from evolve.task import {kind}\n\n\n"
            "def instances(split, settings, block=0):\n"
            f"    raise {kind}('own.npz: holds no X')\n\n\n"
            "def grade(instance, output):\n    return None\n"
        )
        report = check(base, workers=2)
        errors = [each.message for each in report.findings if each.severity == "error"]
        assert "toy: own.npz: holds no X" in errors


READER = """
import importlib.util
import zipfile

from .base.task import grade
from .base.task import instances as others


def instances(split, settings, block=0):
    if settings.data.path.endswith(".npz"):
        zipfile.ZipFile(settings.data.path)
    else:
        file = settings.data.path.rpartition(":")[0]
        spec = importlib.util.spec_from_file_location("own", file)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield from others(split, settings, block)
"""


def told_of(folder):
    report = check(folder, workers=1)
    return [each.message for each in report.findings if each.severity == "error"]


def test_a_users_file_that_a_task_stumbles_over_is_told_in_one_line(base, tmp_path):
    file = tmp_path / "own.npz"
    file.write_text("no archive")
    folder = variant(base, f'[settings]\n"data.path" = "{file}"\n', task=READER)
    line = "the task could not read it: BadZipFile: File is not a zip file"
    told = [each for each in told_of(folder) if each.startswith(f"short: data.path={file}: {line}")]
    assert re.fullmatch(r".* \(line \d+ of task\.py\)", told[0])


def test_a_users_script_that_ends_the_process_is_told_by_its_name(base, tmp_path):
    script, other = tmp_path / "train.py", tmp_path / "other.txt"
    script.write_text("raise SystemExit(2)\n")
    other.write_text("")
    settings = f'[settings]\n"data.path" = "{script}:build"\n"other.path" = "{other}"\n'
    (told,) = told_of(variant(base, settings, task=READER))
    assert told.startswith(f"short: data.path={script}:build: cannot be imported: it ended the")
    assert "(exit code 2)" in told
    assert 'if __name__ == "__main__":' in told


def test_a_task_that_ends_the_process_itself_is_told_so(base):
    (base / "task.py").write_text(
        "def instances(split, settings, block=0):\n    raise SystemExit(3)\n\n\n"
        "def grade(instance, output):\n    return None\n"
    )
    line = "toy/task.py: instances('probe', settings, block=0) ended with SystemExit(3)"
    assert line in told_of(base)
