"""One GPU against two CPU cores: evaluations of published programs per hour, side by side in one run.

    python benchmarks/gpu_bench.py [--task data_selection] [--set pool_size=32000] [--pairs 3] [--json]

Both sides evaluate the same programs on `train`, each once: a search would go other ways. The pools
are 16 times as large as the task's own, since a GPU gains by batches. Nothing is served from an archive;
the pairs alternate which side is first. Without a GPU it says so and measures nothing.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter

from evolve import load_task
from evolve.assess import TRAIN, all_of, assessing
from evolve.build import num_slots
from evolve.gpus import visible_gpus

CPU_SLOTS = 2
LARGE_POOLS = ["pool_size=32000"]
TARGET = 40  # times as many on a GPU of the H200's class
HOUR_S = 3600


def main():
    options = arguments()
    found = visible_gpus()[:1]
    if not found and options.device != "cpu":
        reason = "not measured: no GPU is seen (`nvidia-smi` lists none)"
        print(json.dumps({"skipped": reason}) if options.json else reason)
        return
    settings = options.settings or LARGE_POOLS
    cpu, gpu = (
        load_task(options.task, [*settings, f"device={d}"]) for d in ("cpu", options.device)
    )
    programs = list(cpu.programs().values())[: options.programs]
    arms = {"cpu": (cpu, CPU_SLOTS), "gpu": (gpu, num_slots(gpu, options.gpu_slots))}
    rows = []
    for pair in range(options.pairs):
        order = ("cpu", "gpu") if pair % 2 == 0 else ("gpu", "cpu")
        rows.append({arm: asyncio.run(evaluated(*arms[arm], programs)) for arm in order})
    ratios = [row["gpu"]["per_hour"] / row["cpu"]["per_hour"] for row in rows]
    result = {
        "task": options.task,
        "settings": settings,
        "device": options.device,
        "gpu_memory_mb": found[0].memory_mb if found else None,
        "slots": {arm: slots for arm, (_, slots) in arms.items()},
        "programs": len(programs),
        "pairs": rows,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "target": TARGET,
    }
    print(json.dumps(result, indent=1)) if options.json else show(result)


async def evaluated(task, slots, programs):
    """Evaluate each program once; tell how many an hour that is, and what became of them.

    Timed once every slot has loaded the task and evaluated a program: artefacts are built before.
    """
    async with assessing(task, workers=slots) as assessor:
        await all_of(assessor.program(programs[0], TRAIN) for _ in range(slots))
        began = time.perf_counter()
        found = await all_of(assessor.program(source, TRAIN) for source in programs)
        seconds = time.perf_counter() - began
    return {
        "per_hour": len(programs) * HOUR_S / seconds,
        "seconds": seconds,
        "statuses": Counter(each.status.value for each in found),
        # What no GPU saves, and what it may: seconds of CPU behind the wall, seconds of grading.
        "program_s": sum(each.cpu_s for each in found),
        "grade_s": sum(each.grade_s for each in found),
    }


def show(result):
    slots = result["slots"]
    print(f"{result['task']} ({', '.join(result['settings'])}), {result['programs']} programs")
    for row in result["pairs"]:
        cpu, gpu = row["cpu"], row["gpu"]
        print(
            f"  CPU, {slots['cpu']} slots {cpu['per_hour']:8.0f} an hour   {result['device']}, "
            f"{slots['gpu']} slots {gpu['per_hour']:8.0f}   ratio {gpu['per_hour'] / cpu['per_hour']:.1f}"
        )
        print(f"    statuses {dict(cpu['statuses'])} and {dict(gpu['statuses'])}")
        print(
            f"    seconds in programs {cpu['program_s']:.1f} and {gpu['program_s']:.1f}, "
            f"in grading {cpu['grade_s']:.1f} and {gpu['grade_s']:.1f}"
        )
    print(f"  median ratio {result['ratio']:.1f} (target on a GPU of the H200's class: {TARGET})")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="data_selection")
    parser.add_argument("--set", dest="settings", action="append", metavar="KEY=VALUE")
    parser.add_argument("--device", default="cuda", help="cpu tries this script out without a GPU")
    parser.add_argument(
        "--gpu-slots", type=int, help="as many as the GPU's memory holds unless told"
    )
    parser.add_argument("--programs", type=int, help="all published ones unless told")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
