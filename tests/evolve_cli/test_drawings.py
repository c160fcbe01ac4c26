"""Drawings made in this process: what a person reads in 80 columns, without colour."""

import asyncio
import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from archive.records import Evaluation, Kind, Status, Step
from evolve import drawing, program_view, tables
from evolve.ancestry import diff_stat, unified_diff
from evolve.believed import Offered, believed_fields
from evolve.config import RunLimits
from evolve.entries import Told
from evolve.errors import UsageError
from evolve.grid import Elite, Grid
from evolve.heatmap import HeatMap, project, refold
from evolve.live import LiveDisplay, LogLines
from evolve.messages import FailedCall, Request
from evolve.models.scripted import ScriptedModel
from evolve.selection import Means
from evolve.spec import Measure
from evolve.state import State
from evolve.tally import CallsUnderWay, Tally
from evolve.telling import tell
from evolve.totals import Totals

X = Measure(name="spread", range=(0.0, 2.0), bins=5)
Y = Measure(name="lean", range=(-1.0, 1.0), bins=3)


def drawn(drawing, width=80):
    console = Console(file=io.StringIO(), width=width, no_color=True, force_terminal=False)
    console.print(drawing)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines), default=0) <= width
    return lines


def elite(step, fitness):
    return Elite(step, f"{step:032x}", fitness, nodes=10, n=4, se=0.01)


def test_a_map_shows_the_best_and_the_empty_cells_without_colour():
    grid = Grid.of((X, Y), 3, {(0, 0): (elite(1, -1.0),), (4, 2): (elite(2, 0.0),)})
    top, middle, bottom = drawn(HeatMap(grid, "toy-1"))[2:5]
    assert top.split() == ["0.3333", "·", "·", "·", "·", "*"]
    assert middle.split()[1:] == ["·"] * 5
    assert bottom.split() == ["-1", "0", "·", "·", "·", "·"]


def test_a_map_that_is_too_wide_shares_columns_and_says_so():
    wide = Measure(name="spread", range=(0.0, 1.0), bins=100)
    grid = Grid.of((wide, Y), 3, {(99, 0): (elite(1, 1.0),), (98, 0): (elite(2, 2.0),)})
    lines = drawn(HeatMap(grid, "toy-1"))
    assert "2 bins of spread share a column" in lines[1]
    assert lines[5].count("*") == 1


def test_a_grid_of_three_measures_is_drawn_over_the_first_two():
    grid = Grid.of((X, Y, X), 3, {(0, 0, 0): (elite(1, 0.1),), (0, 0, 4): (elite(2, 0.2),)})
    assert project(grid).cells == {(0, 0): (elite(2, 0.2),)}


def placed(n, **measures):
    return Offered(elite(n, float(n)), measures)


def test_other_axes_take_declared_ranges_then_0_to_1_then_those_of_the_data():
    steps = [placed(0, lean=0.5, share=0.25, size=10.0), placed(1, lean=-2.0, share=0.3, size=30.0)]
    grid, note = refold([X, Y], steps, ["lean", "share"])
    assert grid.measures[0] == Y
    assert grid.measures[1].range == (0.0, 1.0)
    assert note == "share: range 0 to 1"
    grid, note = refold([X, Y], steps, ["share", "size"])
    assert grid.measures[1].range == (10.0, 30.0)
    assert "range of the data, 10 to 30" in note


@pytest.mark.parametrize("axes", [["lean"], ["lean", "lean"], ["lean", "speed"]])
def test_axes_that_are_not_two_known_measures_are_refused(axes):
    with pytest.raises(UsageError, match="there are: lean, share"):
        refold([Y], [placed(0, lean=0.5, share=0.25)], axes)


def test_subgroups_are_the_parts_of_names_that_instances_share():
    scores = {f"train-0-{pool}-{budget}%": float(pool) for pool in range(3) for budget in (5, 10)}
    found = program_view.subgroups(scores)
    assert list(found) == ["part 3 of name", "part 4 of name"]
    assert found["part 4 of name"]["5%"] == {"instances": 3, "score": 1.0}
    assert program_view.subgroups({"train-0-1": 0.0, "train-0-2": 1.0}) == {}


def test_elites_with_long_names_stay_in_80_columns_with_whole_ids():
    row = {
        "program": "0123456789abcdef" * 2, "cell": [1, 2], "operator": "recombine",
        **believed_fields(Elite(9999, "", -0.123456, nodes=10, n=24, se=0.0123)),
        "measures": {"redundancy": 0.123, "difficulty": 0.5, "entropy": 1.0}, "model": None,
        "step": 9999, "parents": [9100, 9200], "lines": 120, "name": "d3_weighted_k_center",
        "incumbent": None,
    }  # fmt: skip
    lines = drawn(tables.elites_table([row], "data_selection-1"))
    (row,) = [line for line in lines if line.startswith("01234567 ")]
    assert "-0.1235 ± 0.0123?" in row
    assert "n = 24" in lines[-2]
    assert lines[-1] == "? not confirmed on fresh instances"


def test_a_lineage_shows_gain_and_changed_lines_of_each_step():
    entry = {"program": "a" * 32, "operator": "initial", "parents": [], "fitness": 0.5, "step": 0}
    entry |= {"name": "trivial", "gain": None, "added": 0, "removed": 0, "idea": None}
    child = entry | {"program": "b" * 32, "operator": "recombine", "parents": [0, 7], "step": 9}
    child |= {"name": None, "fitness": 0.75, "gain": 0.25, "added": 3, "removed": 1}
    child |= {"idea": "weigh the first\x1b feature"}
    assert [line.rstrip() for line in drawn(program_view.lineage_view([entry, child]))] == [
        "● aaaaaaaa  0.5000  step 0  trivial",
        "│   recombine  +0.2500  +3 −1 lines",
        "│   with step 7",
        "│   weigh the first� feature",
        "└ bbbbbbbb  0.7500  step 9",
        "scores as measured; `evolve show` tells what is believed",
    ]


def test_a_diff_counts_lines_that_look_like_its_own_header():
    diff = unified_diff("x\n-- y\n", "x\n++ z\n", ("a", "b"))
    assert diff_stat(diff) == (1, 1)
    assert drawn(program_view.diff_view([])) == ["the same text"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (190, "3m10s"), (7500, "2h05m")]
)
def test_times_are_written_as_people_read_them(seconds, text):
    assert drawing.clock(seconds) == text


class ToyRun:
    """As much of a run as a display looks at."""

    def __init__(self):
        self.task = SimpleNamespace(name="toy", spec=SimpleNamespace(qd_offset=0.0))
        self.record = SimpleNamespace(name="toy-1", rng_seed=0, settings={}, usd=0.0, tokens=0)
        self.means = Means({})
        self.limits = RunLimits(steps=10)
        self.initial = [("trivial", "")]
        self.state, self.totals = State(Grid((X, Y))), Totals()
        self.seconds = 0.0
        self.waits_for = None

    def tell(self, fitness, model=None):
        n = self.state.told
        found = Evaluation(
            "toy", "world", "train", 0, f"{n:032x}", Status.OK, fitness=fitness, n=4, se=0.01,
            measures={"spread": 0.1, "lean": 0.0},
        )  # fmt: skip
        kind = Kind.SEARCH if n else Kind.INITIAL
        step = Step(n, n, kind, "tune", model, parents=(0,) if n else (), program=f"{n:032x}")
        verdict = tell(self.state, step, found, nodes=10)
        self.state = verdict.state
        told = Told(verdict.step, found, 10)
        self.totals = self.totals.after(told, self.state.history, shares_grades=True)
        return verdict.step


def test_a_log_names_each_new_best_and_shows_now_and_then_that_it_lives():
    run, moments = ToyRun(), iter(range(0, 10_000, 6))
    console = Console(file=io.StringIO(), width=80)
    with LogLines(run, 2, console, now=lambda: next(moments)) as log:
        for fitness in (0.5, 0.4, 0.3, 0.6):
            log.watch(run.tell(fitness))
        log.stopping(2)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "toy-1  task toy, rng_seed 0, 2 workers"
    assert lines[1].startswith("new best 0.5000 ± 0.0100 (n = 4): initial program trivial")
    assert any(line.startswith("2/10 steps, best 0.5000") for line in lines)
    assert any("new best 0.6000" in line and "step 3, tune of 0" in line for line in lines)
    assert "finishing 2 running" in lines[-2]


def test_a_run_says_that_its_initial_programs_come_first():
    run = ToyRun()
    run.initial = [("trivial", ""), ("greedy", "")]
    for told in range(3):
        console = Console(file=io.StringIO(), width=120)
        with LogLines(run, 2, console):
            pass
        display = LiveDisplay(run, Console(file=io.StringIO(), width=120, force_terminal=True))
        lines = (console.file.getvalue().splitlines()[0], drawn(display.draw(), 120)[0])
        assert all(("; first its 2 initial programs" in line) == (told < 2) for line in lines)
        run.tell(0.5)


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_display_fits_its_terminal(width):
    run = ToyRun()
    display = LiveDisplay(run, Console(file=io.StringIO(), width=width, force_terminal=True))
    assert "none yet" in " ".join(drawn(display.draw(), width))
    display.report(3, 8, "training proxy nets")
    assert "3/8" in " ".join(drawn(display.draw(), width))
    for fitness in (0.5, 0.6):
        display.watch(run.tell(fitness))
    display.stopping(2)
    text = "\n".join(drawn(display.draw(), width))
    assert "2/10 steps" in text
    assert "training proxy nets" not in text
    assert "0.6000" in text
    assert "Ctrl-C again" in text


@pytest.mark.parametrize("limits", [RunLimits(usd=5.0, tokens=20_000), RunLimits(steps=10)])
def test_a_display_tells_what_models_cost_and_how_many_are_asked(limits):
    run, calls, console = ToyRun(), CallsUnderWay(), Console(file=io.StringIO(), width=120)
    run.means, run.limits = Means({}, ["anthropic/one"]), limits
    run.record.usd, run.record.tokens, calls.number = 1.25, 1200, 2
    spent = "$1.2500, 1,200 tokens, 2 calls in flight"
    if limits.usd:
        spent = "$1.2500 of $5, 1,200 of 20,000 tokens, 2 calls in flight"
    assert spent in "\n".join(drawn(LiveDisplay(run, console, calls).draw()))
    with LogLines(run, 2, console, calls=calls) as log:
        log.stopping(3)
    assert spent in console.file.getvalue()
    assert "finishing 3 running and 2 calls ..." in console.file.getvalue()


def test_a_log_names_the_model_of_a_new_best_where_there_are_several():
    run, console = ToyRun(), Console(file=io.StringIO(), width=120)
    run.means = Means({}, ["openai/one@http://127.0.0.1:8000/v1", "anthropic/two"])
    with LogLines(run, 2, console) as log:
        log.watch(run.tell(0.5))
        log.watch(run.tell(0.6, model=run.means.models[0]))
    assert "step 1, tune (openai/one) of 0" in console.file.getvalue()


def test_a_display_tells_nothing_of_money_where_no_model_is_paid():
    run, console = ToyRun(), Console(file=io.StringIO(), width=120)
    assert "spent" not in "\n".join(drawn(LiveDisplay(run, console).draw()))
    run.means, run.record.settings = Means({}, ["anthropic/one"]), {"replay_of": "toy-0"}
    assert "spent" not in "\n".join(drawn(LiveDisplay(run, console).draw()))


def test_a_bound_on_dollars_tells_how_much_is_done_and_left():
    run, moments = ToyRun(), iter(range(0, 10_000, 6))
    run.means, run.limits = Means({}, ["anthropic/one"]), RunLimits(usd=5.0)
    tally = Tally(run, clock=lambda: next(moments))
    for _ in range(2):
        tally.add(run.tell(0.5))
    run.record.usd = 1.25
    assert tally.share == 0.25
    # Two steps for 1.25 dollars, so six more for the rest, at less than ten a minute.
    assert tally.seconds_left > 36


def test_calls_are_counted_while_they_are_under_way_however_they_end():
    calls, seen = CallsUnderWay(), []

    def answer(request):
        seen.append(calls.number)
        if len(seen) > 1:
            raise FailedCall("empty", "nothing")
        return "text"

    model = calls.counted(ScriptedModel(answer, name="scripted/one"))
    assert model.name == "scripted/one"
    asyncio.run(model.complete(Request((), 16), 1.0))
    with pytest.raises(FailedCall):
        asyncio.run(model.complete(Request((), 16), 1.0))
    assert (seen, calls.number) == ([1, 1], 0)
