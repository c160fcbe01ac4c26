"""Reading: from what a model answered to a program, or to a reason that the model can act on.

    whole_program(text, entry)            a program written anew
    changed_program(text, source, entry)  a parent changed by SEARCH/REPLACE blocks, or anew
    apply_blocks(text, source)            the blocks alone
    protected(source, changed)            what stands outside EVOLVE-BLOCK markers kept
    idea_of(text)                         the answer's `IDEA:` line
    without_thinking(text)                the answer without thinking aloud

All are pure, take time that grows with the answer's length, and raise nothing but `Unreadable`.
Mending is narrow on purpose: what could be read in two ways is refused with a reason, since the
model can be asked again and a wrong guess would be evaluated as if it were the model's program.
"""

from evolve.reading.answer import idea_of, whole_program, without_thinking
from evolve.reading.blocks import apply_blocks, changed_program
from evolve.reading.protection import protected
from evolve.reading.unreadable import Unreadable

__all__ = [
    "Unreadable",
    "apply_blocks",
    "changed_program",
    "idea_of",
    "protected",
    "whole_program",
    "without_thinking",
]
