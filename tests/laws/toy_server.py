"""Forks toy runs, many at once: what all of them import, and the wall they try out, comes once.

    python toy_server.py

A request is a line of JSON, a list of {"arguments": those of toy_run.py, "stdout": file, "stderr":
file}; the answer, when all forks have ended, is a line with the list of their exit statuses,
negative for the signal that ended one.
"""

import json
import os
import signal
import sys
import traceback

import openai  # noqa: F401 - loads slowly, and a model of a toy run needs it
import psycopg  # noqa: F401 - as slowly, and an archive on PostgreSQL needs it
import toy_run

from sandbox.levels import choose
from sandbox.linux import process

# A run that hangs ends by itself.
TIMEOUT_S = 600


def main():
    choose("auto")  # forks remember it
    for line in sys.stdin:
        pids = [fork(request) for request in json.loads(line)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(statuses), flush=True)


def fork(request):
    assert process.num_threads() == 1, "a fork of several threads could hang"
    pid = os.fork()
    if pid == 0:
        become(**request)
    return pid


def become(arguments, stdout, stderr):
    """Be the toy run, and exit as its process would."""
    process.end_with_parent(os.getppid(), signal.SIGKILL)
    signal.alarm(TIMEOUT_S)
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
