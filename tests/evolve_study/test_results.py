"""The script behind docs/results.md, on the toy task: resumable, and honest about what is missing."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from archive.store import Archive
from evolve import load_task

SCRIPT = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "results.py"


@pytest.fixture(scope="module")
def results():
    spec = importlib.util.spec_from_file_location("results_script", SCRIPT)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_arms_end_at_equal_evaluations_and_missing_ones_are_named(results, toy, tmp_path, capsys):
    page = tmp_path / "results.md"
    page.write_text(
        f"# Results\n\nWritten by hand.\n\n{results.BEGIN.format('toy')}\nformer table\n"
        f"{results.END.format('toy')}\n\nAfter.\n"
    )
    arguments = [str(toy), "--archive", str(tmp_path / "r.db"), "--seeds", "1", "--steps", "10"]
    arguments += ["--to", str(page), "--workers", "2"]
    assert results.main([*arguments, "--arms", "published"]) == 0
    text = page.read_text()
    assert "Not finished" not in text, "nobody asked for the other arms"
    assert "| search from random choice alone | 0 | not run |" in text
    assert "--seeds 1 --arms published`" in text
    assert "former table" not in text
    assert "Written by hand." in text
    assert text.rstrip().endswith("After.")
    assert results.main([*arguments, "--arms", "published,tuned"]) == 0
    with Archive.open(tmp_path / "r.db") as archive:
        task = load_task(toy)
        published, tuned = (
            results.read_result(archive, task, arm, 1) for arm in ("published", "tuned")
        )
    assert published.steps == 10
    assert tuned.evaluations == published.evaluations
    baselines = json.loads((toy / "baselines.json").read_text())
    assert baselines["tuned"]["score"] == tuned.score
    assert (toy / baselines["tuned"]["file"]).is_file()
    capsys.readouterr()
    assert results.main([*arguments, "--only-report"]) == 0
    assert "begins" not in capsys.readouterr().out, "a report runs nothing"
    assert "Not finished: random 1, trivial 1." in page.read_text()
