"""Forks a toy run for each request: what all runs import, and the wall they try out, comes once.

    python toy_server.py

A request is a line of JSON, {"arguments": those of toy_run.py, "stdout": file, "stderr": file}; the
answer is a line with the exit status of the fork, negative for the signal that ended it.
"""

import json
import os
import signal
import sys
import traceback

import openai  # noqa: F401 - loads slowly, and a model of a toy run needs it
import toy_run

from sandbox.levels import choose
from sandbox.linux import process


def main():
    choose("auto")  # forks remember it
    for line in sys.stdin:
        assert process.num_threads() == 1, "a fork of several threads could hang"
        pid = os.fork()
        if pid == 0:
            become(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(arguments, stdout, stderr):
    """Be the toy run, and exit as its process would."""
    process.end_with_parent(os.getppid(), signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    status = 1
    try:
        toy_run.main(arguments)
        status = 0
    except BaseException:  # noqa: BLE001 - as a process would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
