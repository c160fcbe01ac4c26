"""What can go wrong in the world, told to a person: what, where, and what to do.

A bad candidate is never one of these: it is a `Status` of a step, and the search goes on.
"""


class EvolveError(Exception):
    """Something a person must know. `str(error)` is the whole message; `exit_code` the command's."""

    exit_code = 1


class UsageError(EvolveError):
    """The command or an argument is wrong; nothing was started."""

    exit_code = 2


class TaskError(UsageError):
    """A task is not as a task must be; the message names the file and the line or key."""


class WorldError(EvolveError):
    """The world broke (a grader died, the disk is full); all told steps are kept."""


class DeviceBroken(WorldError):
    """A GPU gave up under a task's own code (out of memory, illegal access): its process is spent."""


class Unparsable(EvolveError):
    """A program that Python cannot parse. Raised by pure code, answered by a step's status."""


class Unwritten(EvolveError):
    """An operator has no program to give; the message says why and becomes the step's reason."""
