"""What is known of one program, as plain values: the documents of `show` and `lineage`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archive import queries
from archive.records import LIKENESS_SEQ, Answer, Evaluation, RunRecord, Step
from archive.store import Archive
from evolve.ancestry import Ancestor, main_line
from evolve.believed import believed_of
from evolve.documents import initial_name, run_by_id
from evolve.errors import UsageError
from evolve.estimates import in_order

Document = dict[str, Any]

CUT_OFF = "cut off: nobody knows whether it was billed"
# What the probes have shown, as the facts of a step name it; `Neighbours.seen` says what they mean.
PROBED = ("determinism", "nearest", "distance", "near", "alike", "rounding")


def show_document(archive: Archive, prefix: str, *, with_prompt: bool = False) -> Document:
    """Give all that is known of a program, from the latest run that wrote it.

    fitness, standard_error, n: as measured, the mean of `scores`; stage: the instances that these are
    of. believed, believed_error: by what elites rank, corrected by what fresh instances showed, of
    which it has seen `fresh` itself; None for what was never offered to the grid.
    nearest, distance: the elite that decided most alike on the probes when it was asked, and how
    far it is, 0 to 1; near: whether it is a near-duplicate; alike: a step that the probes do not
    tell from it; rounding: one from which it differs by rounding only. None where nobody compared.
    with_prompt: what its model saw and said, too.
    Raises: Misnamed if the prefix fits no program, or several; UsageError for a prompt that never
    was.
    """
    program = queries.program(archive, prefix)
    run_id, step = queries.step_of_program(archive, program.id)
    run = run_by_id(archive, run_id)
    evaluation = None if step.evaluation is None else queries.evaluation(archive, step.evaluation)
    elite = believed_of(archive, run, step.n)
    return {
        "program": program.id,
        "run": run.name,
        "task": archive.task(run.task).name,
        "source": step.source or program.source,
        "status": step.status.value if step.status else None,
        "reason": step.reason,
        "idea": step.idea,
        "fitness": evaluation.fitness if evaluation else None,
        "standard_error": evaluation.se if evaluation else None,
        "n": evaluation.n if evaluation else 0,
        "stage": evaluation.stage if evaluation else None,
        "believed": elite.mean if elite else None,
        "believed_error": elite.error if elite else None,
        "fresh": elite.fresh if elite else 0,
        "confirmed": elite.confirmed if elite else False,
        "scores": dict(evaluation.scores) if evaluation else {},
        "subgroups": _subgroups(archive, evaluation) if evaluation else None,
        "measures": dict(evaluation.measures) if evaluation else {},
        "cell": list(step.cell) if step.cell else None,
        "placement": step.placement,
        **{name: (step.ran or {}).get(name) for name in PROBED},
        "operator": step.operator,
        "model": step.model,
        "step": step.n,
        "parents": list(step.parents),
        "duplicate_of": step.duplicate_of,
        "nodes": program.nodes,
        "ancestry": lineage_document(run, main_line(archive, run.id, step.n)),
        "feedback": dict(evaluation.feedback) if evaluation else {},
        "notes": [text for _, text in queries.notes(archive, run.id, step.n)],
        **({"prompt": _prompt(archive, run, step)} if with_prompt else {}),
    }


def lineage_document(run: RunRecord, line: Iterable[Ancestor]) -> list[Document]:
    """Give a main line, the initial program first.

    name: of the initial program. fitness: as measured. gain: of that over the first parent; added,
    removed: lines of source, against it.
    """
    return [
        {
            "step": ancestor.step.n,
            "program": ancestor.step.program,
            "operator": ancestor.step.operator,
            "model": ancestor.step.model,
            "idea": ancestor.step.idea,
            "parents": list(ancestor.step.parents),
            "status": ancestor.step.status.value if ancestor.step.status else None,
            "fitness": ancestor.fitness,
            "gain": ancestor.gain,
            "added": ancestor.added,
            "removed": ancestor.removed,
            "name": initial_name(run, ancestor.step.n),
        }
        for ancestor in line
    ]


def _subgroups(archive: Archive, evaluation: Evaluation) -> Document | None:
    """Give the mean score of every group of instances, {kind: {label: {"instances", "score"}}}.

    As the task groups them; None where an old archive does not tell how.
    """
    instances = queries.block(
        archive, task=evaluation.task, stage=evaluation.stage, block=evaluation.block
    )
    if instances is None:
        return None
    groups: dict[str, dict[str, list[float]]] = {}
    for instance in instances:
        if instance["name"] in evaluation.scores:
            for kind, label in instance["groups"].items():
                of_kind = groups.setdefault(kind, {}).setdefault(str(label), [])
                of_kind.append(evaluation.scores[instance["name"]])
    return {
        kind: {
            label: {
                "instances": len(of_kind[label]),
                "score": sum(of_kind[label]) / len(of_kind[label]),
            }
            for label in sorted(of_kind, key=in_order)
        }
        for kind, of_kind in groups.items()
    }


def _prompt(archive: Archive, run: RunRecord, step: Step) -> list[Document]:
    """Give what a step's model saw and said, every attempt in order. Raises: UsageError."""
    answers = queries.answers(archive, run.id, step.n)
    attempts = [
        _attempt(answer)
        for answer in answers
        if answer.kind == "model" and answer.seq < LIKENESS_SEQ
    ]
    if attempts:
        return attempts
    by = "is an initial program" if step.kind == "initial" else f"was written by {step.operator}"
    raise UsageError(
        f"program {step.program} {by} (step {step.n} of {run.name}), and no model was asked: "
        "there is no prompt"
    )


def _attempt(answer: Answer) -> Document:
    """Give one attempt. messages: as they were sent. max_tokens: of the answer. text: None without a clean answer.

    reason: why there is none. usd: None where nobody knows.
    """
    response = answer.response or {}
    reason = CUT_OFF if answer.cut_off else response.get("reason")
    return {
        "seq": answer.seq,
        "state": answer.state,
        "model": answer.request["model"],
        "messages": answer.request["messages"],
        "max_tokens": answer.request["max_tokens"],
        "text": response.get("text"),
        "calls": response.get("calls", []),
        "fault": response.get("fault"),
        "reason": reason,
        "usage": response.get("usage"),
        "usd": answer.usd,
        "tokens": answer.tokens,
    }
