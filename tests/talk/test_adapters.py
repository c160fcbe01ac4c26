"""One contract for every adapter of a model: what a misbehaving service sends, and what comes of it."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
import subprocess
import sys
import time

import pytest
from dialects import Said
from server import RETRY_DATE_IN_S, TalkServer

from evolve.messages import FailedCall, Message, Reply, Request, Tool, ToolCall, Usage
from evolve.models.keys import Keys
from evolve.models.names import model_named

CANARY = "sk-canary-0123456789abcdefghijklmnopqrstuvwxyz"
KEYS = Keys(dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "HOSTED_VLLM_API_KEY"), CANARY))
# Far more than any answer takes that is not held back.
PATIENCE_S = 600
SHORT_S = 1.0
ASKED = Request((Message("user", "Write a program."),), max_tokens=4000)
SAID = Said("def f():\n    return 'é\u2028'\n", input=100, output=20, reasoning=5)
USAGE = Usage(input=100, output=20, cached=60, written=10, reasoning=5)
LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})

WIRES = {
    "chat": ("openai/stub@{url}/v1", "chat"),
    "responses": ("openai/stub@{url}/v1", "responses"),
    "messages": ("anthropic/stub@{url}", None),
    "litellm": ("hosted_vllm/stub@{url}/v1", None),
}
needs_litellm = pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None, reason="litellm, an extra, is not installed"
)
WAYS = [
    *((wire, stream) for wire in ("chat", "responses", "messages") for stream in (False, True)),
    pytest.param(("litellm", False), marks=needs_litellm),
]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{'streamed' if way[1] else 'whole'}")
def way(request):
    return request.param


def model_of(way, url, keys=KEYS):
    wire, stream = way
    name, api = WIRES[wire]
    return model_named(name.format(url=url), keys=keys, stream=stream, api=api)


def ask(way, server, request=ASKED, timeout_s=PATIENCE_S, keys=KEYS):
    """Ask once; give the reply, or the failure."""

    async def once():
        model = model_of(way, server if isinstance(server, str) else server.url, keys)
        try:
            return await model.complete(request, timeout_s)
        except FailedCall as failed:
            return failed
        finally:
            await model.close()

    return asyncio.run(once())


def test_a_whole_answer_comes_with_its_text_and_its_tokens(way):
    said = Said(SAID.text, input=100, output=20, cached=60, written=10, reasoning=5)
    with TalkServer([said]) as server:
        reply = ask(way, server)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.calls) == (SAID.text, ())
    assert reply.usage == USAGE
    assert reply.seconds > 0
    assert (server.bill.calls, server.bill.input, server.bill.output) == (1, 100, 20)
    assert server.heard[0].streamed == way[1]


def test_tools_are_offered_and_their_calls_are_read(way):
    said = Said("", calls=(("look", {"at": "the grid"}), ("look", {})), input=9, output=8)
    with TalkServer([said]) as server:
        reply = ask(way, server, Request(ASKED.messages, 100, tools=(LOOK,)))
    assert [(call.name, call.arguments) for call in reply.calls] == [
        ("look", {"at": "the grid"}),
        ("look", {}),
    ]
    assert len({call.id for call in reply.calls}) == 2
    assert len(server.heard[0].body["tools"]) == 1


# What the service does: what becomes of it, and whether nobody can know if it was billed.
TROUBLES = {
    "rate_limited": ("rate_limited", False),
    "no_money": ("forbidden", False),
    "broken_500": ("server", False),
    "unavailable_503": ("server", False),
    "overloaded_529": ("server", False),
    "gateway_504": ("server", True),
    "conflict_409": ("server", False),
    "html_502": ("server", False),
    "unauthorized_401": ("forbidden", False),
    "no_temperature_400": ("rejected", False),
    "redirect": ("rejected", False),
    "html": ("malformed", True),
    "bad_json": ("malformed", True),
    "wrong_type": ("malformed", True),
    "no_end": ("malformed", False),
    "bad_arguments": ("malformed", False),
    "error_inside": ("server", True),
    "truncated": ("truncated", False),
    "filtered": ("filtered", False),
    "refusal": ("filtered", False),
    "empty_choices": ("empty", False),
    "blank": ("empty", False),
    "cut": ("connection", True),
    "reset": ("connection", True),
    "reset_midway": ("connection", True),
    "slow": ("timeout", True),
    "silent": ("timeout", True),
}


# What litellm takes for a good answer: it makes up a finish reason, and looks at no type.
PASSES_LITELLM = ("no_end", "wrong_type")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_trouble_is_one_failed_attempt_of_its_kind(way, trouble):
    fault, maybe_billed = TROUBLES[trouble]
    waits = trouble in ("slow", "silent")
    with TalkServer([SAID], [trouble]) as server:
        failed = ask(way, server, timeout_s=SHORT_S if waits else PATIENCE_S)
    if way[0] == "litellm" and trouble in PASSES_LITELLM:
        assert failed.text == SAID.text
        return
    assert isinstance(failed, FailedCall), failed
    # On a busy machine a short patience may end before the service has heard anything.
    assert len(server.heard) == 1 or (waits and not server.heard)
    assert failed.fault == fault, str(failed)
    if maybe_billed is not None:
        assert failed.maybe_billed == maybe_billed
    assert str(failed)
    assert failed.__suppress_context__ or failed.__context__ is None
    assert CANARY[:12] not in f"{failed!r} {failed}"
    # All that was charged is told, or said to be unknown.
    assert failed.usage is not None or failed.maybe_billed or server.bill.calls == 0
    if server.bill.calls and failed.usage is not None:
        assert (failed.usage.input, failed.usage.output) == (100, 20)


def test_a_stream_that_ends_too_early_and_in_order_is_no_answer(way):
    with TalkServer([SAID], ["cut_politely"]) as server:
        failed = ask(way, server)
    assert failed.fault == ("connection" if way[1] else "malformed")
    assert failed.maybe_billed


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        ("rate_limited", None),
        ("rate_limited_seconds", 2.0),
        ("rate_limited_ms", 0.02),
        ("unavailable_503", 3.0),
        ("rate_limited_date", RETRY_DATE_IN_S),
    ],
)
def test_what_a_service_asks_to_wait_is_passed_on(way, trouble, seconds):
    with TalkServer([SAID], [trouble]) as server:
        failed = ask(way, server)
    if trouble == "rate_limited_date":
        assert 0 < failed.retry_after <= RETRY_DATE_IN_S
    else:
        assert failed.retry_after == seconds


@pytest.mark.parametrize("trouble", ["no_temperature_400", "unauthorized_401"])
def test_a_refusal_is_told_in_the_words_of_the_service_without_the_key(way, trouble):
    with TalkServer([SAID], [trouble]) as server:
        failed = ask(way, server, Request(ASKED.messages, 100, temperature=0.5))
    heard = server.heard[0]
    words = "temperature is not supported" if "400" in trouble else "Incorrect API key provided: "
    assert words in str(failed)
    assert heard.body["temperature"] == 0.5
    sent = heard.headers.get("x-api-key") or heard.headers["authorization"].removeprefix("Bearer ")
    assert sent == CANARY


def test_no_key_is_logged(way, caplog):
    caplog.set_level(logging.DEBUG)
    with TalkServer([SAID], [None, "unauthorized_401", "cut"]) as server:
        for _ in range(3):
            ask(way, server)
    assert caplog.records
    assert CANARY[:12] not in caplog.text


def test_the_environment_leads_no_call_elsewhere(way, monkeypatch):
    for variable in ("HTTP_PROXY", "ALL_PROXY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    if way[0] == "litellm":  # its connections are its own
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with TalkServer([SAID]) as server:
        assert ask(way, server).text == SAID.text


def test_text_that_cannot_be_sent_is_rejected(way):
    with TalkServer([SAID]) as server:
        failed = ask(way, server, Request((Message("user", "half a \ud83d pair"),), 100))
    if server.heard:  # written in ASCII, it goes through
        return
    assert (failed.fault, failed.maybe_billed) == ("rejected", False)


def test_a_server_of_ones_own_is_asked_without_a_key(way):
    with TalkServer([SAID]) as server:
        assert ask(way, server, keys=Keys()).text == SAID.text


def test_nobody_listening_costs_nothing(way):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failed = ask(way, f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert (failed.fault, failed.maybe_billed) == ("connection", False)


def test_the_deadline_holds_though_bytes_keep_coming(way):
    with TalkServer([SAID], [None, "slow"]) as server:
        ask(way, server)  # what has to be loaded is loaded
        began = time.monotonic()
        failed = ask(way, server, timeout_s=SHORT_S)
        took = time.monotonic() - began
    assert failed.fault == "timeout"
    # The slow answer alone would take several times as long.
    assert took < 5


def test_a_call_that_is_cancelled_closes_its_connection(way):
    async def cancelled(server):
        model = model_of(way, server.url)
        call = asyncio.create_task(model.complete(ASKED, PATIENCE_S))
        while not server.talking:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.talking:
            await asyncio.sleep(0.01)
        await model.close()

    with TalkServer([SAID], ["silent"]) as server:
        asyncio.run(asyncio.wait_for(cancelled(server), PATIENCE_S))
        assert server.left == 1


def test_many_calls_are_under_way_at_once(way):
    n_calls = 16

    def everybody_waits(heard):
        return 0.0 if len(server.heard) > n_calls else 0.5

    async def crowd(server):
        model = model_of(way, server.url)
        questions = [Request((Message("user", f"{n}"),), 100) for n in range(n_calls)]
        replies = await asyncio.gather(*(model.complete(q, PATIENCE_S) for q in questions))
        await model.close()
        again = await model.complete(questions[0], PATIENCE_S)
        await model.close()
        return [*replies, again]

    with TalkServer([SAID], latency=everybody_waits) as server:
        replies = asyncio.run(crowd(server))
    assert [reply.text for reply in replies] == [SAID.text] * (n_calls + 1)
    assert server.most_talking == n_calls


# Tells what is looked up or connected to, while a model is loaded and asked.
WATCH = """
import asyncio, sys
def watch(event, details):
    if event == "socket.getaddrinfo":
        print("asks for", details[0])
    if event == "socket.connect" and isinstance(details[1], tuple):
        print("connects to", details[1][0])
sys.addaudithook(watch)
from evolve.messages import FailedCall, Message, Request
from evolve.models.keys import Keys
from evolve.models.names import model_named
name, api, stream = sys.argv[1:]
model = model_named(name, keys=Keys(), api=api or None, stream=stream == "stream")
async def ask():
    print((await model.complete(Request((Message("user", "Hm?"),), 100), 60)).text)
    await model.close()
asyncio.run(ask())
"""


@pytest.mark.parametrize(
    "way",
    [("chat", False), ("messages", True), pytest.param(("litellm", False), marks=needs_litellm)],
    ids=["openai", "anthropic", "litellm"],
)
def test_nothing_is_told_to_anybody_else(way, tmp_path):
    name, api = WIRES[way[0]]
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={CANARY}\nHOSTED_VLLM_API_KEY={CANARY}\n")
    with TalkServer(["Hello."]) as server:
        told = subprocess.run(
            [sys.executable, "-c", WATCH, name.format(url=server.url), api or "",
             "stream" if way[1] else ""],
            capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path,
        )  # fmt: skip
    assert told.stderr == ""
    assert set(told.stdout.splitlines()) <= {
        "asks for 127.0.0.1", "connects to 127.0.0.1", "Hello.",
    }  # fmt: skip
    assert "Hello." in told.stdout
    # A `.env` where it runs is read by nobody but us.
    assert CANARY not in str(server.heard)


CONVERSATION = Request(
    (
        Message("user", "The task."),
        Message("user", "What is known.", stable=True),
        Message("user", "The parents."),
        Message("assistant", "I look.", calls=(ToolCall("c1", "look", {"at": "a"}),)),
        Message("tool", "Nothing there.", answers="c1"),
        Message("user", "Go on."),
    ),
    max_tokens=4000,
    temperature=0.5,
    thinking=1500,
    tools=(LOOK,),
)


@pytest.mark.parametrize("way", [("chat", False)], ids=["chat"])
def test_a_conversation_as_chat_completions(way):
    with TalkServer([SAID]) as server:
        ask(way, server, CONVERSATION)
    body = server.heard[0].body
    user, assistant, tool, last = body.pop("messages")
    assert [part["text"] for part in user["content"]] == [
        "The task.", "What is known.", "The parents.",
    ]  # fmt: skip
    assert assistant["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": "a"}'}
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": "Nothing there."}
    assert last == {"role": "user", "content": "Go on."}
    assert body.pop("tools")[0]["function"]["name"] == "look"
    assert body == {
        "model": "stub", "max_tokens": 4000, "temperature": 0.5, "reasoning_effort": "medium",
    }  # fmt: skip


@pytest.mark.parametrize("way", [("responses", False)], ids=["responses"])
def test_a_conversation_as_responses(way):
    with TalkServer([SAID]) as server:
        ask(way, server, CONVERSATION)
    body = server.heard[0].body
    user, assistant, call, output, last = body.pop("input")
    assert [part["text"] for part in user["content"]] == [
        "The task.", "What is known.", "The parents.",
    ]  # fmt: skip
    assert assistant["content"] == [{"type": "output_text", "text": "I look."}]
    assert (call["call_id"], call["arguments"]) == ("c1", '{"at": "a"}')
    assert output == {"type": "function_call_output", "call_id": "c1", "output": "Nothing there."}
    assert last["content"] == [{"type": "input_text", "text": "Go on."}]
    assert body.pop("tools")[0]["name"] == "look"
    assert body == {
        "model": "stub", "max_output_tokens": 4000, "temperature": 0.5, "store": False,
        "reasoning": {"effort": "medium"},
    }  # fmt: skip


@pytest.mark.parametrize("way", [("messages", True)], ids=["messages"])
def test_a_conversation_as_messages_is_cached_up_to_the_last_stable_one(way):
    with TalkServer([SAID]) as server:
        ask(way, server, CONVERSATION)
    body = server.heard[0].body
    first, assistant, second = body.pop("messages")
    assert [block["text"] for block in first["content"]] == [
        "The task.", "What is known.", "The parents.",
    ]  # fmt: skip
    marked = [block.get("text") for block in first["content"] if "cache_control" in block]
    assert marked == ["What is known."]
    assert assistant["content"][1]["input"] == {"at": "a"}
    result, text = second["content"]
    assert (result["type"], result["tool_use_id"]) == ("tool_result", "c1")
    assert text == {"type": "text", "text": "Go on."}
    assert body.pop("tools")[0]["input_schema"] == LOOK.parameters
    # A model that thinks takes no temperature.
    assert body == {
        "model": "stub", "max_tokens": 4000, "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 1500},
    }  # fmt: skip
