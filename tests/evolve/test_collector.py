"""Garbage is collected seldom while a search works, and as before when it has ended."""

import gc
import weakref

from evolve import collector


class Ring:
    """Cyclic garbage, once nobody else holds it."""

    def __init__(self):
        self.me = self


def test_afterwards_the_collector_does_what_it_did():
    before = gc.get_threshold()
    with collector.seldom_collected(0):
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_of_searches_that_overlap_the_last_one_to_end_puts_things_back():
    before = gc.get_threshold()
    one, other = collector.seldom_collected(0), collector.seldom_collected(0)
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] > before[0]
    assert gc.get_freeze_count() > 0
    other.__exit__(None, None, None)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_a_process_that_froze_objects_or_collects_none_is_left_alone():
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(0)
    try:
        frozen = gc.get_freeze_count()
        with collector.seldom_collected(0):
            assert gc.get_threshold()[0] == 0
        assert gc.get_freeze_count() == frozen
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def test_what_has_lasted_is_not_looked_at_again_and_garbage_goes_first():
    with collector.seldom_collected(100) as past:
        ring, lasting = Ring(), [[] for _ in range(1000)]
        gone = weakref.ref(ring)
        del ring
        past.extend(100 + collector.EVERY - 1)
        assert any(each is lasting[0] for each in gc.get_objects())
        assert gone() is not None
        past.extend(100 + collector.EVERY)
        assert not any(each is lasting[0] for each in gc.get_objects())
        assert gone() is None
