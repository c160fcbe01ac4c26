"""data_selection's adapters: what evolve exports works in torch's and scikit-learn's own hands."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "data_selection"
CLASSES, FEATURES, EXAMPLES, FLIPPED = 3, 8, 300, 60


@pytest.fixture(scope="module")
def adapters() -> Iterator[Callable[[str], ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER.parent))
        yield lambda name: importlib.import_module(f"{FOLDER.name}.exported.{name}")


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    """Clusters, a fifth of whose labels are wrong, and as many clean examples beside them."""
    draw = np.random.default_rng(4)
    centres = draw.normal(0, 2, (CLASSES, FEATURES))
    truth = np.arange(2 * EXAMPLES) % CLASSES
    X = (centres[truth] + draw.normal(0, 1, (2 * EXAMPLES, FEATURES))).astype(np.float32)
    y = truth[:EXAMPLES].copy()
    y[:FLIPPED] = (y[:FLIPPED] + 1) % CLASSES
    return {"X": X[:EXAMPLES], "y": y, "Xt": X[EXAMPLES:][:30], "yt": truth[EXAMPLES:][:30]}


def program(name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec((FOLDER / "programs" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["select"]


def wrong(rows: Any) -> float:
    """Give the share of rows whose label is wrong."""
    return float((np.asarray(rows) < FLIPPED).mean())


def test_a_pool_described_here_is_one_as_in_the_task(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    pool = adapters("features").describe(data["X"], data["y"], trusted=(data["Xt"], data["yt"]))
    shapes = {key: value.shape for key, value in pool.items() if hasattr(value, "shape")}
    assert shapes == {
        "X": (300, 8),
        "y": (300,),
        "probs": (4, 12, 300, 3),
        "emb": (300, 64),
        "hid": (4, 300, 64),
        "grad_norm": (300,),
        "Xt": (30, 8),
        "yt": (30,),
        "tgt_probs": (300, 3),
    }
    kinds = {key: value.dtype.name for key, value in pool.items() if hasattr(value, "dtype")}
    assert {kinds.pop("y"), kinds.pop("yt")} == {"int64"}
    assert set(kinds.values()) == {"float32"}
    np.testing.assert_allclose(pool["probs"].sum(-1), 1, atol=1e-5)
    belief = pool["probs"][:, :, np.arange(300), data["y"]].mean((0, 1))
    assert belief[FLIPPED:].mean() > belief[:FLIPPED].mean() + 0.2


def test_numpy_nets_are_trained_as_torch_trains_them(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    """One step at a time: gradients and AdamW of `features` against torch's own."""
    features = adapters("features")
    steps = 3
    draw = np.random.default_rng(1)
    visits = list(range(1, steps + 1))
    ours = [
        [part.copy() for part in nets]
        for nets in features._trained(data["X"], data["y"], CLASSES, steps, 16, visits, draw)
    ]
    draw = np.random.default_rng(1)
    w1 = draw.normal(0, (2 / FEATURES) ** 0.5, (4, FEATURES, 64))
    w2 = draw.normal(0, 1 / 8, (4, 64, CLASSES))
    start = w1, np.zeros((4, 1, 64)), w2, np.zeros((4, 1, CLASSES))
    nets = [torch.tensor(part, dtype=torch.float32, requires_grad=True) for part in start]
    steered = torch.optim.AdamW(nets, lr=0.01, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(steered, lambda step: 1 - step / steps)
    for kept in ours:
        rows = draw.integers(0, EXAMPLES, (4, 16))
        hidden = torch.relu(torch.from_numpy(data["X"][rows]) @ nets[0] + nets[1])
        said = (hidden @ nets[2] + nets[3]).transpose(1, 2)
        loss = torch.nn.functional.cross_entropy(
            said, torch.from_numpy(data["y"][rows]), reduction="none"
        )
        steered.zero_grad()
        loss.mean(1).sum().backward()
        steered.step()
        schedule.step()
        for own, theirs in zip(kept, nets, strict=True):
            np.testing.assert_allclose(own, theirs.detach().numpy(), atol=2e-5)


def test_a_torch_model_is_trained_on_the_chosen_part(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    sampler = adapters("sampler")
    whole = TensorDataset(torch.from_numpy(data["X"]), torch.from_numpy(data["y"]))
    trusted = data["Xt"], data["yt"]
    part = sampler.subset(whole, program("confident_learning"), 0.3, trusted=trusted)
    assert len(part) == 90
    assert wrong(part.indices) < 0.05
    batches = list(DataLoader(part, batch_size=32, shuffle=True))
    assert [len(batch[1]) for batch in batches] == [32, 32, 26]
    drawn = sampler.SelectionSampler(
        whole, program("confident_learning"), 0.3, trusted=trusted, features=data["X"],
        labels=data["y"], generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    first, second = list(drawn), list(drawn)
    assert first != second
    assert sorted(first) == sorted(second) == part.indices
    assert sum(len(batch[1]) for batch in DataLoader(whole, batch_size=32, sampler=drawn)) == 90


def test_fit_resample_keeps_the_kind_of_what_it_is_given(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    resampler = adapters("resampler").SelectionResampler(
        program("d3_like"), 0.2, trusted=(data["Xt"], np.array(list("abc"))[data["yt"]])
    )
    names = np.array(list("abc"))[data["y"]]
    X, y = resampler.fit_resample(data["X"], names)
    assert X.shape == (60, FEATURES)
    assert set(y.tolist()) == set("abc")
    assert wrong(resampler.sample_indices_) < 0.05
    assert np.array_equal(y, names[resampler.sample_indices_])
    _, listed = resampler.fit_resample(data["X"].tolist(), names.tolist())
    assert listed == y.tolist()


def test_without_trusted_examples_what_is_believed_early_stands_in(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    choose = adapters("features").choose
    rows = choose(program("d3_like"), data["X"], data["y"], 60)
    assert wrong(rows) < 0.1
    assert np.array_equal(rows, choose(program("d3_like"), data["X"], data["y"], 60))


def test_scikit_learn_clones_it_and_learns_from_what_it_gives(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    linear = importlib.import_module("sklearn.linear_model")
    resampler = base.clone(adapters("resampler").SelectionResampler(program("trivial")))
    resampler.set_params(select=program("confident_learning"), fraction=0.3)
    X, y = resampler.fit_resample(data["X"], data["y"])
    score = linear.LogisticRegression().fit(X, y).score(data["Xt"], data["yt"])
    assert score > 0.9


def test_what_cannot_be_described_is_refused(
    adapters: Callable[[str], ModuleType], data: dict[str, np.ndarray]
) -> None:
    choose, select = adapters("features").choose, program("trivial")
    with pytest.raises(ValueError, match="NaN"):
        choose(select, data["X"] * np.nan, data["y"], 5)
    with pytest.raises(ValueError, match="299 labels"):
        choose(select, data["X"], data["y"][1:], 5)
    with pytest.raises(ValueError, match="a class that y does not"):
        choose(select, data["X"], data["y"], 5, trusted=(data["Xt"], data["yt"] + 9))
    with pytest.raises(ValueError, match="more than 0"):
        adapters("resampler").SelectionResampler(select, 0.0).fit_resample(data["X"], data["y"])
    with pytest.raises(ValueError, match="no parameter"):
        adapters("resampler").SelectionResampler(select).set_params(part=3)
