"""What `export` writes works without evolve, and proves itself."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from archive import queries
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search
from evolve.errors import UsageError
from evolve.export import export
from evolve.exported.trees import read_tree, write_tree


def exported(place, to, what=None, **options):
    with Archive.open(place) as archive:
        return export(archive, what, to, workers=2, **options)


def isolated(code, home):
    """Run Python with the standard library, numpy and one folder; give what it printed."""
    hidden = "import sys; sys.modules['evolve'] = sys.modules['torch'] = None; "
    path = f"sys.path.insert(0, {str(home)!r}); "
    command = [sys.executable, "-I", "-B", "-c", hidden + path + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_runs_elites_become_a_package_that_needs_no_evolve(searched, tmp_path):
    modules = exported(searched.place, tmp_path / "found", top=2)
    told = isolated(
        "import found, numpy; c = found.catalogue(); "
        "print(list(c)); f = next(iter(c.values())); "
        "print(f.function(numpy.ones((6, 5)), 2, numpy.random.default_rng(0)).shape, f.fitness)",
        tmp_path,
    ).splitlines()
    assert told[0] == str(modules)
    assert told[1].startswith("(6,) -0.")


def test_its_test_passes_and_catches_a_changed_program(searched, tmp_path):
    folder = tmp_path / "found"
    (module,) = exported(searched.place, folder, top=1)
    script = (
        f"import runpy; runpy.run_path({str(folder / 'test_exported.py')!r}, run_name='__main__')"
    )
    assert "decides as it did" in isolated(script, tmp_path)
    path = folder / f"{module}.py"
    path.write_text(path.read_text() + "\n\n_weigh = weigh\n\n\ndef weigh(*a, **k):\n"
                    "    return -_weigh(*a, **k)\n")  # fmt: skip
    with pytest.raises(AssertionError, match="decides otherwise"):
        isolated(script, tmp_path)


def test_provenance_says_where_a_program_came_from(searched, tmp_path):
    with Archive.open(searched.place) as archive:
        best = queries.elites(archive, archive.run().id)[0]
    (module,) = exported(searched.place, tmp_path / "found", what=best.program[:10])
    provenance = json.loads((tmp_path / "found" / "provenance.json").read_text())
    (program,) = provenance["programs"]
    assert program["module"] == module
    assert (program["run"], program["step"]) == ("first", best.step)
    assert program["fitness"] == best.fitness
    assert program["verify"] is None
    steps = {ancestor["step"] for ancestor in program["ancestry"]}
    assert set(program["parents"]) <= steps
    source = (tmp_path / "found" / f"{module}.py").read_text()
    assert source.startswith("# Discovered by evolve")


def test_only_such_a_package_is_written_over(searched, tmp_path):
    folder = tmp_path / "found"
    exported(searched.place, folder, top=2)
    (folder / "mine.txt").write_text("kept")
    assert len(exported(searched.place, folder, top=1)) == 1
    assert len(list(folder.glob("program_*.py"))) == 1
    assert (folder / "mine.txt").read_text() == "kept"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="is not empty"):
        exported(searched.place, other)
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["not-a-name", "1st"])
def test_a_folder_that_cannot_be_imported_is_refused(searched, tmp_path, name):
    with pytest.raises(UsageError, match="cannot be imported"):
        exported(searched.place, tmp_path / name)


def test_what_is_neither_run_nor_program_is_named(searched, tmp_path):
    with pytest.raises(UsageError, match="no such run"):
        exported(searched.place, tmp_path / "found", what="abcdef01")


def test_trees_come_back_as_they_were_written(tmp_path):
    shared = np.arange(6, dtype=np.float32).reshape(2, 3)
    tree = {
        "pool": {"a": shared, "again": shared.copy()},
        "plain": [None, True, 3, 1.5, "text", float("inf")],
        "odd": {1: b"\x00\xff", "$array": 2 + 3j},
    }
    write_tree(tmp_path / "tree.json", tree)
    back = read_tree(tmp_path / "tree.json")
    assert back["plain"] == tree["plain"]
    assert back["odd"] == tree["odd"]
    assert back["pool"]["a"] is back["pool"]["again"], "equal arrays are stored once"
    assert back["pool"]["a"].dtype == np.float32
    assert not back["pool"]["a"].flags.writeable


def test_a_tasks_adapters_are_exported_beside_the_programs(searched, tmp_path):
    folder = tmp_path / "toy"
    shutil.copytree(searched.folder, folder)
    (folder / "exported").mkdir()
    (folder / "exported" / "doubled.py").write_text(
        '"""Makes a function give twice as much."""\n\n\n'
        "def doubled(function):\n    return lambda *given: 2 * function(*given)\n"
    )
    with Archive.open(tmp_path / "own.db") as archive:
        run = open_run(load_task(folder), archive=archive, limits=RunLimits(steps=3))
        assert search(run, workers=1) == "steps"
    (module,) = exported(tmp_path / "own.db", tmp_path / "found", top=1)
    told = isolated(
        "from found.doubled import doubled; import found; "
        f"function = found.catalogue()[{module!r}].function; "
        "import numpy as np; given = np.ones((6, 5)), 2; seeded = np.random.default_rng; "
        "print((doubled(function)(*given, seeded(0)) == 2 * function(*given, seeded(0))).all())",
        tmp_path,
    )
    assert told == "True\n"
    assert "`doubled.py`" in (tmp_path / "found" / "README.md").read_text()
