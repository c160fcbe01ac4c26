"""The contract of a Sandbox, at every level that this machine can enforce."""

import numpy as np
import pytest

from sandbox import LEVELS, Job, Limits, Sandbox, SandboxError
from sandbox.levels import survey

LEVELS_HERE = [level for level in LEVELS if survey()[level].available]
LIMITS = Limits(wall_s=20, cpu_s=5, memory_mb=256, result_mb=1, output_kb=4)
WEIGHTS = np.arange(6.0).reshape(2, 3)
INPUTS = {
    "one": {"weights": WEIGHTS, "names": ["a", "b"], "k": 3},
    "two": {"weights": WEIGHTS, "names": [], "k": 4},
}
HARNESS = """
def call(candidate, public, rng):
    return [candidate(i) for i in range(public["k"])] + [rng.random()]
"""


@pytest.fixture(scope="module", params=LEVELS_HERE)
def box(request):
    with Sandbox.open(level=request.param, inputs=INPUTS, limits=LIMITS) as box:
        yield box


def run(box, source, input="one", **options):
    return box.run(Job(source, "main", input, **options))


def test_a_good_candidate_gives_its_value_and_the_level_it_ran_at(box):
    outcome = run(box, "def main(weights, names, k):\n    return {'sum': weights.sum(), 'k': k}")
    assert (outcome.status, outcome.reason, outcome.value) == ("ok", "", {"sum": 15.0, "k": 3})
    assert outcome.level == box.level
    assert outcome.wall_s < LIMITS.wall_s
    assert outcome.cpu_s < LIMITS.cpu_s
    assert outcome.max_rss_bytes > 1 << 20


def test_arrays_and_plain_values_come_back_as_they_were(box):
    source = """
import numpy as np
def main(weights, names, k):
    same = np.array([True, False])
    return [weights, (1, None), b"raw", float("nan"), -0.0, 10**400, np.float32(0.5), same, same]
"""
    value = run(box, source).value
    np.testing.assert_array_equal(value[0], WEIGHTS)
    assert value[1:3] == [[1, None], b"raw"]
    assert np.isnan(value[3])
    assert np.signbit(value[4])
    assert value[5] == 10**400
    assert (value[6], type(value[6])) == (0.5, float)
    assert value[7] is value[8]
    assert value[7].tolist() == [True, False]


def test_each_job_gets_the_input_that_it_names(box):
    source = "def main(weights, names, k): return [names, k]"
    assert run(box, source, "one").value == [["a", "b"], 3]
    assert run(box, source, "two").value == [[], 4]


def test_inputs_added_later_stand_beside_the_first_ones(box):
    later = f"later-{box.level}"
    box.add_inputs({later: {"weights": WEIGHTS, "names": ["z"], "k": 9}})
    source = "def main(weights, names, k): return k"
    assert run(box, source, later).value == 9
    assert run(box, source, "one").value == 3
    with pytest.raises(SandboxError, match="preloaded already"):
        box.add_inputs({later: {}})


def test_an_input_that_nobody_preloaded_is_our_mistake(box):
    with pytest.raises(SandboxError, match="no input named 'three'"):
        run(box, "def main(): pass", "three")


def test_equal_seeds_give_equal_numbers_from_every_generator(box):
    source = """
import random, numpy as np
def main(weights, names, k, rng):
    return [random.random(), np.random.rand(), rng.random(), hash("text"), list({"b", "a", "c"})]
"""
    first = run(box, source, rng_seed=7, pass_rng=True)
    again = run(box, source, rng_seed=7, pass_rng=True)
    other = run(box, source, rng_seed=2**127, pass_rng=True)
    assert first.value == again.value
    assert first.value[2] == np.random.Generator(np.random.PCG64(7)).random()
    assert all(a != b for a, b in zip(first.value[:3], other.value[:3], strict=True))
    assert first.value[3:] == other.value[3:]


def test_inputs_are_read_only_and_the_message_says_where(box):
    outcome = run(box, "def main(weights, names, k):\n    weights[0] = 9\n    return 1")
    assert outcome.status == "crashed"
    assert outcome.reason.startswith("ValueError: assignment destination is read-only")
    assert "line 2, in main: weights[0] = 9" in outcome.reason


def test_mutated_inputs_are_whole_again_for_the_next_candidate(box):
    mutate = """
def main(weights, names, k):
    weights.flags.writeable = True
    weights[:] = 0
    names.append("stolen")
    return weights
"""
    assert run(box, mutate).value.sum() == 0
    assert run(box, "def main(weights, names, k): return [weights.sum(), names]").value == [
        15.0,
        ["a", "b"],
    ]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def main(:", "SyntaxError: "),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("1 / 0", "ZeroDivisionError: division by zero\n  line 1, in <module>: 1 / 0"),
        ("def other(): pass", "main is not defined"),
        ("main = 3", "main is not callable"),
        ("def main(**_): return {1, 2}", "value is a builtins.set"),
        ("def main(**_): return {'a': [{3: 4}]}", "value['a'][0] has the key 3"),
        (
            "import numpy as np\ndef main(**_): return np.array([None])",
            "value is an array of object",
        ),
        ("def main(**_):\n    a = []\n    a.append(a)\n    return a", "nested deeper"),
        ("x = '\\ud800'\ndef main(**_): return x", "lone surrogate"),
        ("def main(**_): return '\ud800'", "the source is not text"),
    ],
)
def test_what_is_no_program_or_no_value_is_invalid(box, source, said):
    outcome = run(box, source)
    assert (outcome.status, outcome.value) == ("invalid", None)
    assert said in outcome.reason


def test_a_raise_names_the_exception_and_only_the_candidates_lines(box):
    outcome = run(box, "def inner(x):\n    return 1 / x\ndef main(**_):\n    return inner(0)")
    assert outcome.status == "crashed"
    assert outcome.reason == (
        "ZeroDivisionError: division by zero\n"
        "  line 4, in main: return inner(0)\n"
        "  line 2, in inner: return 1 / x"
    )


def test_what_was_printed_comes_back_standard_error_included(box):
    source = """
import sys
def main(**_):
    print("out \\N{SNOWMAN}")
    print("err", file=sys.stderr)
    raise KeyError("x")
"""
    outcome = run(box, source)
    assert outcome.stdout == "out \N{SNOWMAN}\nerr\n"
    assert outcome.reason.startswith("KeyError: 'x'")


def test_an_observed_variable_stands_in_place_of_the_output(box):
    source = "seen = []\ndef main(**given):\n    seen.extend(given)\n    raise ValueError('done')"
    outcome = run(box, source, observe="seen")
    assert (outcome.status, outcome.value) == ("crashed", ["weights", "names", "k"])
    returns = run(box, "seen = 1\ndef main(**_): return 2", observe="seen")
    assert (returns.status, returns.value) == ("ok", 1)
    missing = run(box, "def main(**_): return 2", observe="seen")
    assert (missing.status, missing.value) == ("ok", None)


def test_a_harness_calls_the_candidate_in_place_of_the_entry_point(box):
    with Sandbox.open(level=box.level, inputs=INPUTS, harness=HARNESS, limits=LIMITS) as driven:
        good = run(driven, "def main(i): return i * i", rng_seed=5)
        assert good.value[:3] == [0, 1, 4]
        assert good.value[3] == np.random.Generator(np.random.PCG64(5)).random()
        bad = run(driven, "def main(i):\n    return [][i]")
        assert bad.reason == "IndexError: list index out of range\n  line 2, in main: return [][i]"


def test_a_harness_or_module_that_cannot_be_loaded_is_our_mistake(box):
    with pytest.raises(SandboxError, match="must define call"):
        Sandbox.open(level=box.level, harness="x = 1")
    with pytest.raises(SandboxError, match="ZeroDivisionError"):
        Sandbox.open(level=box.level, harness="1 / 0")
    with pytest.raises(SandboxError, match="no_such_module"):
        Sandbox.open(level=box.level, preload=("no_such_module",))
    with pytest.raises(SandboxError, match=r"inputs\['a'\]\['x'\] is a builtins.set"):
        Sandbox.open(level=box.level, inputs={"a": {"x": set()}})


def test_a_value_larger_than_the_bound_is_over_the_limit(box):
    large = run(box, "import numpy as np\ndef main(**_): return np.zeros(2**18)")
    assert large.status == "over_limit"
    assert large.reason == "result_mb: arrays take 2097152 bytes or more, bound 1048576"
    fits = run(box, "import numpy as np\ndef main(**_): return np.zeros(2**17)")
    assert fits.value.nbytes == 2**20
    numbers = run(box, "def main(**_): return list(range(10**6))")
    assert numbers.status == "over_limit"
    assert numbers.reason.startswith("result_mb: ")


def test_a_memory_mapped_input_arrives_as_an_ordinary_array(box, tmp_path):
    np.save(tmp_path / "x.npy", WEIGHTS)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with Sandbox.open(level=box.level, inputs={"m": {"x": mapped, "y": mapped}}) as other:
        source = "def main(x, y): return [x, x is y, type(x).__name__]"
        value = other.run(Job(source, "main", "m")).value
    np.testing.assert_array_equal(value[0], WEIGHTS)
    assert value[1:] == [True, "ndarray"]
