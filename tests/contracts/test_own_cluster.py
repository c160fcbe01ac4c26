"""The Ray that `--executor ray` starts by itself: only this machine reaches it, and it ends with us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import command

pytest.importorskip("ray")

pytestmark = pytest.mark.slow

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
ROOT = TOY.parent.parent.parent
LAWS = ROOT / "tests" / "laws"  # for its `processes`
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
# Opens a cluster with two places, and tells who listens where and what a place's process knows.
SCRIPT = """
import asyncio, json, os, sys
from pathlib import Path
from processes import descendants

from evolve.loader import load_task
from evolve.ray_executor import RayExecutor
from evolve.world import world

def sockets(pid):
    for each in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = os.readlink(each)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]

async def main():
    task = load_task(sys.argv[1], ["grade_ms=0", "ray.cpus=0.5"])
    async with RayExecutor(task, world(), 2, task.ray) as slots, slots.slot(0), slots.slot(1):
        pids = [os.getpid(), *descendants(os.getpid())]
        inodes = {inode for pid in pids for inode in sockets(pid)}
        rows = [line.split() for name in ("tcp", "tcp6")
                for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
        listening = [row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]
        known = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in pids[1:])
        print(json.dumps({"listening": listening, "knows": b"hush" in known,
                          "pids": pids[1:], "places": len(slots.places)}))

asyncio.run(main())
"""


def test_it_listens_to_this_machine_only_knows_no_key_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{LAWS}",
        "SOME_API_KEY": "hush",
        "PGPASSWORD": "hush",
    }
    environment.pop("RAY_TMPDIR", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(TOY)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["places"] == 2
    assert len(told["listening"]) > 3
    assert set(told["listening"]) <= set(LOOPBACK)
    assert not told["knows"]
    left = [pid for pid in told["pids"] if _is_ours(pid)]
    assert left == []
    assert not (tmp_path / ".ray").exists()  # a token there would be taken for any cluster's


def _is_ours(pid: int) -> bool:
    return any(word in command(pid) for word in (b"ray", b"evolve.grader", b"sandbox.warm"))
