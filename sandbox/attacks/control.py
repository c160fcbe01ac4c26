"""The positive control: print a line, use numpy, tell what an honest program can notice.

It runs before and after each attack, and must give the same each time.
"""

import builtins
import gc
import os
import random
import resource
import signal
import sys
import time

import numpy as np


def control(numbers, **others):
    print("clean")
    umask = os.umask(0o077)
    os.umask(umask)
    used = (np.sort, np.random.rand, random.random, time.monotonic, time.time, os.listdir)
    return {
        "numbers": numbers.tolist(),
        "sorted": np.sort(numbers).tolist(),
        "product": float((np.ones((5, 10)) @ np.ones((10, 2))).sum()),
        "numpy": [repr(np.geterr()), repr(np.array([1 / 3])), np.isnan([np.nan]).tolist()],
        "functions": [str(function) for function in used],
        "modules": sorted(name for name in sys.modules if name.startswith(("candidate", "left"))),
        "builtins": sorted(vars(builtins)),
        "environment": sorted(os.environ),
        "files": os.listdir(),
        "folder": (os.stat(".").st_size, os.stat(".").st_mode, os.stat(".").st_nlink),
        "umask": umask,
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
        "signals": str(signal.getsignal(signal.SIGINT)),
        "interpreter": [sys.getrecursionlimit(), str(sys.gettrace()), gc.isenabled()],
        "path": sys.path,
    }
