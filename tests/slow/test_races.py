"""
Many threads and processes race for the first flag: nothing is lost, doubled or misplaced.
"""

import csv
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import writers
from rounds import rounds

import flagstone.gradio as gr
from flagstone.stores.open import open_store

pytestmark = pytest.mark.slow


def ids_in(place: Path) -> list[str]:
    with open_store(place) as store:
        return [record.id for record in store.scan()]


def assert_one_header(place: Path, rows: int) -> None:
    """A CSV folder has one log, with one header; SQLite has none."""
    logs = list(place.glob("*.csv"))
    for log in logs:
        with log.open(newline="") as file:
            header, *rest = csv.reader(file, strict=True)
        assert [log.name for log in logs] == ["dataset1.csv"]
        assert header[-1] == "record"
        assert len(rest) == rows
        assert {len(row) for row in rest} == {len(header)}


@pytest.mark.parametrize("logger", [gr.CSVLogger, gr.FlagLogger])
def test_cold_starts_of_8_threads(tmp_path, logger):
    """
    Eight threads that press Flag at once, the first time ever, all have their flag kept.
    """
    box = gr.Textbox(label="t")
    for trial in range(rounds(200)):
        place = tmp_path / str(trial)
        callback = logger()
        callback.setup([box], place)
        barrier = threading.Barrier(8)
        receipts: list[str] = []

        def press(callback=callback, barrier=barrier, receipts: list[str] = receipts) -> None:
            barrier.wait()
            receipts.append(callback.flag(["x"]).flag_id)

        writers.run_threads(8, press)

        assert sorted(ids_in(place)) == sorted(receipts)
        assert len(receipts) == 8
        assert_one_header(place, 8)


def start_processes(kind: str, place: Path, *, processes: int, threads: int, flags: int) -> None:
    context = writers.context()
    barrier = context.Barrier(processes)
    running = [
        context.Process(target=writers.append_flags, args=(kind, place, barrier, threads, flags))
        for _ in range(processes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    codes: Sequence[int | None] = [process.exitcode for process in running]
    assert codes == [0] * processes


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
def test_cold_starts_of_8_processes(tmp_path, kind):
    """
    Eight processes that append at once to a place that is not there yet lose nothing.
    """
    for trial in range(rounds(100)):
        place = tmp_path / str(trial)

        start_processes(kind, place, processes=8, threads=1, flags=1)

        ids = ids_in(place)
        assert len(ids) == len(set(ids)) == 8
        assert_one_header(place, 8)


@pytest.mark.parametrize("kind", ["csv", "sqlite", "sqlite-grouped"])
def test_4_processes_of_10_threads(tmp_path, kind):
    """
    Four processes of ten threads, 200 flags each: 8,000 flags are kept, once each.
    """
    start_processes(kind, tmp_path, processes=4, threads=10, flags=200)

    ids = ids_in(tmp_path)
    assert len(ids) == len(set(ids)) == 8000
    assert_one_header(tmp_path, 8000)
