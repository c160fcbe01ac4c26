#!/usr/bin/env bash
# Goes on with a run on a Ray cluster, or begins it: what a scheduler may start again and again.
#
#   run-or-resume.sh NAME TASK [OPTIONS OF `evolve run`]
#
# The options count when the run begins; what goes on keeps its limits (`evolve resume NAME --steps N`
# raises them).
#
# EVOLVE_ARCHIVE        the archive, no password in it: postgresql+psycopg://USER@HOST/NAME
# EVOLVE_PASSWORD_FILE  a file with the password of that user; read here, told to `evolve` alone
# EVOLVE_RAY_ADDRESS    of the cluster, a node of which this must be [auto]
# EVOLVE_RAY_NODES      nodes to wait for, this one included, for 5 minutes at most [1]
# EVOLVE_OPTIONS        words for `run` and `resume` alike: "--workers 64 --set ray.gpus=0.25"
#
# Exit codes are those of evolve: 0 done, 1 the world broke, 2 wrong usage, 130 interrupted.
set -euo pipefail

name=${1:?run-or-resume.sh NAME TASK [OPTIONS]}
task=${2:?run-or-resume.sh NAME TASK [OPTIONS]}
shift 2
address=${EVOLVE_RAY_ADDRESS:-auto}
read -r -a options <<<"--executor ray --set ray.address=$address ${EVOLVE_OPTIONS:-}"

# Slots are as many as the cluster holds when the run begins, unless --workers says how many.
python - "$address" "${EVOLVE_RAY_NODES:-1}" <<'PYTHON'
import sys
import time

import ray

PATIENCE_S = 300

address, wanted = sys.argv[1], int(sys.argv[2])
ray.init(address=address, logging_level="ERROR", log_to_driver=False)
deadline = time.monotonic() + PATIENCE_S
while True:
    alive = sum(node["Alive"] for node in ray.nodes())
    if alive >= wanted or time.monotonic() > deadline:
        break
    time.sleep(1)
print(f"run-or-resume: {alive} of {wanted} nodes of Ray are here", file=sys.stderr)
PYTHON

if [[ -n ${EVOLVE_PASSWORD_FILE:-} ]]; then
    PGPASSWORD=$(<"$EVOLVE_PASSWORD_FILE")
    export PGPASSWORD
fi

# 0: the run is there. 2: no such run, or no archive yet. Else the archive is out of reach.
known=0
said=$(evolve status "$name" --json 2>&1 >/dev/null) || known=$?
case $known in
0) exec evolve resume "$name" "${options[@]}" ;;
2) exec evolve run "$task" --name "$name" "${options[@]}" "$@" ;;
*) echo "$said" >&2; exit "$known" ;;
esac
