"""
Measure one flag in logs of several sizes: ours, which syncs to disk, compared to Gradio's
CSVLogger, which does not; and SQLite, compared to a bare loop with one row per commit.

    python -m benchmarks.flag_latency [--sqlite-rows 10000000]

Peers are measured in turn, round by round, so that changes of the machine affect both.
"""

import argparse
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from flagstone.core.records import Flag, Value
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.sql.store import SqlStore

CSV_ROWS = (0, 10_000, 100_000, 1_000_000)
ROUNDS = 5
LABEL = {"label": "3", "confidences": [{"label": "3", "confidence": 0.7}]}
VALUES = ["a digit that somebody wrote in a hurry", LABEL]
OURS_FLAGS = 200
GRADIO_FLAGS = {0: 200, 10_000: 20, 100_000: 5, 1_000_000: 2}


def make_flag() -> Flag:
    return Flag(
        app="digits",
        inputs={"text": Value(kind="text", data=VALUES[0])},
        outputs={"label": Value(kind="label", data=LABEL)},
        option="wrong",
    )


# --- CSV: a process for each measurement, so that memory is separate ----------------------------


def measure_logger(which: str, folder: str, flags: int) -> None:
    """In its own process: flag *flags* times, print the median time and the memory."""
    gr: Any = import_module("flagstone.gradio" if which == "ours" else "gradio")
    logger = gr.CSVLogger(verbose=False)
    logger.setup([gr.Textbox(label="text"), gr.Label(label="label")], folder)
    taken = []
    for _ in range(flags):
        start = time.perf_counter()
        logger.flag(VALUES, flag_option="wrong")
        taken.append(time.perf_counter() - start)
    print(
        json.dumps({"first": taken[0], "median": statistics.median(taken), "peak": peak_memory()})
    )


def peak_memory() -> int:
    """Return the peak resident memory of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status")


def run_logger(which: str, folder: Path, flags: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.flag_latency", "--logger", which, str(folder)]
    run = subprocess.run(
        [*command, "--flags", str(flags)], capture_output=True, text=True, check=True
    )
    result: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return result


def fill_log(which: str, folder: Path, rows: int) -> None:
    """Create a log of *rows* rows by repeating its last row with other numbers."""
    run_logger(which, folder, 2)
    path = folder / "dataset1.csv"
    *head, last = path.read_bytes().splitlines(keepends=True)
    with path.open("wb") as file:
        file.write(head[0])
        for start in range(0, rows, 10_000):
            numbers = range(start + 1, start + 10_001)
            file.write(b"".join(numbered(last, number) for number in numbers))


def numbered(row: bytes, number: int) -> bytes:
    """Return *row* with this number as record id and row number; Gradio's row has neither."""
    row = re.sub(rb'(""id"":"")[^"]*', rb"\g<1>%036d" % number, row, count=1)
    return re.sub(rb'(""row"":)\d+', rb"\g<1>%d" % number, row)


def measure_csv(place: Path) -> None:
    folders: dict[tuple[str, int], Path] = {}
    for rows in CSV_ROWS:
        for which in ("ours", "gradio"):
            folder = folders[which, rows] = place / f"{which}-{rows}"
            folder.mkdir()
            if rows:
                fill_log(which, folder, rows)
    os.sync()  # so that flags do not pay for filling the logs
    found: dict[tuple[str, int], list[dict[str, float]]] = {key: [] for key in folders}
    for _ in range(ROUNDS):
        for (which, rows), folder in folders.items():
            flags = OURS_FLAGS if which == "ours" else GRADIO_FLAGS[rows]
            found[which, rows].append(run_logger(which, folder, flags))

    def median(which: str, rows: int, what: str) -> float:
        return statistics.median(result[what] for result in found[which, rows])

    print("## One flag, CSV: ours (fsync) beside Gradio's CSVLogger (none)\n")
    print("| rows there | ours, ms | ours, first flag, ms | Gradio, ms | Gradio / ours "
          "| ours, peak MB | Gradio, peak MB |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for rows in CSV_ROWS:
        ours, theirs = median("ours", rows, "median"), median("gradio", rows, "median")
        print(
            f"| {rows:,} | {ours * 1e3:.3f} | {median('ours', rows, 'first') * 1e3:.1f} "
            f"| {theirs * 1e3:.2f} | {theirs / ours:,.1f} "
            f"| {median('ours', rows, 'peak') / 1e6:.0f} "
            f"| {median('gradio', rows, 'peak') / 1e6:.0f} |"
        )
    ratios = alternate_csv(folders["ours", 0], folders["ours", CSV_ROWS[-1]])
    print(f"\nOurs at {CSV_ROWS[-1]:,} rows / ours at 0 rows, flag by flag in turn in one process: "
          f"{statistics.median(ratios):.2f}\n")  # fmt: skip


def alternate_csv(empty: Path, full: Path) -> list[float]:
    shutil.rmtree(empty)
    stores = [CsvFolder(full), CsvFolder(empty)]
    ratios = []
    for _ in range(200):
        at_full, at_empty = (timed(store.append, [make_flag()]) for store in stores)
        ratios.append(at_full / at_empty)
    return ratios


# --- SQLite -------------------------------------------------------------------------------------


def timed(work: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def one_by_one(store: SqlStore, flags: list[Flag]) -> None:
    for flag in flags:
        store.append([flag])


def bare_database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE row (id TEXT PRIMARY KEY, json TEXT NOT NULL)")
    return db


def bare_loop(db: sqlite3.Connection, rows: Iterable[tuple[str, str]]) -> None:
    for row in rows:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO row VALUES (?, ?)", row)
        db.execute("COMMIT")


def in_threads(store: GroupCommit, flags: list[Flag], threads: int) -> None:
    def work(part: list[Flag]) -> None:
        for flag in part:
            store.append([flag])

    running = [threading.Thread(target=work, args=(flags[n::threads],)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def fill_database(path: Path, rows: int) -> None:
    store = SqlStore(path)
    store.append([make_flag()])
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in db.execute("PRAGMA table_info(flagstone_record)")][2:]
        names = ", ".join(f'"{name}"' for name in columns)
        for start in range(0, rows, 500_000):
            db.execute(
                f"WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
                f"INSERT INTO flagstone_record (id, {names}) "
                f"SELECT printf('%036d', i), {names} FROM n, flagstone_record WHERE seq = 1",
                (start, min(start + 500_000, rows)),
            )
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    store.close()


def measure_sqlite(place: Path, largest: int) -> None:
    db = bare_database(place / "bare.db")
    sizes = [rows for rows in (0, 1_000_000, 10_000_000) if rows <= largest]
    stores = {}
    for rows in sizes:
        path = place / f"ours-{rows}.db"
        if rows:
            fill_database(path, rows)
        stores[rows] = SqlStore(path)
        stores[rows].append([make_flag()])
    grouped = GroupCommit(stores[0])

    taken: dict[str, list[float]] = {}
    number = 500
    for _ in range(4 * ROUNDS):
        texts = [(flag.id, flag.to_json()) for flag in (make_flag() for _ in range(number))]
        taken.setdefault("bare", []).append(timed(bare_loop, db, texts) / number)
        for rows, store in stores.items():
            flags = [make_flag() for _ in range(number)]
            key = f"one thread, {rows:,} rows"
            each = timed(one_by_one, store, flags) / number
            taken.setdefault(key, []).append(each)
        flags = [make_flag() for _ in range(8 * number)]
        each = timed(in_threads, grouped, flags, 40) / len(flags)
        taken.setdefault("40 threads, group commit", []).append(each)

    print("## One record, SQLite (WAL, FULL): ours beside a bare loop of INSERT and COMMIT\n")
    print("| | µs each | a second | bare / ours |\n|---|---|---|---|")
    for name, times in taken.items():
        ratio = statistics.median(b / t for b, t in zip(taken["bare"], times, strict=True))
        each = statistics.median(times)
        print(f"| {name} | {each * 1e6:.0f} | {1 / each:,.0f} | {ratio:.2f} |")
    print()


def measure_floor(place: Path) -> None:
    """Measure the disk itself: write a row, fdatasync."""
    row = make_flag().to_json().encode()
    handle = os.open(place / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write() -> None:
        os.write(handle, row)
        os.fdatasync(handle)

    taken = [timed(write) for _ in range(1000)]
    os.close(handle)
    floor = statistics.median(taken) * 1e3
    print(f"The floor: write and fdatasync of one row takes {floor:.3f} ms.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sqlite-rows", type=int, default=10_000_000)
    parser.add_argument("--logger", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--flags", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.logger:
        which, folder = arguments.logger
        measure_logger(which, folder, arguments.flags)
        return
    place = Path(tempfile.mkdtemp(prefix="flagstone-bench-", dir="."))
    try:
        measure_floor(place)
        measure_csv(place)
        measure_sqlite(place, arguments.sqlite_rows)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
