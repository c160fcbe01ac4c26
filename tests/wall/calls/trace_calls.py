"""Which system calls the workloads make that the rules do not allow, seen by strace.

    python tests/wall/calls/trace_calls.py [WORKLOAD ...]

Run it by hand where numpy, scipy, torch or libc are new. The workloads run without the filter; what
comes before the fork of each is not counted. A call that is shown is not needed when its workload
succeeds under the filter as well, which `test_seccomp.py` sees to.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from workloads import WORKLOADS

from sandbox.linux.rules import rules

CALL = re.compile(r"(\w+)\(")
PATIENCE_S = 1800


def main(names):
    with tempfile.TemporaryDirectory() as folder:
        for report in traced(names, Path(folder, "calls")):
            workload = WORKLOADS[report["name"]]
            allowed = rules(tasks=workload.tasks, files=workload.files)
            calls = made(Path(folder, f"calls.{report['pid']}"))
            refused = {name: times for name, times in calls.items() if name not in allowed}
            print(f"{report['name']}: {len(calls)} different calls, refused: {refused or 'none'}")


def traced(names, output):
    """Run workloads under strace, which writes one file per process; give their reports."""
    script = Path(__file__).with_name("workloads.py")
    done = subprocess.run(
        ["strace", "-ff", "-qq", "-o", output, sys.executable, script, *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def made(trace):
    """Count the calls of one process by name."""
    found = (CALL.match(line) for line in trace.read_text(errors="replace").splitlines())
    return Counter(match[1] for match in found if match)


if __name__ == "__main__":
    main(sys.argv[1:])
