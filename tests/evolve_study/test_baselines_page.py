"""The table of baselines in a task's README is written by what measured them."""

from evolve.baselines_page import BEGIN, END, write_page
from evolve.loader import load_task


def row(score, **measures):
    cell = {
        "status": "ok",
        "score": score,
        "standard_error": 0.01,
        "measures": measures,
        "seconds": 1,
    }
    return dict.fromkeys(("train", "valid", "test"), cell)


def test_what_stands_between_the_marks_is_replaced_and_the_best_comes_first(toy):
    page = toy / "README.md"
    page.write_text(f"# toy\n\n{BEGIN}\nan old table\n{END}\n\nWritten by hand.\n")
    failed = {split: {"status": "timeout", "score": None} for split in ("train", "valid", "test")}
    values = {
        "programs": {"worse": row(0.25, spread=1.0, lean=0.5), "fails": failed},
        "controls": {"oracle": row(0.75, spread=0.5, lean=-0.5)},
        "published": {"name": "worse"},
        "machine": {"cores": 2, "arch": "x86_64"},
        "date": "2026-11-21",
    }
    assert write_page(load_task(toy), values)
    text = page.read_text()
    assert "an old table" not in text
    assert text.endswith("Written by hand.\n")
    first, second, third = (
        line for line in text.splitlines() if line.startswith(("| o", "| w", "| f"))
    )
    assert first.startswith(
        "| oracle (control) | 0.7500 | 0.7500 | 0.0100 | 0.7500 | 0.50 | -0.50 |"
    )
    assert second.startswith("| worse |")
    assert third.startswith("| fails | - |")


def test_a_page_without_marks_stays_as_it_is(toy):
    (toy / "README.md").write_text("# toy\n")
    assert not write_page(load_task(toy), {})
    assert (toy / "README.md").read_text() == "# toy\n"


def test_a_page_can_ask_for_what_is_logged_besides_the_measures(toy):
    page = toy / "README.md"
    page.write_text(f"{BEGIN.removesuffix(' -->')}, with wrong, strange -->\n{END}\n")
    values = {
        "programs": {"only": row(0.25, spread=1.0, lean=0.5, wrong=0.125, strange=0.75)},
        "controls": {},
        "published": {"name": "only"},
        "machine": {"cores": 2, "arch": "x86_64"},
        "date": "2026-11-21",
    }
    assert write_page(load_task(toy), values)
    assert write_page(load_task(toy), values)
    assert "| only | 0.2500 | 0.2500 | 0.0100 | 0.2500 | 1.00 | 0.50 | 0.12 | 0.75 | 1.00 |" in (
        page.read_text()
    )
