"""What a judge is asked: whether a program differs from one that is written much like it."""

from __future__ import annotations

from evolve.messages import Message
from evolve.prompting.words import fenced, filled, number, one_line


def judge(new: str, known: str, step: int, similarity: float, idea: str | None) -> Message:
    """Ask for a verdict on a new program, to be read by `novelty.says_novel`.

    known: the source of a step that the new one is like. similarity: cosine of their embeddings.
    idea: that step's. After Lange et al. 2025 (ShinkaEvolve), arXiv 2509.19349.
    """
    return Message(
        "user",
        filled(
            "judge",
            similarity=number(similarity),
            step=step,
            idea=f" ({one_line(idea)})" if idea else "",
            known=fenced(known),
            new=fenced(new),
        ),
    )
