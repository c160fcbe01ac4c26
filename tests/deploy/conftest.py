"""A Slurm of one machine: stand-ins for its commands, which note what they were told."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

CLUSTERS = Path(__file__).resolve().parents[2] / "docs/clusters"
# No wait of these tests is longer, even on a machine that does much else.
PATIENCE_S = 600

NOTE = 'printf "%s\\n" "$(basename "$0") $*" >>"$SLURM_NOTES"\n'
# `srun OPTIONS COMMAND ...` does the command here; what a signal ends, it ends.
SRUN = NOTE + (
    'while [[ $1 == -* ]]; do shift; done\n"$@" & child=$!\n'
    'trap \'kill "$child" 2>/dev/null\' TERM\nwait "$child"\n'
)
SCONTROL = NOTE + 'if [[ $1 == show ]]; then printf "n%s\\n" 1 2 3; fi\n'
# The stand-in of Ray: `--block` stays until it is ended; the head answers once it has begun.
RAY = NOTE + (
    '[[ $1 != start ]] || compgen -e >>"$SLURM_NOTES.known"\n'
    'case "$1 $2" in\n'
    '"start --head") [[ -z ${RAY_FAILS:-} ]] || exit 1; touch "$SLURM_NOTES.head"; exec sleep 600 ;;\n'
    '"start "*) exec sleep 600 ;;\n'
    "health-check*) [[ -e $SLURM_NOTES.head ]] ;;\n"
    "esac\n"
)
PYTHON = NOTE + "cat >/dev/null\n"
# The stand-in of evolve: `status` knows the run once it was begun; a search ends as told.
EVOLVE = NOTE + (
    'printf "%s\\n" "password ${PGPASSWORD:-none}, auth ${RAY_AUTH_MODE:-none}" >>"$SLURM_NOTES.env"\n'
    'case "$1" in\n'
    "status) exit ${STATUS:-$([[ -e $SLURM_NOTES.begun ]] && echo 0 || echo 2)} ;;\n"
    'run | resume) touch "$SLURM_NOTES.begun"\n'
    "[[ -n ${SEARCHES:-} ]] || exit ${ENDS:-0}\n"
    'sleep 600 & child=$!\ntrap \'kill "$child"; exit 130\' TERM\nwait "$child" ;;\n'
    "esac\n"
)
COMMANDS = {
    "srun": SRUN,
    "scontrol": SCONTROL,
    "ray": RAY,
    "python": PYTHON,
    "evolve": EVOLVE,
}


class Slurm:
    """Runs the batch script as Slurm would; keeps what its commands were told."""

    def __init__(self, folder, **commands):
        self.folder, self.notes = folder, folder / "notes"
        self._started = []
        bin = folder / "bin"
        bin.mkdir()
        for name, body in (COMMANDS | commands).items():
            (bin / name).write_text(f"#!/usr/bin/env bash\n{body}")
            (bin / name).chmod(0o755)

    def start(self, *arguments, nodes=3, **variables):
        """Start the batch script; give its process."""
        environment = os.environ | {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "SLURM_NOTES": str(self.notes),
            "HOME": str(self.folder),
            "EVOLVE_ARCHIVE": "postgresql+psycopg://me@db/runs",
            "SLURM_SUBMIT_DIR": str(CLUSTERS),
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_JOB_NODELIST": "n[1-3]",
            "SLURM_JOB_NUM_NODES": str(nodes),
            "SLURM_CPUS_PER_TASK": "16",
            "HEAD_IP": "127.0.0.1",
            "TASK": "toy",
            "NAME": "first",
        }
        script = subprocess.Popen(
            ["bash", str(CLUSTERS / "evolve.sbatch"), *arguments],
            env=environment | variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(script)
        return script

    def do(self, *arguments, **variables):
        """Run the batch script to its end; give its exit code and what it said."""
        script = self.start(*arguments, **variables)
        said, _ = script.communicate(timeout=PATIENCE_S)
        return script.returncode, said

    def told(self, command):
        """Give the lines of one command."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [
            line.removeprefix(f"{command} ") for line in lines if line.startswith(f"{command} ")
        ]

    def known_to_ray(self):
        """Give the variables that the processes of Ray were given."""
        return set(self.notes.with_name("notes.known").read_text().split())

    def wait_for(self, command, words):
        deadline = time.monotonic() + PATIENCE_S
        while not any(words in line for line in self.told(command)):
            assert time.monotonic() < deadline, self.notes.read_text()
            time.sleep(0.02)

    def left_over(self):
        """Give the processes of the sessions that were started here."""
        ours = {str(script.pid) for script in self._started}
        listed = subprocess.run(
            ["ps", "-eo", "sess=,pid=,stat=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
        return [row for row in rows if row[0] in ours and not row[2].startswith("Z")]

    def end(self):
        for script in self._started:
            if script.poll() is None:
                os.killpg(script.pid, signal.SIGKILL)
                script.wait()


@pytest.fixture
def slurm(request, tmp_path):
    """Give the machine; a parameter says which commands of it are others."""
    machine = Slurm(tmp_path, **getattr(request, "param", {}))
    yield machine
    machine.end()
