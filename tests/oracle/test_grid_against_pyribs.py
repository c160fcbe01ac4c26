"""Our grid at depth 1 and pyribs' GridArchive agree on random inserts; `make oracle` runs this."""

import numpy as np
import pytest

from evolve.grid import Elite, Grid, Placement, grid_stats
from evolve.spec import Measure

archives = pytest.importorskip("ribs.archives", reason="pyribs is not installed: `make oracle`")

MEASURES = (
    Measure(name="a", range=(0.0, 1.0), bins=7),
    Measure(name="b", range=(-2.0, 3.0), bins=5),
)
QD_OFFSET = -4.0


@pytest.mark.parametrize("rng_seed", range(20))
def test_cells_placements_and_statistics_agree(rng_seed):
    rng = np.random.default_rng(rng_seed)
    theirs = archives.GridArchive(
        solution_dim=1,
        dims=[measure.bins for measure in MEASURES],
        ranges=[measure.range for measure in MEASURES],
        qd_score_offset=QD_OFFSET,
        dtype=np.float64,
    )
    ours = Grid(MEASURES, depth=1)
    for step in range(400):
        fitness = float(rng.normal())
        a, b = float(rng.uniform(-0.1, 1.1)), float(rng.uniform(-2.5, 3.5))
        added = theirs.add_single(np.array([step]), fitness, np.array([a, b]))
        cell, _ = ours.locate({"a": a, "b": b})
        ours, placement = ours.place(cell, Elite(step, f"p{step}", fitness, 1))
        assert tuple(theirs.int_to_grid_index(theirs.index_of(np.array([[a, b]])))[0]) == cell
        assert placement is Placement(int(added["status"]))
    stats, expected = grid_stats(ours, QD_OFFSET), theirs.stats
    assert stats.num_elites == expected.num_elites
    for name in ("coverage", "qd_score", "norm_qd_score", "obj_max", "obj_mean"):
        assert getattr(stats, name) == pytest.approx(float(getattr(expected, name)), rel=1e-9)
