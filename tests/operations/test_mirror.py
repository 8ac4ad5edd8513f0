"""
The copy in the background: at intervals, when asked, at the end, and after outages.
"""

import logging
import subprocess
import sys
import threading

import pytest

from flagstone.errors import StoreError
from flagstone.operations.mirror import BackgroundSync
from flagstone.stores.base import StoreWrapper
from flagstone.stores.memory import MemoryStore
from flagstone.stores.open import open_store
from flagstone.testing import make_flag

NEVER = 3600.0


class Outage(StoreWrapper):
    """A store that fails so often, and then is there."""

    def __init__(self, store, failures):
        super().__init__(store)
        self.failures = failures
        self.appends = 0

    def append(self, records):
        self.appends += 1
        if self.failures:
            self.failures -= 1
            raise StoreError(doing="write to", where="the Hub", reason="it is away")
        super().append(records)


@pytest.fixture
def source():
    return MemoryStore()


def test_what_was_there_before_is_copied_at_the_start(source):
    """
    A copier begins with what an earlier run left.
    """
    target, flag = MemoryStore(), make_flag()
    source.append([flag])
    copier = BackgroundSync(source, lambda: target, to="target", every=NEVER)
    assert copier.flush()
    assert list(target.scan()) == [flag]
    copier.close()


def test_it_goes_when_many_were_noted(source):
    """
    So many notes start a copy before the interval is over.
    """
    arrived = threading.Event()

    class Target(StoreWrapper):
        def append(self, records):
            super().append(records)
            arrived.set()

    target = Target(MemoryStore())
    copier = BackgroundSync(source, lambda: target, to="target", every=NEVER, most=3)
    assert copier.flush()
    for _ in range(3):
        source.append([make_flag()])
        copier.note()
    assert arrived.wait(30)
    copier.close()
    assert list(target.scan()) == list(source.scan())


def test_an_interval_is_one_append(source):
    """
    What was flagged within an interval goes together.
    """
    target = Outage(MemoryStore(), failures=0)
    copier = BackgroundSync(source, lambda: target, to="target", every=NEVER)
    assert copier.flush()
    source.append([make_flag() for _ in range(20)])
    assert copier.flush()
    assert copier.flush()
    assert target.appends == 1
    copier.close()


def test_an_outage_is_told_and_waited_out(source, caplog, monkeypatch):
    """
    The log says how much waits, since when and why; the next try copies it.
    """
    monkeypatch.setattr("flagstone.operations.mirror._FIRST_PAUSE", 0.01)
    target = Outage(MemoryStore(), failures=2)
    source.append([make_flag()])
    copier = BackgroundSync(source, lambda: target, to="the Hub", every=NEVER)
    with caplog.at_level(logging.WARNING):
        while not copier.flush():
            pass
    assert "1 record pending (oldest:" in caplog.text
    assert "it is away" in caplog.text
    assert "Retrying in" in caplog.text
    assert list(target.scan()) == list(source.scan())
    assert copier.waiting().records == 0
    copier.close()


def test_a_target_that_cannot_be_opened_is_tried_again(source, monkeypatch):
    """
    A copier lives through an error of any kind.
    """
    monkeypatch.setattr("flagstone.operations.mirror._FIRST_PAUSE", 0.01)
    target, failures = MemoryStore(), [ValueError("a bug")]

    def open_target():
        if failures:
            raise failures.pop()
        return target

    source.append([make_flag()])
    copier = BackgroundSync(source, open_target, to="target", every=NEVER)
    while not copier.flush():
        pass
    assert list(target.scan()) == list(source.scan())
    copier.close()


PROGRAM = """
import sys
from flagstone.operations.mirror import BackgroundSync
from flagstone.stores import open_store
from flagstone.testing import make_flag

source, target = map(open_store, sys.argv[1:])
copier = BackgroundSync(source, lambda: target, to="target", every=3600.0)
copier.flush()
source.append([make_flag("at the end")])
copier.note()
"""


def test_the_end_of_the_program_copies_the_rest(tmp_path):
    """
    What was flagged just before the program ends is copied by then.
    """
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    subprocess.run([sys.executable, "-c", PROGRAM, source, target], check=True, timeout=60)
    assert len(list(open_store(target).scan())) == 1
