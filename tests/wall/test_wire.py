"""The wire: whatever goes in comes out the same, and whatever comes in never does harm."""

import json
import math
import os
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sandbox import wire

FUZZ_EXAMPLES = 500
MUTATED_TREES, FRAMES_PER_TREE = 400, 250  # 100,000 frames
CAP = 1 << 16  # bytes that the fuzzed decoder may take
OVERHEAD = 1 << 20  # bytes for objects of the header, which is bounded too

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
some_arrays = arrays.arrays(
    dtype=st.sampled_from(sorted(wire._DTYPES)).map(np.dtype),
    shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**1000, max_value=2**5000),
    st.floats(),
    st.complex_numbers(),
    texts,
    st.binary(max_size=40),
    some_arrays,
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    max_leaves=20,
)


@given(trees)
@settings(deadline=None)
def test_every_tree_comes_back_the_same(tree):
    assert same(wire.decode(frame(tree)), tree)


@given(st.lists(some_arrays, min_size=1, max_size=3), st.data())
@settings(deadline=None)
def test_a_shared_array_is_sent_once_and_stays_shared(pool, data):
    tree = data.draw(st.lists(st.sampled_from(range(len(pool))), min_size=1))
    found = wire.decode(frame([pool[i] for i in tree]))
    for i, a in zip(tree, found, strict=True):
        for j, b in zip(tree, found, strict=True):
            assert (a is b) == (i == j)


def test_orders_and_views_of_arrays_keep_their_values():
    square = np.arange(12.0).reshape(3, 4)
    for array in (square.T, square[::2, ::-1], np.asfortranarray(square), square.astype(">f8")):
        found = wire.decode(frame(array))
        np.testing.assert_array_equal(found, array)
        assert found.flags.c_contiguous
        assert found.dtype.isnative


def test_numpy_scalars_become_plain_values():
    found = wire.decode(frame([np.float64(0.1), np.int8(-3), np.bool_(True), np.complex64(1j)]))
    assert found == [0.1, -3, True, 1j]
    assert list(map(type, found)) == [float, int, bool, complex]


class Liar(np.ndarray):
    """An array that claims to equal whatever it is compared with."""

    def __eq__(self, other):
        return True


class Mapping(dict):
    pass


class Number(float):
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        {1: 2},
        Mapping(a=1),
        Number(3),
        np.zeros(3).view(Liar),
        np.ma.masked_array([1.0]),
        np.array([object()]),
        np.array(["text"]),
        np.array(0, "datetime64[s]"),
        np.zeros(2, [("a", "f8")]),
        np.longdouble(1),
        np.str_("text"),
        "\ud800",
        {"\ud800": 1},
        range(3),
        bytearray(3),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_nothing_else_crosses(value):
    for tree in (value, [value], {"a": [value]}):
        with pytest.raises(wire.WireError):
            wire.encode(tree)


def test_a_refusal_names_the_place():
    with pytest.raises(wire.WireError, match=r"^a\['b'\]\[1\] is a builtins.set"):
        wire.encode({"a": {"b": [0, set()]}})


def test_lists_that_hold_each_other_are_refused_quickly():
    endless: list = []
    endless.append(endless)
    with pytest.raises(wire.WireError, match="nested deeper"):
        wire.encode(endless)
    doubled: list = [["x"]]
    for _ in range(wire.MAX_DEPTH - 2):
        doubled = [doubled, doubled]
    with pytest.raises(wire.TooLarge):
        wire.encode(doubled, max_header=10_000)


def test_bounds_hold_on_both_sides():
    array = np.zeros(1000)
    assert wire.decode(frame(array), 8000).nbytes == 8000
    with pytest.raises(wire.TooLarge):
        wire.encode(array, 7999)
    with pytest.raises(wire.TooLarge):
        wire.decode(frame(array), 7999)
    with pytest.raises(wire.TooLarge):
        wire.encode(["text"] * 1000, max_header=1000)
    with pytest.raises(wire.TooLarge):
        wire.decode(frame(["text"] * 1000), max_header=1000)


def crafted(header: bytes, body: bytes = b"", body_bytes: int | None = None) -> bytes:
    declared = len(body) if body_bytes is None else body_bytes
    return wire._PREFIX.pack(b"EVW1", len(header), declared) + header + body


HOSTILE = {
    "empty": b"",
    "half a prefix": b"EVW1\0",
    "other magic": b"EVIL" + bytes(28),
    "header bomb": wire._PREFIX.pack(b"EVW1", 2**32 - 1, 0),
    "body bomb": crafted(b'{"tree":null,"buffers":[]}', body_bytes=2**63),
    "trailing bytes": crafted(b'{"tree":null,"buffers":[]}') + b"x",
    "unused body": crafted(b'{"tree":null,"buffers":[]}', bytes(16)),
    "not JSON": crafted(b"{"),
    "not UTF-8": crafted(b'{"tree":"\xff","buffers":[]}'),
    "no object": crafted(b"[]"),
    "other keys": crafted(b'{"tree":null}'),
    "deep JSON": crafted(b"[" * 100_000),
    "deep tree": crafted(b'{"tree":' + b"[" * 99 + b"]" * 99 + b',"buffers":[]}'),
    "long digits": crafted(b'{"tree":' + b"9" * 5000 + b',"buffers":[]}'),
    "surrogate": crafted(b'{"tree":"\\ud800","buffers":[]}'),
    "unknown tag": crafted(b'{"tree":{"pickle":"x"},"buffers":[]}'),
    "two tags": crafted(b'{"tree":{"int":"1","dict":{}},"buffers":[]}'),
    "index beyond": crafted(b'{"tree":{"array":0},"buffers":[]}'),
    "index below": crafted(b'{"tree":{"array":-1},"buffers":[["|u1",[1]]]}', bytes(16)),
    "index true": crafted(b'{"tree":{"array":true},"buffers":[["|u1",[1]]]}', bytes(16)),
    "array as bytes": crafted(b'{"tree":{"bytes":0},"buffers":[["|u1",[1]]]}', bytes(16)),
    "object dtype": crafted(b'{"tree":{"array":0},"buffers":[["|O",[2]]]}', bytes(16)),
    "unhashable dtype": crafted(b'{"tree":{"array":0},"buffers":[[[],[2]]]}', bytes(16)),
    "negative shape": crafted(b'{"tree":{"array":0},"buffers":[["<f8",[-1]]]}', bytes(16)),
    "overflowing shape": crafted(
        b'{"tree":{"array":0},"buffers":[["<f8",[4611686018427387903,8]]]}', bytes(16)
    ),
    "many dimensions": crafted(
        b'{"tree":{"array":0},"buffers":[["|u1",[' + b"1," * 99 + b"1]]]}", bytes(16)
    ),
    "empty but huge": crafted(b'{"tree":{"array":0},"buffers":[["<f8",[0,4611686018427387903]]]}'),
    "more than the body": crafted(b'{"tree":{"array":0},"buffers":[["<f8",[3]]]}', bytes(16)),
    "bool of two": crafted(b'{"tree":{"array":0},"buffers":[["|b1",[16]]]}', b"\x02" * 16),
    "int of letters": crafted(b'{"tree":{"int":"zz"},"buffers":[]}'),
    "complex of text": crafted(b'{"tree":{"complex":["1","2"]},"buffers":[]}'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_frames_are_refused(name):
    with pytest.raises(wire.WireError):
        wire.decode(HOSTILE[name])


@given(st.one_of(st.binary(max_size=200), st.builds(crafted, st.binary(max_size=200))))
@settings(deadline=None, max_examples=FUZZ_EXAMPLES)
def test_random_bytes_are_refused_and_nothing_worse(raw):
    harmless(raw)


@given(trees, st.data())
@settings(deadline=None, max_examples=FUZZ_EXAMPLES)
def test_damaged_frames_are_refused_or_read_and_nothing_worse(tree, data):
    raw = bytearray(frame(tree))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    harmless(bytes(raw))
    harmless(bytes(raw[:cut]))


@pytest.mark.slow
@given(trees, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=MUTATED_TREES, suppress_health_check=list(HealthCheck))
def test_a_hundred_thousand_damaged_frames_are_refused_or_read_and_nothing_worse(tree, rng_seed):
    rng = np.random.default_rng(rng_seed)
    whole = np.frombuffer(frame(tree), np.uint8)
    tracemalloc.start()
    for _ in range(FRAMES_PER_TREE):
        raw = whole.copy()
        places = rng.integers(0, min(len(raw), 256), size=rng.integers(1, 4))
        raw[places] = rng.integers(0, 256, size=len(places))
        harmless(raw[: rng.integers(0, len(raw) + 1)] if rng.random() < 0.2 else raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < CAP + OVERHEAD


json_like = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-1, 2**62), st.sampled_from(sorted(wire._DTYPES))
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["dict", "array", "bytes", "int", "complex"]), inner),
    ),
)


@pytest.mark.slow
@given(
    json_like, st.lists(st.tuples(json_like, json_like).map(list), max_size=4), st.integers(0, 64)
)
@settings(deadline=None, max_examples=FUZZ_EXAMPLES)
def test_forged_headers_are_refused_or_read_and_nothing_worse(tree, buffers, size):
    harmless(crafted(json.dumps({"tree": tree, "buffers": buffers}).encode(), bytes(size)))


def test_decoding_allocates_no_more_than_was_sent():
    claims = [b"[0,4611686018427387903]", b"[1000000000]", b"[65536,65536]"]
    for claim in claims:
        raw = crafted(b'{"tree":{"array":0},"buffers":[["<f8",' + claim + b"]]}", bytes(16))
        tracemalloc.start()
        with pytest.raises(wire.WireError):
            wire.decode(raw, CAP)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < CAP + OVERHEAD


def test_trees_cross_a_pipe_one_after_the_other():
    reading, writing = os.pipe()
    sent = [{"x": np.arange(300_000.0)}, [1, "two"], None]
    writer = threading.Thread(target=lambda: [wire.send(writing, tree) for tree in sent])
    writer.start()
    try:
        received = [wire.receive(reading) for _ in sent]
    finally:
        writer.join()
        os.close(writing)
    assert same(received, sent)
    assert received[0]["x"].flags.writeable
    with pytest.raises(wire.WireClosed):
        wire.receive(reading)
    os.close(reading)


def test_an_end_inside_a_frame_and_a_long_silence_are_told_apart():
    reading, writing = os.pipe()
    os.write(writing, frame([1, 2, 3])[:-4])
    with pytest.raises(wire.WireTimeout):
        wire.receive(reading, timeout_s=0.05)
    os.write(writing, frame("next")[:20])
    os.close(writing)
    with pytest.raises(wire.WireError, match=r"inside a frame|does not begin"):
        wire.receive(reading)
    os.close(reading)


def frame(tree) -> bytes:
    return b"".join(bytes(buffer) for buffer in wire.encode(tree))


def harmless(raw: bytes) -> None:
    """Decode; a WireError is fine, and so is a tree that is no larger than its frame."""
    try:
        tree = wire.decode(raw, CAP, wire.MAX_HEADER)
    except wire.WireError:
        return
    wire.encode(tree)  # what was read is a tree that may cross again


def same(a, b) -> bool:
    """Equal with types, NaN, signs of zero and dtypes."""
    if isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in b)
    if isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    if isinstance(b, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    return a == b
