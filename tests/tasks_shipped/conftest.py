"""What tests of shipped tasks share: each names its folder, FOLDER, and gets its parts from here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest
import torch
from shipped import module_of

from evolve.grading import namespace
from evolve.spec import TaskSpec, read_spec
from evolve.task import Instance


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep artefacts apart from those of searches on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch use one thread, as in a grader."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def task(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Give the task's `task.py`, its folder being a package."""
    folder = request.module.FOLDER
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder.parent))
        yield importlib.import_module(f"{folder.name}.task")


@pytest.fixture(scope="module")
def spec(request: pytest.FixtureRequest) -> TaskSpec:
    return read_spec(request.module.FOLDER / "task.toml")


@pytest.fixture(scope="module")
def settings(spec: TaskSpec) -> SimpleNamespace:
    return namespace(spec.settings)


@pytest.fixture(scope="module")
def train(task: ModuleType, settings: SimpleNamespace) -> list[Instance]:
    return list(task.instances("train", settings))


@pytest.fixture(scope="module")
def harness(request: pytest.FixtureRequest) -> ModuleType:
    """Give the driver that runs inside the wall."""
    return module_of(request.module.FOLDER / "harness.py")
