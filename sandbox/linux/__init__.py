"""What the wall asks of the Linux kernel, by ctypes; the only place that knows numbers of calls."""
