"""
Measure exports of flags with a text and a label from SQLite, compared to plain loops.

    python -m benchmarks.export [--flags 1000000]

Each runs in its own process. Ours is synced to disk and hashed, with a manifest. The first peer
only reads each row's JSON; the second builds a table with pandas and writes it.
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from flagstone import Flag, Value, open_store
from flagstone.exporters.export import export

AT_ONCE = 5000
ROUNDS = 3
WHAT = ("loop", "by hand", "parquet", "jsonl")


def fill(path: Path, count: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with open_store(path) as store:
        for first in range(0, count, AT_ONCE):
            store.append([flag(n, start) for n in range(first, min(first + AT_ONCE, count))])


def flag(number: int, start: datetime) -> Flag:
    label = str(number % 10)
    confidences = [{"label": label, "confidence": 0.7}]
    return Flag(
        created_at=start + timedelta(seconds=number),
        app="digits",
        inputs={"text": Value(kind="text", data=f"some words of flag number {number}")},
        outputs={"label": Value(kind="label", data={"label": label, "confidences": confidences})},
        option=("wrong", "unsure")[number % 2],
        user=f"user {number % 100}",
    )


def rows_of(path: Path) -> Any:
    statement = "SELECT json FROM flagstone_record WHERE type = 'flag' ORDER BY created_at, id"
    for (text,) in sqlite3.connect(path).execute(statement):
        yield json.loads(text)


def loop(path: Path, _: Path) -> None:
    for _row in rows_of(path):
        pass


def by_hand(path: Path, out: Path) -> None:
    pandas: Any = import_module("pandas")
    names = ("id", "created_at", "app", "option", "user", "fingerprint")
    rows = [
        {
            **{name: row.get(name) for name in names},
            "inputs.text": row["inputs"]["text"]["data"],
            "outputs.label": row["outputs"]["label"]["data"]["label"],
        }
        for row in rows_of(path)
    ]
    pandas.DataFrame(rows).to_parquet(out, compression="zstd")


def ours(path: Path, out: Path, form: Any) -> None:
    with open_store(path) as store:
        export(store, out, format=form)


def worker(what: str, path: Path, out: Path) -> None:
    """In its own process: run, and print seconds and peak memory."""
    import_module("pyarrow.parquet")
    start = time.perf_counter()
    match what:
        case "loop":
            loop(path, out)
        case "by hand":
            by_hand(path, out)
        case _:
            ours(path, out, what)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps({"seconds": seconds, "peak": peak / 1024}) + "\n")


def measure(what: str, path: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.export", "--worker", what, str(path), str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    facts: dict[str, float] = json.loads(done.stdout)
    return facts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flags", type=int, default=1_000_000)
    parser.add_argument("--worker", nargs=3)
    arguments = parser.parse_args()
    if arguments.worker:
        what, path, out = arguments.worker
        worker(what, Path(path), Path(out))
        return
    print("| flags | what | seconds, best of 3 | flags a second | peak MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir=".") as name:
        for count in (arguments.flags // 10, arguments.flags):
            path = Path(name) / f"{count}.db"
            fill(path, count)
            taken: dict[str, list[dict[str, float]]] = {what: [] for what in WHAT}
            for turn in range(ROUNDS):
                for what in WHAT:
                    out = Path(name) / f"{what} {count} {turn}"
                    taken[what].append(measure(what, path, out))
            for what, facts in taken.items():
                seconds = min(fact["seconds"] for fact in facts)
                peak = max(fact["peak"] for fact in facts)
                print(
                    f"| {count:,} | {what} | {seconds:.1f} | {count / seconds:,.0f} | {peak:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
