"""What a program is worth on a block: taken from what is known, or run behind the wall and graded.

What is known is found under three keys: the program's normalised syntax, the digest of its outputs,
and the functional hash over the probes, which only predicts unless the task says that it decides.
Whatever is done is done by one holder of its key: one step of this process at a time, and for
gradings one process on the whole archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archive import queries
from archive.records import Evaluation, Status, Step
from evolve.errors import WorldError
from evolve.executor import UNSOUND, DeviceLost, Probed, Ran, Slot, SlotLost
from evolve.flights import Flights
from evolve.grades import Grades, averaged
from evolve.history import Told
from evolve.hurdle import is_stopped
from evolve.hurdling import Hurdler
from evolve.memo import Memo, Subject, own_key
from evolve.neighbours import Neighbour, Neighbours
from evolve.randomness import step_rng
from evolve.rejection import Review, Reviewer
from evolve.run import BLOCK, STAGE, Run
from evolve.slots import MAX_LOST_SLOTS, Slots
from evolve.state import State
from evolve.walk import UNREPEATABLE, Walk, is_verdict

# What seems to do what is known already is run after all that waits: above any step's number.
LATE = 10**9
# What does not repeat is run and graded so often, and its scores are averaged.
REPEATS = 2
NOT_REPEATABLE = "not repeatable: it was run twice and gave different outputs"
# Of hits that a task trusts, so many are evaluated anyway (Gillard et al. 2023).
AUDIT_SHARE = 0.02


class Evaluator:
    """Evaluates the programs of one run's search steps on the train block."""

    def __init__(
        self,
        run: Run,
        memo: Memo,
        slots: Slots,
        flights: Flights,
        grades: Grades,
        reviewer: Reviewer,
    ) -> None:
        self.run, self._reviewer = run, reviewer
        self._memo, self._slots, self._flights, self._grades = memo, slots, flights, grades
        self._hurdle = Hurdler(run, memo, grades)
        self._neighbours = Neighbours(run.archive, run.record, run.task.spec.canonical)
        self._served: dict[str, bytes | None] = {}

    async def evaluate(self, step: Step, snapshot: State) -> tuple[Step, Evaluation | None]:
        """Find what is known of a step's program, or find it out; one holder per program.

        Gives None where the step ended by a clock or a limit, which is no evaluation.
        """
        assert step.program is not None
        key, walk, lost = ("program", step.program), Walk(step, snapshot, step.n), 0
        while True:
            walk.step = await self._recognised(walk.step)
            if (known := self._known(walk)) is not None:
                return known
            if await self._flights.landing(key):
                continue
            try:
                # The key is taken with a slot in hand: who waits holds nothing others wait for.
                async with self._slots.lent(walk.order, walk.alone) as slot:
                    if key not in self._flights and self._servable(walk) is None:
                        with self._flights.holding(key):
                            return await self._find_out(walk, slot)
            except _NeedsQuiet:
                walk.quiet_runs += 1
            except _Later:
                walk.order = LATE + step.n
            except _Doubtful as doubt:
                # Without a slot: what is asked of a service may take long.
                walk.review = await self._reviewer.review(walk.step, snapshot, doubt.near)
                walk.reviewed = True
                if walk.review is not None and walk.review.is_rejected:
                    return self._rejected(walk, walk.review), None
            except DeviceLost as fault:
                if walk.broke_device:
                    await self._check_device(snapshot)
                    reason = f"it broke the device twice: {fault}"
                    return replace(walk.step, status=Status.OVER_LIMIT, reason=reason), None
                walk.broke_device = True
                walk.quiet_runs += 1
            except SlotLost:
                lost += 1
                if lost > MAX_LOST_SLOTS:
                    raise

    async def _check_device(self, snapshot: State) -> None:
        """Grade what was graded before; where that breaks a GPU too, no program is at fault.

        Raises: WorldError.
        """
        told = snapshot.step(snapshot.best[0].step) if snapshot.best else None
        if told is None or told.step.source is None:
            return
        try:
            async with self._slots.lent(-1, alone=True) as slot:
                ran = await slot.run(told.step.source, STAGE, BLOCK)
                if ran.token is not None:
                    await slot.grade(ran.token)
        except DeviceLost as fault:
            raise WorldError(
                f"a GPU gives up under programs that it graded before: {fault}"
            ) from fault

    async def _recognised(self, step: Step) -> Step:
        """Find the functional hash of a program that will not be run here, since it is known.

        Where models write, it tells them what is a duplicate: no archive may know more of a run's
        own steps than another.
        """
        if step.ran is not None or not self.run.means.models or step.program is None:
            return step
        if self._reviewer.is_on:  # whatever is known, it will be probed
            return step
        if step.behaviour is not None or self._known_program(step) is None:
            return step
        record = self.run.record
        behaviour, kept = self._behaviour_of(step, record.task, record.world), None
        if behaviour is None:
            assert step.source is not None
            source = step.source
            probed = await self._slots.pure(step.n, lambda slot: slot.probe(source))
            behaviour, kept = probed.behaviour, probed.record
        if behaviour is not None:
            self._served[behaviour] = kept
        return replace(step, behaviour=behaviour)

    def _behaviour_of(self, step: Step, task: str, world: str) -> str | None:
        assert step.program is not None
        return queries.behaviour_of(self.run.archive, task=task, world=world, program=step.program)

    def _known_program(self, step: Step) -> Evaluation | None:
        assert step.program is not None
        return self._memo.find(Subject(step.program, "", STAGE, BLOCK, step.n))

    def _servable(self, walk: Walk) -> Evaluation | None:
        """Give what any run found of the program, if this run may be told yet."""
        return self._known_program(walk.step) if self._may_be_served(walk) else None

    def _may_be_served(self, walk: Walk) -> bool:
        """Tell whether this run may know yet what any run found of the program.

        Where a task trusts its probes, or what they show may be a reason not to run a program, they
        are asked first: no archive may know better than the run would have known alone.
        """
        asks_first = self.run.task.spec.probes == "trust" or self._reviewer.is_on
        return not (asks_first and walk.probed is None) and not self._hurdle_is_ahead(walk)

    def _hurdle_is_ahead(self, walk: Walk) -> bool:
        """Tell whether the hurdle has to be asked: it has not been, and no audit is made."""
        if walk.judged is not None or walk.audits is not None:
            return False
        if walk.step.ran is not None:  # a killed process has come further
            return is_stopped(walk.step)
        return self._hurdle.is_due(walk.step, walk.snapshot)

    def _known(self, walk: Walk) -> tuple[Step, Evaluation | None] | None:
        """Take what the archive knows: this step's own verdict, or any run's evaluation."""
        step = walk.step
        if step.ran is not None and is_verdict(step.ran):
            return step, None
        if step.evaluation is not None:
            return step, queries.evaluation(self.run.archive, step.evaluation)
        if step.ran is not None and "trusts" in step.ran:
            return self._trusting(step, walk.snapshot.step(step.ran["trusts"]))
        assert step.program is not None
        found = self._servable(walk)
        return None if found is None else self._serve(walk, found)

    def _serve(self, walk: Walk, found: Evaluation) -> tuple[Step, Evaluation]:
        step = walk.step
        if step.ran is None:
            facts = {"status": found.status.value, "reason": found.reason, "served": True}
            behaviour = self._kept_behaviour(step, walk.probed)
            if behaviour is None and step.behaviour is not None:
                behaviour = step.behaviour, self._served.pop(step.behaviour, None)
            step = self._keep(step, facts | walk.verdicts, found.outputs_digest, behaviour)
        return self._memo.keep(step, found, graded=0)

    async def _find_out(self, walk: Walk, slot: Slot) -> tuple[Step, Evaluation | None]:
        """Probe a program, and run and grade it where the probes do not decide."""
        step, was_looked_for = walk.step, self._may_be_served(walk)
        assert step.source is not None
        if walk.probed is None:
            walk.probed = self._as_known(step, await slot.probe(step.source))
            walk.seen = self._neighbours.seen(walk.probed, walk.snapshot)
        probed = walk.probed
        if not walk.reviewed and step.ran is None and (near := self._near(walk, probed)):
            raise _Doubtful(near)
        if (decided := self._decided(walk, probed)) is not None:
            return decided
        if walk.seen.get("near") is not None and walk.order == step.n and not walk.alone:
            raise _Later
        if probed.determinism == "none":
            return await self._find_out_by_repeating(walk, slot)
        if (stopped := await self._stopped(walk, slot)) is not None:
            return stopped
        if not was_looked_for and (found := self._servable(walk)) is not None:
            return self._serve(walk, found)
        ran = await slot.run(step.source, STAGE, BLOCK)
        if ran.status in UNSOUND:
            return self._limited(walk, ran), None
        if step.ran is not None and step.outputs_digest != ran.outputs_digest:
            return self._unrepeatable(step), None
        step = self._keep_ran(step, self._facts(step, ran) | walk.facts, ran.outputs_digest, probed)
        walk.step = step  # if the slot is lost now, what follows goes on from the row

        def keep(evaluation: Evaluation, graded: int) -> tuple[Step, Evaluation]:
            own = replace(evaluation, behaviour=probed.behaviour)
            return self._memo.keep(step, own, graded=graded)

        return await self._grades.quality(ran, slot, walk.subject, keep)

    def _as_known(self, step: Step, probed: Probed) -> Probed:
        """Take what is known of a step's probes already: a clock may end them otherwise now."""
        if step.ran is None or "determinism" not in step.ran:
            return probed
        return replace(probed, determinism=step.ran["determinism"], behaviour=step.behaviour)

    def _near(self, walk: Walk, probed: Probed) -> list[Neighbour]:
        """Give the elites that a program has to differ from, where that is asked of it."""
        if not self._reviewer.is_on:
            return []
        # What the probes decide by themselves needs no review.
        decided = self.run.task.spec.probes != "predict" and "alike" in walk.seen
        return [] if decided else self._neighbours.near(probed, walk.snapshot)

    def _rejected(self, walk: Walk, review: Review) -> Step:
        """Keep why a program is not run."""
        assert walk.probed is not None
        facts = self._facts_of_probes(walk.probed, Status.DUPLICATE) | {"reason": review.reason}
        return self._keep_ran(walk.step, facts | walk.facts, None, walk.probed)

    def _decided(self, walk: Walk, probed: Probed) -> tuple[Step, Evaluation | None] | None:
        """Take the quality of a program that the probes cannot tell from this, if the task lets it.

        "exact": of any run, since the probes decide everything. "trust": of the snapshot only, and
        a few hits are evaluated anyway.
        """
        how, step = self.run.task.spec.probes, walk.step
        if how == "predict" or probed.behaviour is None or step.ran is not None:
            return None
        if how == "exact":
            found = self._memo.find_behaviour(probed.behaviour)
            if found is None or found.outputs_digest is None:
                return None  # why a program fails is its own
            facts = self._facts_of_probes(probed, found.status) | {"exact": found.program}
            step = self._keep_ran(step, facts | walk.facts, found.outputs_digest, probed)
            assert step.program is not None
            own = replace(found, program=step.program, id=None, grade_s=0.0)
            return self._memo.keep(step, own, graded=0)
        origin = walk.snapshot.trusted(probed.behaviour)
        if origin is None or origin.evaluation is None:
            return None
        if step_rng(self.run.record.rng_seed, step.n, "audit").random() < AUDIT_SHARE:
            walk.audits = origin
            return None
        facts = self._facts_of_probes(probed, Status.OK) | {"trusts": origin.step.n}
        return self._trusting(self._keep_ran(step, facts | walk.facts, None, probed), origin)

    def _trusting(self, step: Step, origin: Told | None) -> tuple[Step, Evaluation]:
        """Take the row of the origin itself: what was not evaluated has none of its own."""
        assert origin is not None
        assert origin.evaluation is not None
        return self._memo.keep(step, origin.evaluation, graded=0)

    async def _stopped(self, walk: Walk, slot: Slot) -> tuple[Step, Evaluation] | None:
        """Let a program take the hurdle, if it has to; give what ends there."""
        if not self._hurdle_is_ahead(walk):
            return None
        step, probed = walk.step, walk.probed
        judged = await self._hurdle.judged(step, walk.snapshot, walk.subject, slot)
        if judged.ran is not None and judged.ran.status in UNSOUND and walk.may_run_again:
            raise _NeedsQuiet
        walk.judged = judged
        if judged.stopped is None:
            return None
        served = {"status": judged.stopped.status.value, "reason": None, "served": True}
        facts = served if judged.ran is None else self._facts(step, judged.ran)
        step = self._keep_ran(step, {**facts, **walk.facts}, None, probed)
        return self._memo.keep(step, judged.stopped, graded=0)

    async def _find_out_by_repeating(
        self, walk: Walk, slot: Slot
    ) -> tuple[Step, Evaluation | None]:
        """Evaluate a program whose outputs follow from nothing we know: more often, under no key."""
        step, found = walk.step, []
        assert step.source is not None
        for _ in range(REPEATS):
            ran = await slot.run(step.source, STAGE, BLOCK)
            if ran.status in UNSOUND:
                return self._limited(walk, ran), None
            if ran.outputs_digest is None or ran.token is None:
                break
            found.append(await self._grades.graded(ran, slot, walk.subject))
        facts = self._facts(step, ran) | walk.facts
        step = self._keep_ran(step, facts, None, walk.probed)
        graded = len(found)
        if graded < REPEATS:
            found = [self._grades.failure(ran, walk.subject)]
        own = replace(averaged(found), program=own_key(self.run, step), outputs_digest=None)
        return self._memo.keep(step, own, graded=graded)

    def _limited(self, walk: Walk, ran: Ran) -> Step:
        """Keep that a clock or a limit ended a program, if it had its chances alone.

        One whose grade was lost is told by this too, though it was within its limits once: there
        are no outputs to grade, and of one digest nobody knows whether it comes out again.
        Raises: _NeedsQuiet.
        """
        if walk.may_run_again:
            raise _NeedsQuiet
        step = walk.step
        if step.ran is not None:
            return self._keep_anew(step, {**step.ran, **ran.facts()})
        return self._keep_ran(step, self._facts(step, ran) | walk.facts, None, walk.probed)

    def _unrepeatable(self, step: Step) -> Step:
        """Keep that a program gave other outputs when it was run again, since its grade was lost."""
        assert step.ran is not None
        said = {"status": Status.INVALID.value, "reason": NOT_REPEATABLE, UNREPEATABLE: True}
        return self._keep_anew(step, {**step.ran, **said})

    def _keep_anew(self, step: Step, facts: Mapping[str, Any]) -> Step:
        """Replace what the row says of running; its outputs are nobody's key any more."""
        behaviour = None if step.behaviour is None else (step.behaviour, None)
        self.run.journal.ran(step.n, facts, outputs_digest=None, behaviour=behaviour, anew=True)
        return replace(step, ran=facts, outputs_digest=None)

    def _keep_ran(
        self,
        step: Step,
        facts: Mapping[str, Any],
        outputs_digest: str | None,
        probed: Probed | None,
    ) -> Step:
        return self._keep(step, facts, outputs_digest, self._kept_behaviour(step, probed))

    def _keep(
        self,
        step: Step,
        facts: Mapping[str, Any],
        outputs_digest: str | None,
        behaviour: tuple[str, bytes | None] | None,
    ) -> Step:
        if step.ran is not None:  # the row that stands is the one to believe
            return step
        self.run.journal.ran(step.n, facts, outputs_digest=outputs_digest, behaviour=behaviour)
        return replace(
            step,
            ran=facts,
            outputs_digest=outputs_digest,
            behaviour=behaviour[0] if behaviour else None,
        )

    def _kept_behaviour(self, step: Step, probed: Probed | None) -> tuple[str, bytes | None] | None:
        """Give what the step keeps of its probes; a replay takes what was kept then."""
        if probed is None or probed.behaviour is None:
            return None
        return probed.behaviour, probed.record

    def _facts(self, step: Step, ran: Ran) -> dict[str, Any]:
        """Give what the step keeps of running; a replay takes what was kept then."""
        return ran.facts()

    def _facts_of_probes(self, probed: Probed, status: Status) -> dict[str, Any]:
        """Give what stands for the facts of running where only the probes were run."""
        return {"status": status.value, "reason": None, "probes_only": True}


class _Doubtful(Exception):
    """A program is near to elites: it gives its slot back, to be compared with them."""

    def __init__(self, near: list[Neighbour]) -> None:
        super().__init__()
        self.near = near


class _NeedsQuiet(Exception):
    """A time-out or a broken limit on a busy machine says little: run again, alone."""


class _Later(Exception):
    """What seems to be known gives its slot back: all that waits goes first."""
