"""A long history in minutes: the real run asks and tells, and its rows go in a thousand at a time.

What is skipped is the walk of a step: its own transactions, its slot, its second look at the
archive. Rows, states and decisions are those that the walk would have come to.
"""

from dataclasses import replace
from functools import cache

import numpy as np
from simulated import FORM, GRADE_S, LEVEL, SimulatedExecutor, said, wander
from sqlalchemy import func, select

from archive import rows, schema
from archive.records import Evaluation, Kind, Status
from evolve import behaviour, telling
from evolve import run as run_module
from evolve.belief import comparison
from evolve.hashing import plain_digest
from evolve.run import BLOCK, STAGE

# Told steps whose rows are written together.
PAGE = 2_000
# Programs that a snapshot may not know yet though they are evaluated: more than are under way.
UNDER_WAY = 8_192
# Syntax nodes of the simulated programs, by their number of lines.
NODES = {2: 15, 3: 20}


class BulkJournal:
    """Stands for the journal of a run while it is filled; `flush` writes what was told."""

    def __init__(self, journal):
        self._journal, self._told, self._asked, self._evaluated = journal, [], {}, []
        self._taught = self._totals = None

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def keep(self, evaluation):
        self._evaluated.append(evaluation)

    def ask(self, steps):
        self._asked |= {step.n: step for step in steps}

    def tell(self, step, *, elites, asks, seconds, totals, taught=None):
        self._told.append(step)
        self._totals = totals
        self._taught = taught or self._taught
        self._asked.pop(step.n, None)
        self._asked |= {asked.n: asked for asked in asks}
        if len(self._told) >= PAGE:
            self.flush()

    def checkpoint(self, told, **kept):
        self.flush()  # a checkpoint speaks of rows that are there
        self._journal.checkpoint(told, **kept)

    def flush(self):
        """Write all that was told and asked since the last time in one transaction."""
        run, database = self._journal.run, self._journal._database

        def write(connection):
            programs = [
                {"id": s.program, "source": s.source, "nodes": nodes_of(s.source)}
                for s in self._told
                if s.program
            ]
            _insert(connection, database, schema.programs, programs)
            values = [rows.evaluation_values(e) | {"id": e.id} for e in self._evaluated]
            _insert(connection, database, schema.evaluations, values)
            behaviours = [
                {"task": run.task, "world": run.world, "id": s.behaviour, "record": _record()}
                for s in self._told
                if s.behaviour
            ]
            _insert(connection, database, schema.behaviours, behaviours)
            steps = (*self._told, *self._asked.values())
            _replace(connection, [rows.step_values(run.id, step) for step in steps])
            progress = {
                "told": run.told + len(self._told),
                "gradings": run.gradings + len(self._evaluated),
            }
            for name, kept in (("taught", self._taught), ("totals", self._totals)):
                if kept is not None:
                    progress[name] = rows.tree(kept)
            self._journal._set(connection, **progress)

        self._journal._write("tell", write)
        self._told, self._evaluated, self._asked = [], [], {}

    def keep_elites(self, grid):
        """Write who holds the cells: once, at the end."""
        run = self._journal.run.id

        def write(connection):
            connection.execute(schema.elites.delete().where(schema.elites.c.run == run))
            cells = {cell: telling._rows(cell, held) for cell, held in grid.cells.items()}
            self._journal._replace_elites(connection, cells)

        self._journal._write("tell", write)


def _insert(connection, database, table, values):
    if values:
        connection.execute(database.insert_new(table), values)


def _replace(connection, values):
    if values:
        connection.execute(schema.steps.insert().prefix_with("OR REPLACE"), values)


@cache
def _record():
    """Give one record for all: no step of a filled history is compared by it."""
    return behaviour.record(FORM, [(f"probe-0-{i}", "ok", [0, 0, 0]) for i in (0, 1)])


def nodes_of(source):
    return NODES[len(source.splitlines())]


def fill(run, instances, watch):
    """Ask and tell until the run's limit, without the walk of any step.

    Programs are keyed by their text here: to parse a million of them would take longer than all else.
    """
    executor = SimulatedExecutor(1, instances)
    run.describe(
        [{"name": name, "groups": {}, "unit": None} for name in executor.names(STAGE, BLOCK)]
    )
    run.journal, journal = BulkJournal(run.journal), run.journal
    counted, run_module.count_nodes = run_module.count_nodes, nodes_of
    judged, telling._verdict = telling._verdict, _without_cells
    luck, ids, under_way = np.random.default_rng(run.state.told), _last_id(run.archive), {}
    try:
        while (assignment := run.ask()) is not None:
            step, snapshot = assignment.step, assignment.snapshot
            if step.kind is Kind.CONFIRM:
                outputs = [said(snapshot.step(n).step.source) for n in step.parents]
                scores = [executor.quality(o, "valid", step.block)["scores"] for o in outputs]
                facts = {
                    "status": "ok",
                    "compared": comparison(scores, {}).plain(),
                    "by_machine": False,
                }
                run.finish(replace(step, ran=facts), None)
            else:
                source = (
                    run.initial[step.n][1]
                    if step.kind is Kind.INITIAL
                    else wander(said(snapshot.step(step.parents[0]).step.source), luck)
                )
                program, output = plain_digest(source), said(source)
                step = replace(step, source=source, program=program)
                if output is None:
                    run.finish(replace(step, ran=_facts("crashed")), None)
                elif snapshot.program(program) is not None:
                    run.finish(step, None)
                else:
                    evaluation = under_way.get(program) or _evaluated(run.state, program)
                    if evaluation is None:
                        ids += 1
                        evaluation = _evaluation(run, executor, program, output, ids)
                        run.journal.keep(evaluation)
                        under_way[program] = evaluation
                        if len(under_way) > UNDER_WAY:
                            del under_way[next(iter(under_way))]
                    known = {
                        "ran": _facts("ok"),
                        "outputs_digest": evaluation.outputs_digest,
                        "evaluation": evaluation.id,
                        "behaviour": evaluation.behaviour,
                    }
                    run.finish(replace(step, **known), evaluation)
            for told in run.tell_ready():
                watch(told)
        run.journal.flush()
        run.journal.keep_elites(run.state.grid)
    finally:
        run.journal, run_module.count_nodes = journal, counted
        telling._verdict = judged


def _evaluated(state, program):
    """Give the evaluation of a program that was told since its step was asked."""
    told = state.program(program)
    return told.evaluation if told else None


def _last_id(archive):
    """Give the highest number of an evaluation: what was filled before keeps its own."""
    return archive.database.read(select(func.coalesce(func.max(schema.evaluations.c.id), 0)))[0][0]


def _without_cells(before, step, after):
    """Tell a step without the rows of the cells that changed: all are written at the end."""
    return telling.Verdict(after, step, {})


def _evaluation(run, executor, program, output, id):
    digest = plain_digest("out", *map(str, output))
    return Evaluation(
        task=run.task.digest,
        world=run.record.world,
        stage=STAGE,
        block=BLOCK,
        program=program,
        **(executor.quality(output, STAGE, BLOCK) | {"status": Status.OK}),
        outputs_digest=digest,
        wall_s=1.0,
        cpu_s=1.0,
        max_rss_bytes=2**26,
        level=LEVEL,
        id=id,
        behaviour=plain_digest("probes", digest),
        grade_s=GRADE_S,
    )


def _facts(status):
    """Give as much as a step keeps of running and probing."""
    return {
        "status": status, "reason": None, "wall_s": 1.0, "cpu_s": 1.0, "max_rss_bytes": 2**26,
        "level": LEVEL, "limit_share": 0.016, "determinism": "deterministic", "probe_s": 0.01,
        "nearest": 1, "distance": 1.0,
    }  # fmt: skip
