"""How busy the calls in flight are kept: a slow model, a quick task, two workers.

    python benchmarks/calls_bench.py [--concurrency 16] [--seconds 60] [--json]

The model is a service on this machine whose answers take log-normal times (the median is --latency)
and are never the same program. Busy is the share of the allowed calls in flight that were, from the
moment all places were taken first to the last call begun.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from archive.store import Archive
from evolve import RunLimits, load_task, search
from evolve.models.keys import Keys
from evolve.models.names import model_named
from evolve.opening import open_run

ROOT = Path(__file__).resolve().parent.parent
TOY = ROOT / "tests" / "tasks" / "toy"
SERVER = ROOT / "tests" / "talk" / "server.py"
ANSWERS = """
import itertools
numbers = itertools.count(1)

def answer(heard):
    body = f"return features[:, 0] * {next(numbers)} + features[:, 1]"
    return f"IDEA: another factor.\\n```python\\ndef weigh(features, k, rng):\\n    {body}\\n```"
"""


class Timed:
    """A model that notes when each call began and ended."""

    def __init__(self, model):
        self.name, self._model, self.spans = model.name, model, []

    async def complete(self, request, timeout_s):
        began = time.monotonic()
        try:
            return await self._model.complete(request, timeout_s)
        finally:
            self.spans.append((began, time.monotonic()))

    async def close(self):
        await self._model.close()


def busy_share(spans, places):
    """Give the share of `places` that were taken between the first full house and the last begin."""
    begins = sorted(began for began, _ in spans)
    first, last = begins[min(places, len(begins)) - 1], begins[-1]
    inside = sum(max(0.0, min(end, last) - max(began, first)) for began, end in spans)
    return inside / (places * (last - first))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--latency", type=float, default=2.0, help="median seconds of an answer")
    parser.add_argument("--sigma", type=float, default=0.6, help="of the logarithm of latency")
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long to search")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    mean_s = options.latency * math.exp(options.sigma**2 / 2)
    steps = round(options.seconds / mean_s * options.concurrency)
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers.py"
        answers.write_text(ANSWERS)
        how = ["--latency", str(options.latency), "--sigma", str(options.sigma)]
        command = [sys.executable, str(SERVER), "--answers", str(answers), *how]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as service:
            url = service.stdout.readline().strip()
            found = searched(f"{folder}/bench.db", url, options.concurrency, steps)
            service.stdin.close()
    if options.json:
        print(json.dumps(vars(options) | found))
        return
    print(f"{found['calls']} calls, {options.concurrency} in flight, 2 workers:")
    print(f"  median answer {found['median_s']:.2f} s; places busy {found['busy']:.1%}")


def searched(archive, url, concurrency, steps):
    name = f"openai/stub@{url}/v1"
    model = Timed(model_named(name, keys=Keys()))
    pairs = [f"model.concurrency={concurrency}", "pools=1", "probes=1", "grade_ms=0"]
    with Archive.open(archive) as opened:
        run = open_run(
            load_task(TOY, pairs),
            archive=opened,
            limits=RunLimits(steps=steps),
            operators=["rewrite", "ideate", "crossover"],
            models=[name],
        )
        search(run, workers=2, models=[model])
    spans = model.spans
    lengths = sorted(end - began for began, end in spans)
    return {
        "calls": len(spans),
        "median_s": round(lengths[len(lengths) // 2], 3),
        "busy": round(busy_share(spans, concurrency), 4),
    }


if __name__ == "__main__":
    main()
