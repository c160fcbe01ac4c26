"""Metamorphic tests of the functional hash: other words for one decision hit, other decisions miss.

The programs are our own and run in plain Python on small inputs.
"""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from evolve.behaviour import distance, record, tolerant_match
from evolve.decisions import read
from evolve.program import normalised, program_id

TASK = Path(__file__).resolve().parents[2] / "tasks" / "data_selection"
PROGRAMS = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(TASK.glob("programs/*.py"))
}


def data_selection_pools():
    spec = importlib.util.spec_from_file_location("data_selection_probes", TASK / "probes.py")
    probes = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = probes
    spec.loader.exec_module(probes)
    shapes = {
        "small": {"n": 37, "d": 11, "k": 2, "t": 3, "c": 5, "h": 7, "trusted": 13},
        "wide": {"n": 150, "d": 30, "k": 3, "t": 5, "c": 4, "h": 9, "trusted": 20},
        "long": {"n": 300, "d": 8, "k": 2, "t": 6, "c": 10, "h": 16, "trusted": 30},
    }
    return {name: probes.synthetic(name, **shape) for name, shape in shapes.items()}


POOLS = data_selection_pools()


def selector_record(source, pools=POOLS):
    """Run a program of data_selection on every pool, for a fifth of it."""
    outcomes = []
    for number, (name, pool) in enumerate(pools.items()):
        namespace = {}
        exec(compile(source, name, "exec"), namespace)
        own = {key: np.copy(v) if isinstance(v, np.ndarray) else v for key, v in pool.items()}
        rng = np.random.default_rng(number)
        outcomes.append((name, "ok", namespace["select"](own, len(pool["y"]) // 5, rng)))
    return record("set", outcomes)


def hit(one, other):
    return read(one).digests == read(other).digests


def edited(name, old, new):
    source = PROGRAMS[name]
    assert source.count(old) == 1, f"{name} has changed: {old!r} stands in it no more, or twice"
    return source.replace(old, new)


@pytest.mark.parametrize("name", PROGRAMS)
def test_other_names_and_no_comments_hit(name):
    source = PROGRAMS[name]
    renamed = re.sub(r"%(\d+)", r"local_\1", ast.unparse(normalised(source)))
    assert renamed != source
    assert program_id(renamed) == program_id(source)
    assert hit(selector_record(source), selector_record(renamed))


NORM, GAP = "    norm = (X**2).sum(1)\n", "    gap = np.full(len(X), np.inf, dtype=np.float32)\n"
DOTS, SIZE = "    dots = E @ E.T\n", "    size = (E**2).sum(1)\n"
SAME_CHOICE = {
    "independent statements change places": ("k_center", NORM + GAP, GAP + NORM),
    "so do these": ("herding", DOTS + SIZE, SIZE + DOTS),
    "two names at once, or one by one": (
        "ccs_aum",
        "    drop, strata = 0.3, 50\n",
        "    strata = 50\n    drop = 0.3\n",
    ),
    "a square is a product": ("el2n_easiest", "error**2", "error * error"),
    "a root of squares is a norm": (
        "el2n_easiest",
        "np.sqrt((error**2).sum(-1))",
        "np.linalg.norm(error, axis=-1)",
    ),
    "a distance multiplied out, or not": (
        "k_center",
        "norm - 2 * (X @ X[nearest]) + norm[nearest]",
        "((X - X[nearest]) ** 2).sum(1)",
    ),
    "a common factor": (
        "d3_like",
        "dependable * (0.5 + difficult)",
        "(1 + 2 * difficult) * dependable / 2",
    ),
    "brackets": ("herding", "2 * t * pull - 2 * total", "2 * (t * pull - total)"),
    "a factor that is one everywhere": ("k_center", "reach = gap * w", "reach = gap.copy()"),
    "a mean of means": ("aum_balanced", ".mean((0, 1))", ".mean(1).mean(0)"),
    "and not is greater": (
        "forgetting",
        "right[:, :-1] & ~right[:, 1:]",
        "right[:, :-1] > right[:, 1:]",
    ),
    "a monotone map: linear": (
        "el2n_easiest",
        "choose(pool, -score(",
        "choose(pool, 7 - 3 * score(",
    ),
    "a monotone map: logarithm": (
        "dfn_like",
        'return pool["tgt_probs"][np.arange(len(pool["y"])), pool["y"]]',
        'return np.log(pool["tgt_probs"][np.arange(len(pool["y"])), pool["y"]])',
    ),
    "a set in another order": ("dfn_like", "[:k]", "[:k][::-1]"),
    "a set in other integers": ("dfn_like", "[:k]", "[:k].astype(np.int16)"),
    "a list": ("dfn_like", "[:k]", "[:k].tolist()"),
}


@pytest.mark.parametrize("what", SAME_CHOICE)
def test_another_way_to_say_one_choice_hits(what):
    name, old, new = SAME_CHOICE[what]
    assert hit(selector_record(PROGRAMS[name]), selector_record(edited(name, old, new)))


@pytest.mark.parametrize("name", ["aum_balanced", "dfn_like", "el2n_easiest", "forgetting", "k_center"])  # fmt: skip
def test_the_same_choice_in_double_precision_hits(name):
    doubled = {
        pool: {
            key: value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value
            for key, value in arrays.items()
        }
        for pool, arrays in POOLS.items()
    }
    assert hit(selector_record(PROGRAMS[name]), selector_record(PROGRAMS[name], doubled))


ANOTHER_CHOICE = {
    "one fewer": ("dfn_like", "[:k]", "[: k - 1]"),
    "one more": ("dfn_like", "[:k]", "[: k + 1]"),
    "one further on": ("dfn_like", "[:k]", "[1 : k + 1]"),
    "the other sign": ("el2n_easiest", "choose(pool, -score(", "choose(pool, score("),
    "a constant that moves a share": ("ccs_aum", "drop, strata = 0.3", "drop, strata = 0.35"),
    "fewer strata": ("ccs_el2n", "0.2, 50", "0.2, 40"),
    "a factor less": ("d3_like", "dependable * (0.5 + difficult)", "dependable"),
    "a number in a formula": ("herding", "2 * t * pull", "t * pull"),
    "a power": ("el2n_easiest", "np.sqrt((error**2).sum(-1))", "(error**2).sum(-1)"),
    "the largest for the mean": ("aum_balanced", ".mean((0, 1))", ".max((0, 1))"),
    "what is never learnt counts as learnt": (
        "forgetting",
        'lost, pool["probs"].shape[1])',
        "lost, 0)",
    ),
}


@pytest.mark.parametrize("what", ANOTHER_CHOICE)
def test_a_small_real_change_misses(what):
    name, old, new = ANOTHER_CHOICE[what]
    one, other = selector_record(PROGRAMS[name]), selector_record(edited(name, old, new))
    assert not hit(one, other)
    assert distance("set", one, other) > 0


# --- the other forms, on programs of a line ---

INPUTS = [np.random.default_rng(i).normal(size=(n, 3)) for i, n in enumerate((7, 30, 120))]
SCORE = "2 * x[:, 0] + x[:, 1]"
MONOTONE = (
    "x[:, 1] + x[:, 0] * 2",
    "(x[:, 0] + x[:, 1] / 2)",
    f"np.exp({SCORE})",
    f"np.arctan({SCORE})",
    f"({SCORE}) ** 3 + 5",
    f"({SCORE}).astype(np.float32)",
    f"({SCORE}).argsort().argsort()",
)
OTHER_SCORES = ("2.2 * x[:, 0] + x[:, 1]", f"-({SCORE})", "2 * x[:, 0]", f"({SCORE}) ** 2")
# Of each form a program, others that decide the same, and some that do not.
LINES = {
    "ranking": (SCORE, MONOTONE, OTHER_SCORES),
    "topk:5": (
        SCORE,
        # And what the others are does not matter.
        (*MONOTONE, f"np.where({SCORE} >= np.sort({SCORE})[-5], {SCORE}, -9)"),
        OTHER_SCORES,
    ),
    "set": (
        f"np.argsort(-({SCORE}))[:5]",
        (
            *(f"np.argsort({same}, kind='stable')[-5:]" for same in MONOTONE),
            f"sorted(np.argpartition(-({SCORE}), 5)[:5].tolist())",
        ),
        (
            *(f"np.argsort(-({other}))[:5]" for other in OTHER_SCORES),
            f"np.argsort(-({SCORE}))[:6]",
            f"np.argsort(-({SCORE}))[1:6]",
        ),
    ),
    "mask": (
        f"{SCORE} > 0",
        (f"~({SCORE} <= 0)", f"np.sign({SCORE}) == 1", f"({SCORE} > 0).astype(float)"),
        (f"{SCORE} < 0", f"{SCORE} > 0.2", f"{SCORE} > -1e9", "x[:, 0] > 0"),
    ),
    "float:30": (
        f"({SCORE}).mean()",
        (
            f"sum({SCORE}) / len(x)",
            "2 * x[:, 0].mean() + x[:, 1].mean()",
            "x.mean(0) @ np.array([2, 1, 0])",
        ),
        (f"({SCORE}).mean() * 1.0001", f"({SCORE}).sum() / (len(x) - 1)", "x[:, 0].mean()"),
    ),
    "trace": (
        f"np.cumsum({SCORE} > 0)",
        (
            f"np.array([({SCORE} > 0)[: i + 1].sum() for i in range(len(x))])",
            f"({SCORE} > 0).cumsum().astype(np.int32)",
        ),
        (f"np.cumsum({SCORE} >= 0.1)", f"np.cumsum({SCORE} > 0)[:-1]", f"np.cumsum({SCORE} < 0)"),
    ),
}
HITS = [(form, base, same) for form, (base, hits, _) in LINES.items() for same in hits]
MISSES = [(form, base, other) for form, (base, _, misses) in LINES.items() for other in misses]


def line_record(form, line):
    program = eval(f"lambda x: {line}", {"np": np})
    return record(form, [(f"p{i}", "ok", program(x)) for i, x in enumerate(INPUTS)])


@pytest.mark.parametrize(("form", "base", "same"), HITS)
def test_another_line_for_one_decision_hits(form, base, same):
    assert hit(line_record(form, base), line_record(form, same))


@pytest.mark.parametrize(("form", "base", "other"), MISSES)
def test_a_line_that_decides_otherwise_misses(form, base, other):
    assert not hit(line_record(form, base), line_record(form, other))
    assert distance(form, line_record(form, base), line_record(form, other)) > 0


@pytest.mark.parametrize("form", ["exact", "table", "trace", "float:52"])
def test_algebra_that_moves_the_last_bits_is_a_near_miss(form):
    """No digest can hit here, since rounding has boundaries everywhere; the records match."""
    one = line_record(form, f"np.cumsum({SCORE})")
    other = line_record(form, "2 * np.cumsum(x[:, 0]) + np.cumsum(x[:, 1])")
    far = line_record(form, f"np.cumsum({SCORE}) * 1.001")
    assert not hit(one, other)
    assert tolerant_match(form, one, other, rtol=1e-9)
    assert not tolerant_match(form, one, far, rtol=1e-9)
