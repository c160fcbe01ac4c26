"""What candidates really do, each piece in a child forked after the imports, as behind the wall.

Run as a script: `python workloads.py [--filter] [NAME ...]`, it writes one line of JSON per piece:
its name, the id of its process, and how it ended (exit status, or minus a signal's number).
"""

import ctypes
import faulthandler
import gc
import importlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RAISED = 97  # exit status of a child whose workload raised
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
BIG = 300 << 20  # bytes


@dataclass(frozen=True)
class Workload:
    """One piece. needs: modules loaded before the fork. ends: how its process should end."""

    run: Callable[[], object]
    needs: tuple[str, ...] = ()
    tasks: bool = False
    files: bool = False
    ends: int = 0


def main(names, *, filtered):
    for variable in ONE_THREAD:
        os.environ[variable] = "1"
    faulthandler.enable(all_threads=False)
    for name in names or WORKLOADS:
        workload = WORKLOADS[name]
        for module in workload.needs:
            importlib.import_module(module)
        if "torch" in workload.needs:
            sys.modules["torch"].set_num_threads(1)
        pid = os.fork()
        if pid == 0:
            child(workload, filtered=filtered)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"name": name, "pid": pid, "ends": status}), flush=True)


def child(workload, *, filtered):
    try:
        if filtered:
            from sandbox.linux import seccomp, syscalls

            rules = seccomp.assemble(syscalls.machine(), tasks=workload.tasks, files=workload.files)
            rules.install(os.getpid())
        workload.run()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    except SystemExit as leaving:
        os._exit(leaving.code)
    except BaseException:  # noqa: BLE001 - whatever it meets
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(RAISED)


def plain_python():
    import colorsys
    import concurrent.futures
    import decimal
    import fractions
    import html.parser
    import sqlite3
    import statistics

    assert statistics.median([decimal.Decimal(2), fractions.Fraction(3), 1]) == 2
    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    html.parser.HTMLParser().feed("<p>")
    database = sqlite3.connect(":memory:")
    assert database.execute("select 1 + 1").fetchone() == (2,)
    assert concurrent.futures.Future().done() is False
    logging.getLogger("x").warning("seen")
    print(sorted(random.sample(range(100), 5)), os.getpid(), os.uname().machine, os.cpu_count())
    print(Path.cwd(), os.getppid(), os.getuid())
    gc.collect()
    os.urandom(8)


def reading_files():
    assert Path(os.__file__).read_text(encoding="utf-8")
    assert Path(os.__file__).stat().st_size
    assert list(os.scandir(Path(os.__file__).parent))
    assert next(os.walk(Path(os.__file__).parent))
    with Path(os.devnull).open("w") as null:
        null.write("x")
        assert not null.isatty()
    with Path(os.__file__).open("rb") as file:
        copy = os.dup(file.fileno())
        os.set_inheritable(copy, True)
        os.set_blocking(copy, True)
        os.sendfile(os.open(os.devnull, os.O_WRONLY), copy, 0, 10)


def writing_files():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(b"12345")
        os.truncate(os.open(path, os.O_RDWR), 3)
        path.rename(Path(folder, "b"))
        Path(folder, "inner").mkdir()
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            assert file.read() == b"x"
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
    assert not Path(folder).exists()


def saving_arrays():
    import numpy as np
    import torch

    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "a.npy"), np.ones(9))
        assert np.load(Path(folder, "a.npy"), mmap_mode="r+").sum() == 9
        np.savez_compressed(Path(folder, "a.npz"), a=np.ones(9))
        torch.save({"a": torch.ones(9)}, Path(folder, "a.pt"))
        assert torch.load(Path(folder, "a.pt"))["a"].sum() == 9


def time_and_signals():
    time.sleep(0.01)
    time.monotonic(), time.process_time(), time.thread_time(), time.time(), time.localtime()
    time.get_clock_info("monotonic")
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    signal.signal(signal.SIGUSR1, lambda *_: seen.append(2))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    assert seen == [1, 2, 2]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    assert signal.sigpending() == set()
    assert signal.sigtimedwait({signal.SIGUSR1}, 0.001) is None


def limits_and_self():
    import resource

    resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0), os.times(), os.getgroups()
    os.sched_yield(), os.umask(0o22), os.statvfs("/"), Path.cwd(), os.chdir("/")


def waiting():
    import select
    import selectors

    reading, writing = os.pipe()
    selector = selectors.DefaultSelector()
    selector.register(reading, selectors.EVENT_READ)
    os.write(writing, b"x")
    assert selector.select(1)
    assert select.select([reading], [], [], 1)[0]
    poll = select.poll()
    poll.register(reading)
    assert poll.poll(1)
    lock = threading.Lock()
    lock.acquire()
    assert not lock.acquire(timeout=0.01)


def big_allocations():
    import numpy as np

    blocks = [bytearray(BIG) for _ in range(3)]
    array = np.ones(BIG // 8)
    array.resize(BIG // 4, refcheck=False)
    del blocks, array
    small = [bytes(1000) for _ in range(100_000)]
    del small
    gc.collect()


def deep_recursion():
    def down():
        return down()

    try:
        down()
    except RecursionError:
        return
    raise AssertionError("it never ended")


def no_threads():
    for refused in (threading.Thread(target=print).start, os.fork):
        try:
            refused()
        except (RuntimeError, BlockingIOError):
            continue
        raise AssertionError("it was started")
    try:
        subprocess.run(["true"], check=True)
    except OSError:
        return
    raise AssertionError("a program was started")


def threads_and_forks():
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if (pid := os.fork()) == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def torch_with_threads():
    import torch

    torch.set_num_threads(2)
    assert (torch.ones(1500, 1500) @ torch.ones(1500, 1500))[0, 0] == 1500


def numpy_mathematics():
    import numpy as np

    rng = np.random.default_rng()
    a = rng.standard_normal((300, 300))
    np.linalg.svd(a), np.linalg.eig(a), np.linalg.solve(a, a), np.linalg.qr(a), np.linalg.pinv(a)
    np.fft.fft2(a), np.sort(a), np.einsum("ij,jk", a, a), np.unique(a.round()), a @ a
    np.random.shuffle(a), np.random.SeedSequence(), np.linalg.cholesky(a @ a.T + 300 * np.eye(300))
    str(a)


def scipy_mathematics():
    import numpy as np
    from scipy import fft, integrate, interpolate, linalg, optimize, signal, sparse, spatial, stats
    from scipy.sparse import linalg as sparse_linalg

    rng = np.random.default_rng(0)
    a = rng.standard_normal((200, 200))
    optimize.minimize(lambda x: ((x - 1) ** 2).sum(), np.zeros(5))
    optimize.linprog([1, 1], A_ub=[[-1, -1]], b_ub=[-1])
    optimize.milp([1, 1], integrality=[1, 1])
    optimize.differential_evolution(lambda x: (x**2).sum(), [(-1, 1)] * 2, maxiter=3, seed=0)
    optimize.linear_sum_assignment(a)
    linalg.lu(a), linalg.expm(a / 100), fft.dct(a), signal.fftconvolve(a, a)
    sparse_linalg.spsolve(sparse.csc_matrix(sparse.eye(200) * 2), np.ones(200))
    sparse_linalg.eigsh(sparse.eye(200), k=2)
    stats.ttest_ind(a[0], a[1]), stats.gaussian_kde(a[0]), stats.norm.rvs(size=3)
    spatial.cKDTree(a).query(a[:3]), spatial.ConvexHull(a[:, :2])
    interpolate.CubicSpline([0, 1, 2], [0, 1, 0])(0.5)
    integrate.quad(np.sin, 0, 1), integrate.solve_ivp(lambda t, y: -y, (0, 1), [1.0])


def torch_training():
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.LazyLinear(10),
    )
    data = DataLoader(
        TensorDataset(torch.randn(64, 1, 16, 16), torch.randint(10, (64,))), 16, shuffle=True
    )
    optimizers = (torch.optim.SGD(model.parameters(), 0.1), torch.optim.AdamW(model.parameters()))
    for optimizer in optimizers:
        for images, labels in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()


def torch_mathematics():
    import torch
    from torch import nn

    a = torch.randn(400, 400)
    a @ a, torch.linalg.svd(a), torch.fft.fft2(a), a.sort(), torch.linalg.solve(a, a), a.topk(3)
    a.bfloat16() @ a.bfloat16(), a.half() @ a.half(), torch.quantile(a, 0.5), a.numpy().sum()
    nn.LSTM(8, 8)(torch.randn(5, 2, 8)), nn.MultiheadAttention(8, 2)(*[torch.randn(5, 2, 8)] * 3)
    nn.TransformerEncoderLayer(8, 2)(torch.randn(5, 2, 8)).sum().backward()
    torch.func.vmap(torch.sin)(a), torch.func.grad(lambda x: (x**2).sum())(a)
    torch.compiler.is_compiling(), torch.get_num_threads(), torch.cuda.is_available()
    with torch.no_grad():
        torch.jit.script(plus_one)(a)
    str(a)


def plus_one(x):
    return x + 1


def a_warning_and_a_traceback():
    import warnings

    warnings.warn("seen", stacklevel=1)
    try:
        raise ValueError("seen")
    except ValueError:
        traceback.print_exc()
    faulthandler.dump_traceback()


WORKLOADS = {
    "plain_python": Workload(plain_python),
    "reading_files": Workload(reading_files),
    "writing_files": Workload(writing_files, files=True),
    "saving_arrays": Workload(saving_arrays, needs=("numpy", "torch"), files=True),
    "time_and_signals": Workload(time_and_signals),
    "limits_and_self": Workload(limits_and_self),
    "waiting": Workload(waiting),
    "big_allocations": Workload(big_allocations, needs=("numpy",)),
    "deep_recursion": Workload(deep_recursion),
    "no_threads": Workload(no_threads),
    "threads_and_forks": Workload(threads_and_forks, tasks=True),
    "a_warning_and_a_traceback": Workload(a_warning_and_a_traceback),
    "numpy_mathematics": Workload(numpy_mathematics, needs=("numpy",)),
    "scipy_mathematics": Workload(scipy_mathematics, needs=("numpy", "scipy")),
    "torch_training": Workload(torch_training, needs=("numpy", "torch", "torch._dynamo")),
    "torch_mathematics": Workload(torch_mathematics, needs=("numpy", "torch")),
    "torch_with_threads": Workload(torch_with_threads, needs=("torch",), tasks=True),
    "segfault": Workload(lambda: ctypes.string_at(0), ends=-signal.SIGSEGV),
    "abort": Workload(os.abort, ends=-signal.SIGABRT),
    "hard_exit": Workload(lambda: os._exit(3), ends=3),
    "exit": Workload(lambda: sys.exit(4), ends=4),
}

if __name__ == "__main__":
    arguments = sys.argv[1:]
    main([name for name in arguments if name != "--filter"], filtered="--filter" in arguments)
