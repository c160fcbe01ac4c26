"""Writes down how long the evaluations of a real search took, for simulations to draw from.

    python benchmarks/recorded_seconds.py ARCHIVE [--run NAME] > benchmarks/recorded_seconds.json

Of every evaluation that the run's steps point at: seconds of running behind the wall and of grading.
"""

import argparse
import json
import sys

from archive import queries
from archive.errors import ArchiveError
from archive.store import Archive

DIGITS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("--run", help="its latest one unless told")
    options = parser.parse_args()
    try:
        with Archive.open(options.archive) as archive:
            run = archive.run(options.run)
            found = queries.evaluations(archive, run.id).values()
            about = {
                "task": archive.task(run.task).name,
                "digest": run.task,
                "run": run.name,
                "steps": run.told,
                "date": run.started[:10],
                "world": run.world,
            }
    except ArchiveError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = [round(each.wall_s + each.grade_s, DIGITS) for each in found]
    json.dump({**about, "seconds": seconds}, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
