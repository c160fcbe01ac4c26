"""How long it takes to find the nearest of many programs by behaviour, for each canonical form.

    python benchmarks/novelty_bench.py [--programs 100,1000,10000] [--probes 6] [--json]

A check makes the sketch of a record, as for a new program, and compares it with all that are known.
Every probe has --items items; a set or top k is a tenth of them, a trace has one value for each.
Times are medians; the longest of --repeats is told too.
"""

import argparse
import json
import statistics
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from evolve.behaviour import record
from evolve.novelty import kernel, nearest, sketch

FORMS = ("set", "topk", "mask", "ranking", "float:40", "table", "trace", "exact")
# So many are truly different; more rows are shuffled from their probes, since records take time.
DIFFERENT = 64
KERNEL_SIZE = 400  # as many elites as `evolve status` compares


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", default="100,1000,10000", help="how many, by commas")
    parser.add_argument("--probes", type=int, default=6)
    parser.add_argument("--items", type=int, default=1330)
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [int(number) for number in options.programs.split(",")]
    rows = [measured(form, sizes, options) for form in FORMS]
    if options.json:
        print(json.dumps({"options": vars(options), "forms": rows}))
        return
    table = Table(
        title=f"Milliseconds of a check, {options.probes} probes of {options.items} items"
    )
    names = ("form", "record, bytes", "record", "sketch", *(f"{n:,} programs" for n in sizes))
    for name in (*names, f"kernel of {KERNEL_SIZE}"):
        table.add_column(name, justify="left" if name == "form" else "right")
    for row in rows:
        checks = [
            f"{check['ms']:.2f} (at most {check['longest_ms']:.2f})" for check in row["checks"]
        ]
        figures = f"{row['record_bytes']:,}", f"{row['record_ms']:.2f}", f"{row['sketch_ms']:.2f}"
        table.add_row(row["form"], *figures, *checks, f"{row['kernel_ms']:.0f}")
    Console().print(table)


def measured(name, sizes, options):
    form = f"topk:{options.items // 10}" if name == "topk" else name
    rng = np.random.default_rng(0)
    outcomes = [drawn(form, options, rng) for _ in range(DIFFERENT)]
    records = [record(form, each) for each in outcomes]
    different = np.stack([sketch(form, each) for each in records])

    def check(known):
        return nearest(sketch(form, records[0]), known, form)

    checks = []
    for size in sizes:
        known = different[rng.integers(1, DIFFERENT, size)]
        times = timed(lambda known=known: check(known), options.repeats)
        checks.append({"programs": size, "ms": statistics.median(times), "longest_ms": max(times)})
    elites = [records[i] for i in rng.integers(0, DIFFERENT, KERNEL_SIZE)]
    return {
        "form": form,
        "record_bytes": round(statistics.mean(len(each) for each in records)),
        "record_ms": statistics.median(timed(lambda: record(form, outcomes[0]), options.repeats)),
        "sketch_ms": statistics.median(timed(lambda: sketch(form, records[0]), options.repeats)),
        "checks": checks,
        "kernel_ms": min(timed(lambda: kernel(elites), 1)),
    }


def drawn(form, options, rng):
    """Draw what a program might do on every probe."""
    outputs = (output(form, options.items, rng) for _ in range(options.probes))
    return [(f"probe-{i}", "ok", value) for i, value in enumerate(outputs)]


def output(form, items, rng):
    if form == "set":
        return rng.choice(items, items // 10, replace=False)
    return rng.random(items) < 0.5 if form == "mask" else rng.normal(size=items)


def timed(call, repeats):
    """Give the milliseconds of each call, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return times


if __name__ == "__main__":
    main()
