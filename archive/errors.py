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
    """The worst case of this call would pass the bound on dollars; nothing was written."""
