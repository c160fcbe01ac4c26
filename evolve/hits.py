"""What recognising known programs and outputs spared a run, and how often the probes were wrong."""

from __future__ import annotations

from typing import Any, get_args

from evolve.executor import Determinism
from evolve.statistics import upper_bound, wilson_interval
from evolve.totals import Totals

Document = dict[str, Any]

KINDS = ("syntax", "exact", "trusted", "served", "behaviour")


def hashing_document(totals: Totals, *, trusts_probes: bool) -> Document:
    """Give what a run's hashes were good for, counted over its told steps; `confirm` apart.

    hits: steps by how they were recognised, each under the first that holds. syntax: the run had
    told the program before, and it was not run again. exact, trusted: its task lets the probes
    decide, and they could not tell it from one of any run, or from one that this run had told.
    served: another run or step had evaluated it, and it was not run here. behaviour: it was run, and
    its outputs digest was known, so it took the grade of that.

    gradings_saved: hits that would have been graded. seconds: see `seconds`. probe_matches,
    trusted: see there; trusted is None unless the task trusts its probes.
    near_duplicates: steps that the probes took for nearly the same as an elite or a told program;
    rounding: of these, how many differ from an elite by rounding only. determinism: programs that
    were probed twice, by what came of it. These three are None where nobody looked.
    """
    return {
        "hits": {kind: totals.count("hit", kind) for kind in KINDS},
        "gradings_saved": totals.count("gradings saved"),
        **seconds(totals),
        "probe_matches": probe_matches(totals),
        "trusted": trusted(totals) if trusts_probes else None,
        **_seen(totals),
    }


def seconds(totals: Totals) -> Document:
    """Give the seconds that hits have saved and probing has cost.

    seconds_saved_running: hits that did not run, times the mean seconds of a run on the block (wall
    time behind the wall, all instances) among the steps that ran here. seconds_saved_grading:
    gradings saved, times the mean seconds of a grading. seconds_saved: both. Each is None where
    something was saved of which no step knows the seconds; of the sum, what is known counts.
    seconds_spent_probing: all told; seconds_net: saved less that. None where nobody measured it.
    """
    spared = sum(totals.count("hit", kind) for kind in KINDS if kind != "behaviour")
    running = _times_mean(spared, totals, "ran")
    grading = _times_mean(totals.count("gradings saved"), totals, "graded")
    known = [part for part in (running, grading) if part is not None]
    saved = round(sum(known), 3) if known else None
    spent = round(totals.of("probed s"), 3) if totals.count("probed") else None
    return {
        "seconds_saved": saved,
        "seconds_saved_running": running,
        "seconds_saved_grading": grading,
        "seconds_spent_probing": spent,
        "seconds_net": None if saved is None or spent is None else round(saved - spent, 3),
    }


def probe_matches(totals: Totals) -> Document:
    """Give how often equal functional hashes meant equal outputs.

    predicted: programs, each counted once, whose hash an earlier told step with another program
    had. judged: of these, where both were run and have an outputs digest; the earlier one is the
    first that has. false: of these, with different digests. rate: false of judged, None if none
    was judged; interval: its 95 % Wilson interval.
    """
    judged, false = totals.count("probes", "judged"), totals.count("probes", "false")
    return {
        "predicted": totals.count("probes", "predicted"),
        "judged": judged,
        "false": false,
        "rate": false / judged if judged else None,
        "interval": wilson_interval(false, judged) if judged else None,
    }


def trusted(totals: Totals) -> Document:
    """Give how far the trust of a task in its probes was justified.

    hits: steps whose quality was taken from a told one that the probes do not tell from them.
    audited: further such steps, drawn by chance, that were evaluated all the same. wrong: of these,
    with another fitness or other measures. upper_95: the share of wrong hits is below this with 95 %
    confidence (Clopper & Pearson, one-sided); 1 where none was audited.
    """
    audited, wrong = totals.count("trust", "audited"), totals.count("trust", "wrong")
    return {
        "hits": totals.count("trust", "hits"),
        "audited": audited,
        "wrong": wrong,
        "upper_95": upper_bound(wrong, audited),
    }


def _times_mean(number: int, totals: Totals, what: str) -> float | None:
    """Give a number times the mean seconds of what was done, None if that was never measured."""
    if not number:
        return 0.0
    done = totals.count(what)
    return round(number * totals.of(f"{what} s") / done, 3) if done else None


def _seen(totals: Totals) -> Document:
    """Count what probing has shown; see `hashing_document`."""
    counts = totals.under("determinism")
    if not counts:
        return dict.fromkeys(("near_duplicates", "rounding", "determinism"))
    return {
        "near_duplicates": totals.count("near"),
        "rounding": totals.count("rounding"),
        "determinism": {name: counts.get((name,), 0) for name in get_args(Determinism)},
    }
