"""data_selection on a user's own examples: what is wrong with a file is said, the rest is drawn."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from evolve.task import Unusable

FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "data_selection"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a grader nothing but the settings tells artefacts apart."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def blobs(size: int, classes: int = 3, width: int = 5, name: int = 0) -> dict[str, np.ndarray]:
    """Separable clusters: features (size, width) and labels 1, 3, 5, ..."""
    draw = np.random.default_rng(name)
    centres = np.random.default_rng(77).normal(0, 3, (classes, width))
    truth = np.arange(size) % classes
    return {"X": centres[truth] + draw.normal(0, 1, (size, width)), "y": 2 * truth + 1}


def saved(folder: Path, arrays: dict[str, Any]) -> str:
    np.savez(folder / "own.npz", **arrays)
    return str(folder / "own.npz")


def settings(path: str, dirt: bool = True) -> SimpleNamespace:
    return SimpleNamespace(
        train_pools=2,
        valid_pools=1,
        test_pools=1,
        pool_size=200,
        initialisations=1,
        device="cpu",
        data=SimpleNamespace(path=path, dirt=dirt),
    )


def targets(name: int = 5) -> dict[str, np.ndarray]:
    return dict(zip(("Xt", "yt"), blobs(150, name=name).values(), strict=True))


GOOD = blobs(240)


def changed(**arrays: Any) -> dict[str, Any]:
    found = {**GOOD, **arrays}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        (changed(X=None), "holds no X; write it with np.savez"),
        (changed(X=None, y=None, Z=np.ones(3)), "holds 'Z', which nothing reads"),
        (changed(Xt=np.ones((2, 5))), "both Xt and yt, or neither"),
        (changed(X=GOOD["X"].astype(str)), "X holds <U"),
        (changed(X=GOOD["X"].astype(complex)), "X holds complex128: give numbers"),
        (changed(X=GOOD["X"].astype(object)), "X cannot be read .*no objects"),
        (changed(X=GOOD["X"][:, 0]), r"X has shape \(240,\), not \(examples, features\)"),
        (changed(X=GOOD["X"].reshape(240, 5, 1)), r"X.reshape\(len\(X\), -1\)"),
        (changed(X=np.ones((240, 0))), "0 features: give 1 to 2048"),
        (changed(X=np.ones((240, 3000), np.int8)), "3000 features: give 1 to 2048"),
        (
            changed(X=np.where(GOOD["X"] == GOOD["X"][7, 2], np.nan, GOOD["X"])),
            "1 values that are NaN or infinite, the first in row 7, column 2",
        ),
        (changed(X=GOOD["X"] * np.inf), "1200 values that are NaN or infinite"),
        (changed(X=GOOD["X"] * 1e200), "scale it down"),
        (changed(X=np.ones((240, 5))), "no feature of X varies"),
        (
            changed(y=GOOD["y"].astype(float)),
            r"y holds float64, not whole numbers: y.astype\(int\)",
        ),
        (changed(y=GOOD["y"].astype(str)), "y holds <U.*return_inverse=True"),
        (changed(y=GOOD["y"].astype(object)), "y cannot be read"),
        (changed(y=GOOD["y"][:, None]), r"y has shape \(240, 1\).*y.ravel\(\)"),
        (changed(y=np.eye(7, dtype=int)[GOOD["y"]]), r"y.argmax\(1\)"),
        (changed(y=np.int64(3)), r"y has shape \(\)"),
        (changed(y=GOOD["y"] - 2), "y runs from -1 to 3: number classes from 0 up"),
        (changed(y=GOOD["y"].astype(np.uint64) * 2**62), "number classes from 0 up"),
        (changed(y=GOOD["y"][:-1]), "X has 240 examples, y 239 labels"),
        (changed(y=np.ones(240, int)), "one class only, 1: give at least two"),
        (changed(y=np.arange(240)), "240 different numbers: give at most 64 classes"),
        (changed(y=np.r_[np.full(230, 4), np.full(10, 9)]), "class 9 has 10 examples in y"),
        (blobs(90), "X has 90 examples: give at least 200"),
        (changed(Xt=np.ones((90, 5)), yt=np.arange(90) % 3), "Xt has 90 examples: give at least"),
        (changed(**{**targets(), "Xt": np.ones((150, 4))}), "X has 5 features and Xt 4"),
        (changed(**{**targets(), "yt": np.arange(150) % 3}), "class 0 is not in y"),
        (changed(**{**targets(), "yt": np.arange(150) % 2 * 2 + 1}), "class 5 is not in yt"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    task: ModuleType, tmp_path: Path, arrays: dict[str, Any], says: str
) -> None:
    path = saved(tmp_path, arrays)
    with pytest.raises(Unusable, match=says) as caught:
        task.material(settings(path))
    assert str(caught.value).startswith(f"data.path={path}: ")
    assert "\n" not in str(caught.value)


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones((300, 2)))
    return file.getvalue()


def _archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, **GOOD)
    return file.getvalue()


class Explodes:
    """What runs if a file is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exit, (3,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no npz file"),
        (b"X,y\n1,2\n", "is no npz file"),
        (pickle.dumps(Explodes()), "is no npz file"),
        (pickle.dumps({"X": 1}), "is no npz file"),
        (_npy(), "is a single array; write it with np.savez"),
        (_npz()[:2000], "is no npz file"),
        (_npz().replace(b"\x93NUMPY", b"\x93NUMBY", 1), "cannot be read"),
        (_archive(X=b"text", y=b"text"), "is no array"),
        (_archive(**{"X.npy": _npy()[:400], "y.npy": _npy()}), "X cannot be read"),
    ],
)
def test_what_is_no_npz_file_is_refused_and_never_unpickled(
    task: ModuleType, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=says):
        task.material(settings(str(path)))


def test_parts_never_mix_and_hold_every_class(task: ModuleType, tmp_path: Path) -> None:
    material = task.material(settings(saved(tmp_path, GOOD)))
    parts = [{row.tobytes() for row in part[0]} for part in _parts(material)]
    assert [len(part) for part in parts] == [120, 54, 66]
    assert not parts[0] & parts[1]
    assert not parts[2] & (parts[0] | parts[1])
    assert all(set(part[1]) == {0, 1, 2} for part in _parts(material))
    assert material.pool[0].mean() == pytest.approx(0, abs=1e-6)


def test_a_target_set_grades_and_is_trusted_and_is_in_no_pool(
    task: ModuleType, tmp_path: Path
) -> None:
    own = settings(saved(tmp_path, {**GOOD, **targets()}))
    material = task.material(own)
    assert len(material.pool[1]) == len(GOOD["y"])
    assert [len(part[1]) for part in (material.trusted, *_parts(material)[1:])] == [51, 51, 48]
    instance = next(iter(task.instances("train", own)))
    pool = {row.tobytes() for row in instance.private["images"]}
    assert not pool & {row.tobytes() for row in material.trusted[0]}
    assert instance.public["pool"]["yt"].tolist() == [0] * 5 + [1] * 5 + [2] * 5


def _parts(material: Any) -> list[Any]:
    return [material.pool, material.valid, material.test]


@pytest.mark.parametrize(
    "make", [lambda: GOOD, lambda: blobs(300, 2, 1), lambda: blobs(600, 20, 30)]
)
def test_pools_of_own_data_are_graded(
    task: ModuleType, tmp_path: Path, make: Callable[[], dict[str, np.ndarray]]
) -> None:
    arrays = make()
    own = settings(saved(tmp_path, arrays))
    classes, width = len(set(arrays["y"].tolist())), arrays["X"].shape[1]
    for split in ("train", "test"):
        instances = list(task.instances(split, own))
        pool = instances[0].public["pool"]
        assert pool["X"].shape == (200, width)
        assert pool["probs"].shape == (4, 12, 200, classes)
        assert pool["n_classes"] == classes
        draw = np.random.default_rng(0)
        choices = [draw.choice(200, instance.public["k"], False) for instance in instances]
        grades = task.grade_many(instances, choices)
        assert grades == [task.grade(*pair) for pair in zip(instances, choices, strict=True)]
        assert all(0 <= grade.score <= 1 for grade in grades)
    probes = list(task.instances("probe", own))
    assert probes[-1].public["pool"]["n_classes"] == classes


def test_without_dirt_examples_stay_as_they_are(task: ModuleType, tmp_path: Path) -> None:
    own = settings(saved(tmp_path, blobs(900)), dirt=False)
    known = {row.tobytes() for row in task.material(own).pool[0]}
    for split in ("train", "valid", "test"):
        instance = next(iter(task.instances(split, own)))
        private = instance.private
        assert instance.groups["regime"] == "untouched"
        assert (private["truth"] == private["labels"]).all()
        assert len({row.tobytes() for row in private["images"]} & known) == 200
