"""What is said to a language model: the first question of a step, and what follows on an answer."""

from evolve.prompting.again import duplicate, refused
from evolve.prompting.compose import KINDS, Asked, compose, estimated_tokens
from evolve.prompting.judge import judge

__all__ = ["KINDS", "Asked", "compose", "duplicate", "estimated_tokens", "judge", "refused"]
