"""The SQL store of runs: what was paid for or computed is here before anything believes it.

    from archive.store import Archive

    with Archive.open("evolve.db") as archive:
        run = archive.run()                      # the latest
        with archive.write(run) as journal:      # the only writer of that run
            journal.tell(...)

Reads are functions of `archive.queries`; record types stand in `archive.records`. This package
knows nothing of search rules, and importing it (or `records`, `errors`) loads no SQLAlchemy.
"""
