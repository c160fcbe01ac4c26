"""Operators with a model: what is asked, what is read, and the one more chance that an answer gets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from evolve.briefing import Briefing
from evolve.config import ModelSettings
from evolve.errors import Unwritten
from evolve.messages import Reply, Request
from evolve.operators import ASKING
from evolve.operators.base import ParentProgram, Twin
from evolve.spec import Measure, TaskSpec
from evolve.view import View

MEASURES = (Measure(name="a", range=(0, 1), bins=4), Measure(name="b", range=(0, 1), bins=4))
TASK = TaskSpec(name="toy", about="A toy.", entry="f", imports=("math",), measures=MEASURES)
SOURCE = "def f(x):\n    return x + 1\n"
OTHER = "def f(x):\n    return x * x\n"
THIRD = "def f(x):\n    return -x\n"
FORBIDDEN = "import os\n\n\ndef f(x):\n    return os.getpid()\n"
PARENTS = (
    ParentProgram(1, SOURCE, 0.5, {"i": 0.4, "j": 0.6}, se=0.1),
    ParentProgram(2, OTHER, 0.4, {"i": 0.7, "j": 0.1}, se=0.3),
)


def answer(source, idea="Try this."):
    return f"Well.\nIDEA: {idea}\n```python\n{source}```"


def edit(before, after):
    return f"IDEA: One line.\n<<<<<<< SEARCH\n{before}\n=======\n{after}\n>>>>>>> REPLACE\n"


@dataclass
class Desk:
    """A desk with a model that answers by a list, and programs that are known."""

    said: list[str]
    known: dict[str, Twin] = field(default_factory=dict)
    parents: tuple[ParentProgram, ...] = PARENTS
    requests: list[Request] = field(default_factory=list)
    task = TASK
    settings = ModelSettings(max_tokens=99, temperature=0.7)
    briefing = Briefing("Make it better.", TASK)
    view = View()

    async def ask(self, request):
        self.requests.append(request)
        if not self.said:
            raise Unwritten("scripted: no answer")
        return Reply(self.said.pop(0))

    async def twin(self, source):
        return self.known.get(source)


def write(name, *said, **desk):
    at = Desk(list(said), **desk)
    return asyncio.run(ASKING[name].write(at)), at


@pytest.mark.parametrize("name", ["rewrite", "ideate", "crossover", "repair"])
def test_an_answer_with_a_program_gives_it_with_its_idea(name):
    (source, idea), desk = write(name, answer(THIRD))
    assert (source.strip(), idea) == (THIRD.strip(), "Try this.")
    (request,) = desk.requests
    assert (request.max_tokens, request.temperature) == (99, 0.7)
    assert [message.stable for message in request.messages] == [True, False]
    assert SOURCE.strip() in request.messages[1].text


def test_a_diff_changes_the_parent_where_it_says():
    (source, idea), _ = write("diff", edit("    return x + 1", "    return x + 2"))
    assert (source, idea) == (SOURCE.replace("1", "2"), "One line.")


def test_an_answer_that_cannot_be_read_goes_back_once_with_its_reason():
    (source, _), desk = write("diff", edit("    return y", "    return 7"), answer(THIRD))
    assert source.strip() == THIRD.strip()
    said = desk.requests[1].messages
    assert [message.role for message in said] == ["user", "user", "assistant", "user"]
    assert "return x + 1" in said[-1].text  # the nearest line of the parent


def test_what_the_screen_refuses_goes_back_once_and_is_kept_when_it_is_refused_again():
    (source, _), desk = write("rewrite", answer(FORBIDDEN), answer(THIRD))
    assert source.strip() == THIRD.strip()
    assert "os" in desk.requests[1].messages[-1].text
    (source, _), desk = write("rewrite", answer(FORBIDDEN), answer(FORBIDDEN))
    assert source.strip() == FORBIDDEN.strip()
    assert len(desk.requests) == 2


def test_no_program_twice_is_no_program():
    with pytest.raises(Unwritten, match="could not be read, twice"):
        write("rewrite", "I would rather not.", "No.")


def test_a_duplicate_is_told_what_it_equals_and_asked_for_something_else_once():
    twin = Twin(7, "behaviour", 0.25, "Add one.")
    known = {THIRD.strip(): twin, THIRD: twin}
    (source, _), desk = write("rewrite", answer(THIRD), answer(OTHER, "Square."), known=known)
    assert source.strip() == OTHER.strip()
    assert "step 7" in desk.requests[1].messages[-1].text
    # Seeming a duplicate is a prediction: where nothing else comes, the program is tried.
    for second in ([answer(THIRD)], ["No."], []):
        (source, _), desk = write("rewrite", answer(THIRD), *second, known=known)
        assert source.strip() == THIRD.strip()
        assert len(desk.requests) == 2


def test_a_refusal_and_a_duplicate_may_both_be_told_and_then_no_more():
    twin = Twin(7, "syntax", None, None)
    known = {THIRD.strip(): twin, THIRD: twin}
    (source, _), desk = write("rewrite", "No.", answer(THIRD), answer(FORBIDDEN), known=known)
    assert source.strip() == THIRD.strip()
    assert len(desk.requests) == 3


def test_a_crossover_is_told_the_fitness_that_it_should_reach():
    _, desk = write("crossover", answer(THIRD))
    text = desk.requests[0].messages[1].text
    assert OTHER.strip() in text
    assert "0.51" in text


def test_outside_the_markers_nothing_may_change():
    marked = "import math\n# EVOLVE-BLOCK-START\n" + SOURCE + "# EVOLVE-BLOCK-END\nLIMIT = 1\n"
    parents = (ParentProgram(1, marked, 0.5, {}),)
    wrong = answer(marked.replace("LIMIT = 1", "LIMIT = 2"))
    right = answer(marked.replace("x + 1", "x + 3"))
    (source, _), desk = write("rewrite", wrong, right, parents=parents)
    assert "x + 3" in source
    assert "EVOLVE-BLOCK" in desk.requests[1].messages[-1].text
