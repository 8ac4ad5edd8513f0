"""
Measure reads of a large store: a page, the next page, and the facets, for several filters.

    python -m benchmarks.reading [--flags 1000000] [--store flags.db]

The store with its index runs in its own process and is compared to the same store without, which
gets fewer queries. `--store` reuses a store that an earlier run created there; a path that does not
end in `.db` is a folder of CSV files.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flagstone import Flag, Query, Review, Store, Value, open_store
from flagstone.review.dashboard.statistics import figures_of
from flagstone.stores.open import with_index

PAGE = 50
ROUNDS = 10
BATCH = 5000
START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [
    "digit",
    "blurry",
    "seven",
    "nine",
    "cat",
    "dog",
    "wrong",
    "label",
    "upside",
    "down",
    "dark",
    "bright",
    "noise",
    "line",
]


def make(path: Path, count: int) -> None:
    """Create a store of *count* flags: 10 % appended late, 2 % reviewed."""
    chance = random.Random(1)
    step = timedelta(days=300) / count
    with open_store(path) as store:
        for start in range(0, count, BATCH):
            flags = [
                flag_of(chance, number, START + step * (number - chance.choice([0] * 9 + [20])))
                for number in range(start, start + BATCH)
            ]
            store.append(flags)
            store.append(
                Review(
                    flag_id=flag.id,
                    by="ana",
                    verdict=chance.choice(["accepted", "rejected", "fixed"]),
                    tags=(chance.choice(["hard", "noise", "twice", "rude"]),),
                )
                for flag in chance.sample(flags, BATCH // 50)
            )


def flag_of(chance: random.Random, number: int, moment: datetime) -> Flag:
    label = chance.choice("0123456789")
    seen = {"label": label, "confidences": [{"label": label, "confidence": 0.7}]}
    text = f"{' '.join(chance.choices(WORDS, k=8))} n{number}"
    return Flag(
        app=f"app {chance.randrange(8)}",
        option=chance.choice(["wrong", "rude", "unsure", None]),
        user=f"user {min(int(chance.paretovariate(1)), 5000)}",
        verified=chance.choice([True, True, False, None]),
        created_at=moment,
        inputs={"text": Value(kind="text", data=text)},
        outputs={"label": Value(kind="label", data=seen)},
    )


QUERIES = {
    "everything": Query(),
    "an app": Query(app="app 3"),
    "an option, the oldest first": Query(option="wrong", order="oldest"),
    "a user with many": Query(user="user 7"),
    "a user with few": Query(user="user 4321"),
    "open, of an app": Query(verdict="open", app="app 1"),
    "accepted": Query(verdict="accepted"),
    "a tag": Query(tag="hard"),
    "not verified": Query(verified=False),
    "since a day": Query(since=START + timedelta(days=200)),
    "until a day": Query(until=START + timedelta(days=9)),
    "app, option, verified and a month": Query(
        app="app 2",
        option="rude",
        verified=True,
        since=START + timedelta(days=60),
        until=START + timedelta(days=90),
    ),
    "a rare text": Query(text="n12345"),
    "a text": Query(text="blurry seven"),
    "a text of almost every second flag": Query(text="digit"),
}


def texts_to_find() -> dict[str, list[str]]:
    """Return texts not searched for before, by kind."""
    chance = random.Random(2)
    parts = sorted({word[n:m] for word in WORDS for n in range(3) for m in range(n + 3, n + 6)})
    phrases = [f"{one} {other}" for one in WORDS for other in WORDS]
    return {
        "one or two characters": [*"aeinrstdx1 ", "ig", "ne", "e ", "12", "n9", "zz", " n"],
        "a word": [word for word in WORDS if word != "digit"],
        "a part of a word": [part for part in parts if len(part) > 2 and part not in WORDS],
        "a word that few have": [f"n{chance.randrange(10**6)}" for _ in range(30)],
        "two words in this order": chance.sample([p for p in phrases if p != "blurry seven"], 30),
    }


def ask(store: Store, query: Query) -> dict[str, float]:
    """Return the milliseconds of a page, the next page, and the facets."""
    query = replace(query, limit=PAGE)
    page, taken = timed(lambda: list(store.find(query)))
    times = {"page": taken}
    if len(page) == PAGE:
        after = replace(query, after=page[-1].id)
        times["next page"] = timed(lambda: list(store.find(after)))[1]
    times["facets"] = timed(lambda: store.facets(query))[1]
    return times


def timed(do: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = do()
    return result, (time.perf_counter() - start) * 1000


def read(path: Path, rounds: int) -> dict[str, Any]:
    """Return the times of all queries, and the memory of the process."""
    store, prepared = timed(lambda: with_index(open_store(path)))
    times: dict[str, dict[str, list[float]]] = {}
    for name, query in QUERIES.items():
        asked = times[name] = {}
        for _ in range(rounds):
            for what, taken in ask(store, query).items():
                asked.setdefault(what, []).append(taken)
    first: dict[str, list[list[float]]] = {}
    for kind, texts in texts_to_find().items():
        first[kind] = [[*ask(store, Query(text=text)).values()] for text in texts]
    figures, dashboard = timed(lambda: figures_of(store, Query()))
    assert figures.total
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.close()
    return {
        "prepared": prepared, "times": times, "first": first, "dashboard": dashboard, "held": held,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flags", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--worker", type=Path)
    arguments = parser.parse_args()
    if arguments.worker:
        sys.stdout.write(json.dumps(read(arguments.worker, ROUNDS)))
        return
    with tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir=".") as folder:
        path = arguments.store or Path(folder) / "flags.db"
        if not path.exists():
            make(path, arguments.flags)
        report(path)


def report(path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.reading", "--worker", str(path)]
    for moment in ("made", "read again"):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        facts = json.loads(done.stdout)
        index = Path(f"{path}.index")
        size = index.stat().st_size / 2**20 if index.exists() else 0
        print(
            f"index {moment} in {facts['prepared'] / 1000:.1f} s, {size:.0f} MB; "
            f"{facts['held']:.0f} MB resident; the dashboard in {facts['dashboard'] / 1000:.2f} s"
        )
    print("\n| asked for | page, ms | next page, ms | facets, ms | without: page | facets |")
    print("|---|---|---|---|---|---|")
    plain = open_store(path)
    is_large = path.stat().st_size > LARGE
    asked_of_both = () if is_large else ("everything", "a user with few", "a text")
    everything: list[float] = []
    for name, query in QUERIES.items():
        asked = facts["times"][name]
        medians = [statistics.median(asked[what]) if what in asked else None for what in COLUMNS]
        everything += [taken for each in asked.values() for taken in each]
        slow = ask(plain, query) if name in asked_of_both else {}
        cells = [*medians, slow.get("page"), slow.get("facets")]
        print(f"| {name} | {' | '.join('' if c is None else f'{c:,.1f}' for c in cells)} |")
    print(f"\n95 % of {len(everything)} questions took at most {at_95(everything):.1f} ms")
    everything += [taken for asked in facts["first"].values() for each in asked for taken in each]
    print(f"of {len(everything)} with first searches for a text: {at_95(everything):.1f} ms")
    print("\n| a first search for | texts | median, ms | 95 %, ms | worst, ms |")
    print("|---|---|---|---|---|")
    for kind, asked in facts["first"].items():
        taken = [max(each) for each in asked]
        cells = [statistics.median(taken), at_95(taken), max(taken)]
        print(f"| {kind} | {len(taken)} | {' | '.join(f'{cell:,.1f}' for cell in cells)} |")


def at_95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


LARGE = 200 << 20
"""Bytes above which a store is not measured without its index."""

COLUMNS = ("page", "next page", "facets")


if __name__ == "__main__":
    main()
