"""What every embedder keeps, and what each tells alike."""

import asyncio
import importlib.util
import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from evolve.embedding import BATCH, embedder_named
from evolve.errors import UsageError
from evolve.messages import FailedCall
from evolve.models.keys import Keys
from evolve.novelty import similar

CANARY = "sk-canary-0123456789abcdefghijklmnopqrstuvwxyz"
KEYS = Keys({"HOSTED_VLLM_API_KEY": CANARY, "OPENAI_API_KEY": CANARY})
PROGRAM = '''
import numpy as np


def select(items, k):
    """The k largest."""
    order = np.argsort(-items)  # largest first
    return order[:k]
'''
RENAMED = PROGRAM.replace("order", "ranked").replace("largest", "highest")
ANOTHER_K = PROGRAM.replace("[:k]", "[:k + 1]")
STRANGER = "def select(items, k):\n    return [i for i in range(len(items)) if items[i] > 3][:k]\n"
needs_litellm = pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None, reason="litellm, an extra, is not installed"
)


def embed(embedder, texts, **options):
    async def once():
        try:
            return await embedder.embed(texts, **options)
        finally:
            await embedder.close()

    return asyncio.run(once())


def length(row):
    """Stand in for a model: a row that tells the length of a text."""
    return [3.0, 4.0 + len(row)]


class Service:
    """An embedding service on this machine. answer: from a request's texts to status and body."""

    def __init__(self, answer):
        self.heard, service = [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                service.heard.append((self.path, self.headers["authorization"], body))
                status, answered = answer(body["input"])
                text = json.dumps(answered).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.name = f"litellm/hosted_vllm/stub@http://127.0.0.1:{self._server.server_port}/v1"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def good(texts):
    rows = [
        {"object": "embedding", "index": i, "embedding": length(text)}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return 200, {"object": "list", "model": "stub", "data": rows[::-1], "usage": usage}


def fake_package(monkeypatch):
    class SentenceTransformer:
        def __init__(self, name):
            if name == "missing":
                raise OSError("no such model")

        def encode(self, texts, **_):
            return np.array([length(text) for text in texts], dtype=np.float32)

    package = types.ModuleType("sentence_transformers")
    package.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)


@pytest.mark.parametrize("kind", ["tfidf", "local", pytest.param("litellm", marks=needs_litellm)])
def test_every_embedder_gives_rows_of_length_1_that_know_nothing_of_each_other(kind, monkeypatch):
    fake_package(monkeypatch)
    texts = [PROGRAM, STRANGER, "not python (", "", "\ud800"]
    texts = texts[:4] if kind == "litellm" else texts
    with Service(good) as service:
        name = {"tfidf": "tfidf", "local": "local/some/model", "litellm": service.name}[kind]
        embedder = embedder_named(name, keys=KEYS)
        together = embed(embedder, texts)
        alone = np.concatenate([embed(embedder, [text]) for text in texts])
        none = embed(embedder, [])
    assert embedder.name == name
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-6)
    assert np.array_equal(together, alone)
    assert len(none) == 0


def test_tf_idf_sees_through_names_and_comments_and_tells_strangers_apart():
    rows = embed(embedder_named("tfidf", keys=KEYS), [PROGRAM, RENAMED, ANOTHER_K, STRANGER])
    cosines = rows @ rows[0]
    assert cosines[1] == pytest.approx(1.0, abs=1e-6)
    assert cosines[1] > cosines[2] > 0.8 > 0.6 > cosines[3]
    assert similar(rows[1:], rows[0], 0.95) == (0, pytest.approx(1.0, abs=1e-6))


def test_tf_idf_counts_what_all_have_for_less():
    corpus = [PROGRAM, RENAMED, ANOTHER_K]
    plain = embed(embedder_named("tfidf", keys=KEYS), [PROGRAM, ANOTHER_K])
    fitted = embed(embedder_named("tfidf", keys=KEYS, corpus=corpus), [PROGRAM, ANOTHER_K])
    assert fitted[0] @ fitted[1] < plain[0] @ plain[1]


@needs_litellm
def test_many_texts_go_in_batches_with_the_key_and_come_back_in_order():
    texts = ["x" * i for i in range(1, BATCH + 3)]
    with Service(good) as service:
        rows = embed(embedder_named(service.name, keys=KEYS), texts)
    assert [len(body["input"]) for _, _, body in service.heard] == [BATCH, 2]
    assert {(path, key) for path, key, _ in service.heard} == {
        ("/v1/embeddings", f"Bearer {CANARY}")
    }
    expected = np.array([length(text) for text in texts])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert rows == pytest.approx(expected, abs=1e-6)


def row_of(value):
    return 200, {"object": "list", "model": "stub", "data": [{"index": 0, "embedding": value}]}


@needs_litellm
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((401, {"error": {"message": f"Incorrect API key provided: {CANARY}"}}), "forbidden"),
        ((429, {"error": {"message": "slow down"}}), "rate_limited"),
        ((500, {"error": {"message": "broken"}}), "server"),
        ((200, {"object": "list", "model": "stub", "data": []}), "malformed"),
        (row_of([]), "malformed"),
        (row_of(["a"]), "malformed"),
        (row_of([1e999]), "malformed"),
    ],
)
def test_what_a_service_does_wrong_is_a_failed_call_without_a_key(answer, fault):
    with Service(lambda _: answer) as service, pytest.raises(FailedCall) as failed:
        embed(embedder_named(service.name, keys=KEYS), ["text"])
    assert failed.value.fault == fault
    assert CANARY[:12] not in str(failed.value)
    assert len(service.heard) == 1


@needs_litellm
def test_a_service_that_does_not_answer_has_a_deadline():
    asked = threading.Event()

    def wait(texts):
        asked.wait(2)
        return good(texts)

    with Service(wait) as service:
        embedder = embedder_named(service.name, keys=KEYS)
        with pytest.raises(FailedCall, match=r"no whole answer within 0\.2 s"):
            embed(embedder, ["text"], timeout_s=0.2)
        asked.set()


@needs_litellm
@pytest.mark.parametrize(("usage", "tokens"), [({"prompt_tokens": 7}, 14), (None, None)])
def test_what_a_service_bills_is_told_where_it_says_so(usage, tokens):
    def answer(texts):
        status, body = good(texts)
        return status, {**body, "usage": usage and usage | {"total_tokens": 7}}

    with Service(answer) as service:
        embedder = embedder_named(service.name, keys=KEYS)

        async def once():
            try:
                return await embedder.billed([PROGRAM] * (BATCH + 1))
            finally:
                await embedder.close()

        rows, counted = asyncio.run(once())
    assert (len(rows), counted) == (BATCH + 1, tokens)


@pytest.mark.parametrize(
    "name", ["", "tf", "tfidf/x", "litellm", "litellm/", "litellm/stub", "local/", "openai/x"]
)
def test_an_unknown_name_is_told_what_there_is(name):
    with pytest.raises(UsageError, match="say tfidf, litellm/PROVIDER/NAME"):
        embedder_named(name, keys=KEYS)


def test_a_secret_in_a_url_is_refused():
    with pytest.raises(UsageError, match="no user or password"):
        embedder_named("litellm/openai/x@http://me:secret@127.0.0.1/v1", keys=KEYS)


def test_a_missing_package_or_model_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UsageError, match="pip install sentence-transformers"):
        embedder_named("local/x", keys=KEYS)
    fake_package(monkeypatch)
    with pytest.raises(UsageError, match="embedder local/missing: cannot be loaded: no such model"):
        embed(embedder_named("local/missing", keys=KEYS), ["text"])
