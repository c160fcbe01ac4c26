"""`python -m evolve`: the command line."""

from evolve.cli import main

main()
