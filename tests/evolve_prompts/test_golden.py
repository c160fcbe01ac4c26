"""Every prompt word for word, as a model reads it.

After a change of wording, `EVOLVE_GOLDEN=1 pytest tests/evolve_prompts` writes the files anew; read
what `git diff` says of them before they are kept.
"""

import os
from pathlib import Path

import pytest

from evolve.prompting import KINDS, compose, duplicate, judge, refused
from evolve.view import view

GOLDEN = Path(__file__).parent / "golden"
# Enough for all that there is to say, and too little for it.
ROOMY, TIGHT = 20_000, 5_200


def check(name, text):
    path = GOLDEN / f"{name}.md"
    if os.environ.get("EVOLVE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


def prompt(kind, scene, parents, limit=ROOMY, target=None):
    shown = view(scene.state, scene.briefing.grouping, [parent.step for parent in parents])
    return compose(kind, scene.briefing, shown, parents, limit_tokens=limit, target=target)


def small_parents(kind, scene):
    if kind == "repair":
        return [scene.story.parent(6, cpu_s=2.1, limit_share=1.05)]
    if kind == "crossover":
        return [scene.story.parent(2), scene.story.parent(3)]
    return [scene.story.parent(2, tuned=(False, True, False)), scene.story.parent(1)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_on_a_small_run(kind, small):
    target = -5.5 if kind == "crossover" else None
    stable, now = prompt(kind, small, small_parents(kind, small), target=target)
    check("small_first_message", stable.text)
    check(f"small_{kind}", now.text)


@pytest.mark.parametrize(("kind", "limit"), [("rewrite", ROOMY), ("crossover", TIGHT)])
def test_a_run_of_a_real_tasks_size(kind, limit, real):
    best = [real.story.parent(elite.step) for elite in real.state.best]
    stable, now = prompt(kind, real, [best[1], best[3]], limit)
    check("real_first_message", stable.text)
    check(f"real_{kind}", now.text)


def test_what_is_said_when_an_answer_is_of_no_use():
    messages = {
        "refused": refused("line 3: `os` may not be imported; allowed are numpy, math"),
        "duplicate_syntax": duplicate(12, "syntax", -5.8333, "Sort by size."),
        "duplicate_behaviour": duplicate(12, "behaviour", None, None),
    }
    for name, message in messages.items():
        assert message.role == "user"
        assert not message.stable
        check(name, message.text)


def test_what_a_judge_is_asked(small):
    known = small.state.step(2).step
    new = known.source.replace("free[b]", "-free[b]")
    check("judge", judge(new, known.source, 2, 0.98765, known.idea).text)
