"""The service that tests talk to: as a process of its own, with the same answers for everybody."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path

import pytest
import server
from server import PASSING, Heard, TalkServer, by_digest, drawn, log_normal

SCRIPT = Path(server.__file__)
WAIT_S = 600
N_REQUESTS = 2000


def post(url, text):
    """Ask as chat; give the answer's text, or the name of what went wrong."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    asked = urllib.request.Request(f"{url}/v1/chat/completions", body)
    try:
        with urllib.request.urlopen(asked, timeout=WAIT_S) as answer:
            return json.load(answer)["choices"][0]["message"]["content"]
    except (OSError, ValueError, LookupError, HTTPException) as error:
        return type(error).__name__


def bill(url):
    with urllib.request.urlopen(f"{url}/bill", timeout=WAIT_S) as answer:
        return json.load(answer)


@pytest.fixture
def started(tmp_path):
    """Start the server as a process; it ends with its standard input."""
    processes = []

    def start(*options):
        answers = tmp_path / "answers.json"
        answers.write_text(json.dumps([f"answer {n}" for n in range(10)]))
        process = subprocess.Popen(
            [sys.executable, SCRIPT, "--answers", answers, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process.stdout.readline().strip()

    yield start
    for process in processes:
        process.communicate(timeout=WAIT_S)
        assert process.returncode == 0


def test_equal_requests_get_equal_answers_from_any_server(started):
    first, second = started(), started()
    said = [post(first, f"question {n}") for n in range(8)]
    assert [post(second, f"question {n}") for n in range(8)] == said
    assert len(set(said)) > 1
    told = bill(first)
    assert (told["calls"], told["heard"]) == (8, 8)
    assert told["input"] > told["output"] > 0


def test_faults_are_drawn_and_pass(started):
    url = started("--faults", "0.9", "--rng-seed", "3", "--kinds", "broken_500,html,cut")
    tries = [post(url, "the same") for _ in range(60)]
    assert len({said for said in tries if said.startswith("answer")}) == 1
    told = bill(url)
    assert told["calls"] == sum(said.startswith("answer") for said in tries)
    assert set(told["troubles"]) == {"none", "broken_500", "html", "cut"}


def test_an_answers_file_may_be_a_program(tmp_path):
    path = tmp_path / "answers.py"
    path.write_text("def answer(heard):\n    return heard.body['messages'][0]['content'] + '!'\n")
    with TalkServer(server._answers(path)) as served:
        assert post(served.url, "hello") == "hello!"
    assert [heard.attempt for heard in served.heard] == [0]


def test_faults_and_times_depend_on_the_request_and_the_attempt_alone():
    heard = [Heard("chat", "/", {}, {}, f"{n:064x}", n % 3) for n in range(N_REQUESTS)]
    faults, times = drawn(0.3, rng_seed=1), log_normal(2.0, 0.5, rng_seed=1)
    made = [faults(each) for each in heard]
    assert [faults(each) for each in reversed(heard)] == made[::-1]
    assert 0.25 < sum(fault is not None for fault in made) / N_REQUESTS < 0.35
    assert {fault for fault in made if fault} == set(PASSING)
    assert 1.8 < sorted(map(times, heard))[N_REQUESTS // 2] < 2.2
    assert by_digest(["a"])(heard[0]) == "a"
