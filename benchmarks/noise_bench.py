"""What a noisy search finds and what it says of it, where the truth is known.

    python benchmarks/noise_bench.py [--repeats 40] [--evaluations 1000] [--json]

Programs have known values; the decisions are those of a real run (tests/laws/noisy_search.py). Every
policy pays for as many evaluations: a program on one block is one. In the first model children are
drawn alike, and their true values have standard deviation 1; in the second they are like one of the
five best and a little worse, so that the best of a search rises. Noise is that of one evaluation.

Beliefs are on the scale that the initial program's score on the train block sets, and so is `bias`.
"Scale's error" is what that adds to a report: the root mean square of what is wrong with it as it
stands; "on fresh blocks" the same where the report is moved by what the initial program gave there.
"""

import argparse
import json
import math
import statistics
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "laws"))

from noisy_search import fixed, searched  # noqa: E402

NOISES = (0.5, 1.0)
FIXED = (1, 2, 4, 8, 16)
# Policies without decisions cost nothing to simulate, so they are averaged over so many seeds.
FIXED_REPEATS = 1000
WIDTH = 132  # characters of the table, also in a file
COLUMNS = ("model", "noise", "policy", "true", "reported", "bias", "error told", "error made",
           "scale's error", "on fresh blocks", "confirms")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=40, help="rng_seeds, from 0")
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--confirm", type=float, default=0.1, help="share of steps, at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row for noise in NOISES for row in alike(noise, options)]
    rows += [row for noise in NOISES for row in lineage(noise, options)]
    if options.json:
        print(json.dumps({"options": vars(options), "rows": rows}))
        return
    table = Table(title=f"{options.evaluations} evaluations, means of {options.repeats} searches")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("model", "policy") else "right")
    for row in rows:
        table.add_row(*(shown(row.get(column)) for column in COLUMNS))
    Console(width=WIDTH).print(table)


def alike(noise, options):
    """Give the rows of children that are all drawn alike."""
    for k in FIXED:
        found = [
            fixed(noise, seed, k, evaluations=options.evaluations) for seed in range(FIXED_REPEATS)
        ]
        true, reported = zip(*found, strict=True)
        policy = f"best mean of {k}"
        yield row_of("alike", noise, policy, true, reported, [b - a for a, b in found])
    yield confirmed("alike", noise, outcomes(noise, options, lineage=False))


def lineage(noise, options):
    """Give the rows of children of the five best."""
    found = outcomes(noise, options, lineage=True)
    yield row_of(
        "lineage",
        noise,
        "best single score",
        [each.naive_true for each in found],
        [each.naive_reported for each in found],
        [each.naive_bias for each in found],
    )
    yield confirmed("lineage", noise, found)


def outcomes(noise, options, *, lineage):
    return [
        searched(
            noise,
            seed,
            evaluations=options.evaluations,
            confirm=options.confirm,
            lineage=lineage,
        )
        for seed in range(options.repeats)
    ]


def confirmed(model, noise, found):
    """Give the row of the best confirmed elite; its bias is taken on the scale of beliefs."""
    row = row_of(
        model,
        noise,
        "best confirmed",
        [each.true for each in found],
        [each.reported - each.luck for each in found],
        [each.bias for each in found],
    )
    row["error told"] = statistics.fmean(each.error for each in found)
    row["scale's error"] = root_mean_square(each.bias + each.luck for each in found)
    row["on fresh blocks"] = root_mean_square(each.fresh_bias for each in found)
    row["confirms"] = statistics.fmean(each.confirms for each in found)
    return row


def row_of(model, noise, policy, true, reported, biases):
    """Give a row. bias: of what is reported, with its standard error; error made: its root mean square."""
    spread = statistics.stdev(biases) / math.sqrt(len(biases))
    return {
        "model": model,
        "noise": noise,
        "policy": policy,
        "true": statistics.fmean(true),
        "true se": statistics.stdev(true) / math.sqrt(len(true)),
        "reported": statistics.fmean(reported),
        "bias": statistics.fmean(biases),
        "bias se": spread,
        "error made": root_mean_square(biases),
    }


def root_mean_square(values):
    return math.sqrt(statistics.fmean(value**2 for value in values))


def shown(value):
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
