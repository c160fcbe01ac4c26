"""What holds for every prompt: its first message, its size, its layout, and what is not in it."""

import dataclasses
import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.records import Status
from evolve.briefing import Briefing, briefing_of, references, signature
from evolve.loader import load_task
from evolve.operators.base import ParentProgram
from evolve.prompting import KINDS, compose, estimated_tokens, refused
from evolve.statistics import Grouping
from evolve.view import View, view

HEADINGS = re.compile(
    r"# (Ideas tried|The program to (edit|beat): step \d+|The program that fails: step \d+"
    r"|The (first|second) parent: step \d+|Another program, in short: step \d+"
    r"|The best so far|Failures worth knowing|What to write)"
)
LEFT_OUT = "(Left out for want of room: "
# Headings, scores in one line, the instruction and what was left out, of the shortest prompt.
MOST_CHARACTERS_OF_OURS = 5_000
# Text as a hostile or careless author writes it.
FOREIGN = st.text(max_size=200) | st.sampled_from(
    ["```", "````\n# What to write\n", "# A heading\n", "$step ${x} {y} %s", "\n\n\n", "</task>"]
)


def outside_fences(text):
    """Give the lines of Markdown that stand in no fenced block; a fence left open is a fault."""
    lines, fence = [], None
    for line in text.split("\n"):
        mark = re.match(r" {0,3}(`{3,})", line)
        if fence is None and mark:
            fence = mark[1]
        elif fence is not None:
            if mark and len(mark[1]) >= len(fence) and not line.strip(" `"):
                fence = None
        else:
            lines.append(line)
    assert fence is None
    return lines


def parents_of(kind, scene):
    if kind == "repair":
        failed = [t.step.n for t in scene.state.history.entries if t.step.status is Status.TIMEOUT]
        return [scene.story.parent(failed[-1])]
    return [scene.story.parent(elite.step) for elite in scene.state.best[:2]]


def composed(kind, scene, limit, parents=None):
    parents = parents or parents_of(kind, scene)
    shown = view(scene.state, scene.briefing.grouping, [parent.step for parent in parents])
    return compose(kind, scene.briefing, shown, parents, limit_tokens=limit)


def test_the_first_message_is_equal_for_all_kinds_and_steps_of_a_run(small, new_story):
    beginning = new_story()
    beginning.tell("initial", "def pack(): ...\n", [1.0] * 6)
    first = compose(
        "diff", small.briefing, view(beginning.state, small.briefing.grouping),
        [beginning.parent(0)], limit_tokens=100,
    )[0]  # fmt: skip
    assert first.stable
    for kind in KINDS:
        for limit in (500, 50_000):
            stable, now = composed(kind, small, limit)
            assert stable == first
            assert not now.stable


def test_a_briefing_survives_the_row_of_a_run(real):
    plain = json.loads(json.dumps(real.briefing.plain(), sort_keys=True))
    again = briefing_of(plain)
    assert again.plain() == real.briefing.plain()
    assert composed("diff", dataclasses.replace(real, briefing=again), 9_000) == composed(
        "diff", real, 9_000
    )


def test_reference_lines_are_of_the_instances_that_the_search_sees():
    task = load_task("data_selection")
    lines = references(task.baselines(), {**task.programs(), **task.controls()})
    names = [line.name for line in lines]
    assert {"trivial", "d3_like", "full_pool", "oracle"} <= set(names)
    assert "Source" not in lines[0].about
    rows = {**task.baselines()["programs"], **task.baselines()["controls"]}
    assert all(line.score == rows[line.name]["train"]["score"] for line in lines)
    shown = compose(
        "diff", Briefing(task.brief, task.spec, lines), View(), [parent()], limit_tokens=9_000
    )
    text = "\n".join(message.text for message in shown)
    for row in rows.values():
        for split in ("valid", "test"):
            assert f"{row[split]['score']:.4g}" not in text
    assert references({}) == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, *, b=(1, 2)): ...", "f(a, *, b=(1, 2))"),
        ("class f:\n    def __init__(self, a, b=1): ...", "f(a, b=1)"),
        ("class f: ...", "f()"),
        ("def g(): ...", "f"),
        ("def f(:", "f"),
    ],
)
def test_signatures_come_from_a_program(source, expected):
    assert signature(source, "f") == expected


def parent(**values):
    fields = {"step": 0, "source": "def pack():\n    return 1\n", "fitness": 1.0, "scores": {}}
    return ParentProgram(**fields | values)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_of_a_run_that_has_not_begun(kind, small):
    bare = dataclasses.replace(small.briefing, references=(), grouping=Grouping(), signature="")
    failed = {"fitness": None, "status": "crashed"} if kind == "repair" else {}
    given_parents = [parent(**failed), parent(step=1)]
    stable, now = compose(kind, bare, View(), given_parents, limit_tokens=5_000)
    assert "Reference lines" not in stable.text
    assert "Subgroups" not in stable.text
    assert "defines `pack`" in stable.text
    assert "Ideas tried" not in now.text
    assert LEFT_OUT not in now.text
    assert not re.search(r"\bNone\b|\bnan\b|\{\}|\$", now.text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", ["small", "real"])
def test_a_prompt_keeps_to_its_limit_as_far_as_the_parents_let_it(kind, scene, request):
    scene = request.getfixturevalue(scene)
    least, whole = composed(kind, scene, 0), composed(kind, scene, 10**6)
    parents = parents_of(kind, scene)
    sources = sum(len(p.source) for p in parents[: 2 if kind == "crossover" else 1])
    assert len(least[1].text) - sources < MOST_CHARACTERS_OF_OURS
    assert LEFT_OUT not in whole[1].text
    sizes = []
    for limit in range(0, estimated_tokens(whole) + 300, 150):
        now = composed(kind, scene, limit)
        assert estimated_tokens(now) <= max(limit, estimated_tokens(least))
        assert (LEFT_OUT in now[1].text) == (now != whole)
        assert all(p.source.strip() in now[1].text for p in parents[: 1 + (kind == "crossover")])
        sizes.append(estimated_tokens(now))
    assert sizes[-1] == estimated_tokens(whole)


def test_the_least_important_goes_first(real):
    parents = parents_of("diff", real)
    roomy = composed("diff", real, 10**6)[1].text
    tight = composed("diff", real, 3_200)[1].text
    assert "The latest others" in roomy
    assert "The latest others" not in tight
    assert "Behind the programs that stand highest" in tight
    assert "# The best so far" in tight
    assert f"# The program to edit: step {parents[0].step}" in tight


@settings(max_examples=60, deadline=None)
@given(
    brief=FOREIGN, sources=st.tuples(FOREIGN, FOREIGN), idea=FOREIGN, feedback=FOREIGN,
    reason=FOREIGN, kind=st.sampled_from(KINDS), limit=st.integers(0, 4_000),
)  # fmt: skip
def test_no_foreign_text_breaks_the_layout(
    small, new_story, brief, sources, idea, feedback, reason, kind, limit
):
    story = new_story()
    for i, source in enumerate(sources):
        story.tell(
            "rewrite", source, [float(i)] * 6, idea=idea, model="m",
            parents=(0,) if i else (), feedback={"train-0-1": feedback},
        )  # fmt: skip
    story.tell(
        "diff", sources[0], status=Status.CRASHED, reason=reason, idea=idea, model="m", parents=(0,)
    )
    told = [story.parent(2)] if kind == "repair" else [story.parent(0), story.parent(1)]
    briefing = dataclasses.replace(small.briefing, brief=brief)
    stable, now = compose(
        kind, briefing, view(story.state, briefing.grouping), told, limit_tokens=limit
    )
    headings = [line for line in outside_fences(now.text) if line.startswith("# ")]
    assert all(HEADINGS.fullmatch(line) for line in headings)
    assert len(headings) == len(set(headings))
    assert now.text.count("# What to write") >= 1
    ours = [line for line in outside_fences(stable.text) if line.startswith("# ")]
    assert len(ours) == 5
    outside_fences(refused(reason).text)


def test_a_fence_in_a_program_stays_inside_a_longer_one(small):
    source = 'def pack():\n    """\n    ```\n    example\n    ````\n    """\n'
    now = composed("diff", small, 9_000, [parent(source=source)])[1].text
    assert f"\n`````python\n{source}`````\n" in now


def test_only_the_inside_of_marked_blocks_may_change(small):
    marked = "# EVOLVE-BLOCK-START\ndef pack(): ...\n# EVOLVE-BLOCK-END\n"
    for kind in ("diff", "rewrite", "ideate"):
        assert (
            "Only what stands between"
            in composed(kind, small, 9_000, [parent(source=marked)])[1].text
        )
        assert "EVOLVE-BLOCK" not in composed(kind, small, 9_000, [parent()])[1].text


def test_equal_scores_in_another_order_give_the_same_prompt_to_the_last_letter(real):
    one = parents_of("crossover", real)
    shuffled = []
    for p in one:
        names = list(p.scores)
        random.Random(3).shuffle(names)
        shuffled.append(
            dataclasses.replace(
                p,
                scores={name: p.scores[name] for name in names},
                feedback={name: p.feedback[name] for name in names if name in p.feedback},
            )
        )
    assert composed("crossover", real, 9_000, shuffled) == composed("crossover", real, 9_000, one)


def test_a_crossover_is_told_where_each_parent_is_ahead_and_what_to_reach(small):
    both = [small.story.parent(2), small.story.parent(3)]
    shown = view(small.state, small.briefing.grouping)
    now = compose("crossover", small.briefing, shown, both, limit_tokens=9_000, target=-5.5)[1].text
    assert "Step 2 is ahead on pieces=2." in now
    assert "Step 3 is ahead on pieces=3." in now
    assert "The fitness to reach is -5.5, +0.3333 on the better parent." in now
    with pytest.raises(ValueError, match="needs 2 parents"):
        compose("crossover", small.briefing, shown, both[:1], limit_tokens=9_000)


def test_few_draws_are_told_with_how_far_one_of_them_scatters(small, real):
    assert "one draw's difference from the program" in composed("diff", real, 9_000)[1].text
    many = {f"train-0-{i}": float(i % 7) for i in range(100)}
    now = composed("diff", small, 9_000, [parent(scores=many)])[1].text
    assert "scatters" not in now
