"""What can go wrong with an archive, told to a person: what, where, and what to do."""


class ArchiveError(Exception):
    """The archive cannot do what was asked; `str(error)` is the whole message."""


class Misnamed(ArchiveError):
    """What a person named (a run, a program, a place) is not there, fits several, or is taken."""


class RunBusy(ArchiveError):
    """Another process writes this run; the message says which."""


class Fenced(ArchiveError):
    """Another writer took this run over (its epoch moved on): stop, and write nothing more."""


class ConnectionLost(ArchiveError):
    """The database server went away; whether the last transaction was committed is unknown."""


class BoundReached(Exception):
    """The worst case of a call would pass a bound; nothing was written.

    bound: "usd" or "tokens". for_now: there is room once the calls under way are settled.
    """

    def __init__(self, bound: str, message: str, *, for_now: bool) -> None:
        super().__init__(message)
        self.bound, self.for_now = bound, for_now
