"""All that a state of a run knows, to be compared."""

from evolve import checkpoint


def known(state):
    """Give what a state and its history know, every elite as it is believed now."""
    history = vars(state.history).copy()
    for name in ("entries", "_scores", "part"):  # what is kept whole, at hand, or not yet
        del history[name]
    history["_fitness"] = history["_fitness"].tobytes()  # no NaN equals another
    return checkpoint._plain(state), history, sorted(state.grid.cells), state.ranked
