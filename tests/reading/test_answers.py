"""The corpus: what each answer of a model must come to."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evolve.reading import Unreadable, changed_program, idea_of, whole_program, without_thinking

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "answers"
ANSWERS = sorted(CORPUS.glob("*.md"))
RECORDED = [path for path in ANSWERS if path.name.startswith("recorded_")]


@dataclass
class Case:
    """A file of the corpus: `key: value` lines, then the answer, then perhaps the program.

    name: what is odd about it. kind: what was asked for, `whole` or `diff`. parent: a file beside.
    outcome: `program` (as it stands at the end), `sha256` of the program, or `unreadable`.
    words: each must be in the reason. idea: what its `IDEA:` line says, `none` without one.
    """

    answer: str
    program: str
    kind: str = ""
    entry: str = ""
    source: str = ""
    outcome: str = ""
    idea: str | None = None
    words: list[str] = field(default_factory=list)

    def read(self):
        if self.kind == "diff":
            return changed_program(self.answer, self.source, self.entry)
        return whole_program(self.answer, self.entry)


def load(path):
    head, _, body = path.read_bytes().decode().partition("\n%%% answer\n")
    answer, _, program = body.partition("\n%%% program\n")
    case = Case(answer, program)
    for line in head.split("\n"):
        key, _, value = line.partition(": ")
        match key:
            case "words":
                case.words.append(value)
            case "parent":
                case.source = (CORPUS / "parents" / f"{value}.txt").read_bytes().decode()
            case "kind" | "entry" | "outcome" | "idea":
                setattr(case, key, value)
            case _:
                assert key == "name", f"{path.name}: unknown key {key!r}"
    return case


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_an_answer_comes_to_what_it_must(path):
    case = load(path)
    if case.idea is not None:
        assert (idea_of(case.answer) or "none") == case.idea
    if case.outcome == "unreadable":
        with pytest.raises(Unreadable) as caught:
            case.read()
        assert case.words
        assert [words for words in case.words if words not in str(caught.value)] == []
    elif case.outcome == "program":
        assert case.read() == case.program
    else:
        digest = hashlib.sha256(case.read().encode()).hexdigest()
        assert case.outcome == f"sha256 {digest}"


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_thinking_is_taken_out_once(path):
    once = without_thinking(load(path).answer)
    assert without_thinking(once) == once


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_real_answer_reads_the_same_with_carriage_returns_and_thoughts_before_it(path):
    case = load(path)
    program = case.read()
    case.answer = f"<think>\nHm.\n```python\nx = 1\n</think>\n{case.answer}".replace("\n", "\r\n")
    assert case.read() == program


def test_the_corpus_is_large_and_came_through_git_as_it_was():
    assert len(ANSWERS) >= 60
    assert len(RECORDED) >= 20
    assert b"\r\n" in (CORPUS / "whole_crlf.md").read_bytes()
    assert b"\n\tbest" in (CORPUS / "whole_tabs.md").read_bytes()
