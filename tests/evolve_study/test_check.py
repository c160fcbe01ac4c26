"""`check` names what is wrong with a task; what `new` makes passes it and runs."""

import shutil
from pathlib import Path

import pytest

from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search
from evolve.check import check
from evolve.errors import UsageError
from evolve.scaffold import scaffold

TASKS = Path(__file__).resolve().parent.parent / "tasks"


def findings(folder, severity="error"):
    report = check(folder, workers=2)
    assert report.ok == all(f.severity != "error" for f in report.findings)
    return [f"{f.about}: {f.message}" for f in report.findings if f.severity == severity]


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_the_smallest_task_there_can_be_is_one():
    report = check(TASKS / "smallest", workers=2)
    assert report.ok, report.findings
    assert {row.program for row in report.rows} == {"trivial", "next_fit"}


def test_a_device_that_cannot_be_had_is_a_finding(toy):
    text = (toy / "task.toml").read_text()
    (toy / "task.toml").write_text(f'device = "cuda:99"\n{text}')
    report = check(toy, workers=2, min_level="weak")
    [finding] = [each for each in report.findings if each.severity == "error"]
    assert finding.about == "task.toml: device"
    assert "cuda:99" in finding.message


def test_a_new_task_passes_and_runs(tmp_path):
    folder = scaffold("mine", tmp_path)
    report = check(folder, workers=2)
    assert report.ok, report.findings
    assert report.cells_used == 3
    assert [f.about for f in report.findings] == ["baselines.json"]
    with Archive.open(tmp_path / "evolve.db") as archive:
        run = open_run(load_task(folder), archive=archive, limits=RunLimits(steps=8))
        assert search(run, workers=2) == "steps"


@pytest.mark.parametrize("name", ["Mine", "my-task", "1st", "_x", "ünder"])
def test_a_name_that_no_task_can_have_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be a task's name"):
        scaffold(name, tmp_path)


def test_a_folder_that_exists_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        scaffold("mine", tmp_path)


def test_every_fault_of_task_toml_is_a_finding_of_its_own(toy):
    edit(toy / "task.toml", "range = [0.0, 2.0]", "range = [2.0, 0.0]")
    edit(toy / "task.toml", "cpu_s = 2.0", "cpu_s = -2.0")
    errors = findings(toy)
    assert any("measures[0].range" in error for error in errors)
    assert any("limits.cpu_s" in error for error in errors)


def test_code_that_fails_is_shown_with_its_line(toy):
    edit(toy / "task.py", "half = len(weights) // 2", "half = len(weights) // 0")
    (error,) = findings(toy)
    assert "ZeroDivisionError" in error
    assert "grade() of train-0-0" in error


def test_a_program_that_cannot_be_and_one_that_fails_are_named(toy):
    (toy / "programs" / "loads.py").write_text('"""Loads."""\nimport os\n\ndef weigh(): pass\n')
    (toy / "programs" / "broken.py").write_text('"""Breaks."""\n\ndef weigh(features, k, rng):\n'
                                                "    return features[0, 999]\n")  # fmt: skip
    (toy / "programs" / "trivial.py").unlink()
    errors = findings(toy)
    assert any(e.startswith("programs/loads.py: line 2: `os` may not be imported") for e in errors)
    assert any(e.startswith("programs/broken.py: is crashed on `train`") for e in errors)
    assert any(e.startswith("programs/broken.py: is crashed on") and "probe" in e for e in errors)
    assert any(e.startswith("programs/trivial.py: is missing") for e in errors)


def test_a_program_that_is_another_one_each_time_is_found(toy):
    (toy / "programs" / "clock.py").write_text(
        '"""Looks at the address of an object."""\nimport time\n\n\n'
        "def weigh(features, k, rng):\n    return features[:, 0] * time.time()\n"
    )
    edit(toy / "task.toml", "rng = true\n", 'rng = true\nimports = ["numpy", "time"]\n')
    (error,) = [e for e in findings(toy) if "clock" in e]
    assert "two runs gave different outputs" in error


def test_graders_that_disagree_are_found(toy):
    with (toy / "task.py").open("a") as file:
        file.write(
            "\n\ndef grade_many(instances, outputs):\n"
            "    grades = [grade(i, o) for i, o in zip(instances, outputs)]\n"
            "    return [Grade(g.score + 1e-9, g.measures) for g in grades]\n"
        )
    assert any("grade_many and grade disagree on train-0-0" in e for e in findings(toy))


def test_a_grade_that_reads_more_than_the_form_is_found(toy):
    edit(toy / "task.toml", 'canonical = "float:40"', 'canonical = "ranking"')
    assert any("depends on more than the canonical form" in e for e in findings(toy))


def test_a_secret_in_the_public_inputs_is_pointed_at(toy):
    edit(
        toy / "task.py",
        'public={"features": features,',
        'public={"features": features, "t": target,',
    )
    for path in (toy / "programs").glob("*.py"):
        edit(path, "features, k, rng", "features, t, k, rng")
    assert any("private target equals public t" in w for w in findings(toy, "warning"))


def test_dimensions_that_cannot_be_told_apart_are_named(toy):
    edit(toy / "task.toml", 'D = "features[1]"', 'D = "features[1]"\nM = "features[0]"')
    assert any("N and M are both" in e for e in findings(toy))


def test_probes_that_tell_nothing_apart_are_named(toy):
    shutil.copy(toy / "programs" / "first.py", toy / "programs" / "twin.py")
    # Probes have up to 50 items, the last train instance has 51.
    edit(toy / "programs" / "twin.py", "1.0 *", "(1.0 if len(features) < 51 else -1.0) *")
    (told,) = [w for w in findings(toy, "warning") if w.startswith("probes")]
    assert "twin" in told
    assert "first" in told
