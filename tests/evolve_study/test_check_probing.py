"""`check` tells an author whose program no probe can recognise, and whose instances share a name."""

from evolve.check import check

WORDS = '{"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}'
BY_ORDER = f'''"""Leans on whichever word comes first out of a set."""


def weigh(features, k, rng):
    return features[:, 0] * [word < "s" for word in {WORDS}].index(True)
'''


def test_a_program_that_follows_from_the_order_of_a_set_is_pointed_at(toy):
    (toy / "programs" / "by_order.py").write_text(BY_ORDER)
    report = check(toy, workers=2)
    assert report.ok, report.findings  # a run keeps one order: its results repeat
    (found,) = [f for f in report.findings if f.about == "programs/by_order.py"]
    assert found.severity == "warning"
    assert found.message.startswith("gives other outputs with another hash seed")
    rows = {row.program: row for row in report.rows}
    assert (rows["by_order"].behaviour, rows["by_order"].determinism) == (None, "none")
    assert rows["trivial"].determinism == "injected"
    assert rows["contrast"].determinism == "deterministic"


def test_instances_of_two_blocks_that_share_a_name_are_named(toy):
    text = (toy / "task.py").read_text()
    assert 'f"{split}-{block}-{i}"' in text
    (toy / "task.py").write_text(text.replace('f"{split}-{block}-{i}"', 'f"instance-{i}"'))
    (found,) = [f for f in check(toy, workers=2).findings if f.severity == "error"]
    assert found.about == "task.py"
    assert "'instance-0' is in block 0 of 'probe' and in block 0 of 'train'" in found.message
