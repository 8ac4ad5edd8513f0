"""
An index for fast reads of a database: bitmaps of which flags have which property.

It is built from the records and can be rebuilt at any time, so writers never wait for it: a reader
updates it before each query. A flag is the bit at its row number; "app is digits and verdict is
open" is the intersection of two bitmaps, and flags per user are counted in the result.
"""

import hashlib
import json
import os
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pyroaring import BitMap

from flagstone.core.query import FACETS, VERIFIED, Pair, Query
from flagstone.core.records import Verdict
from flagstone.errors.safe_logs import logger_of
from flagstone.stores.sql.text_index import SCHEMA, Terms, matching

logger = logger_of(__name__)

_FORMAT = 5
_UNSAVED = 20_000
"""Rows after which the index is saved; after a crash, unsaved ones are indexed again."""

_WORTH_SAVING = 2_000
"""Minimum number of unsaved rows to save on close: each save adds a part, however small."""

_BATCH_SIZE = 50_000
_MAX_SEARCHED = 20
"""Cached text searches: a page, its facets and the next page search for the same text."""

_SCHEMA = f"""
{SCHEMA}
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE bitmap (name TEXT PRIMARY KEY, content BLOB);
CREATE TABLE late (made TEXT, id TEXT, seq INTEGER, PRIMARY KEY (made, id)) WITHOUT ROWID;
CREATE TABLE fingerprint (hash INTEGER, seq INTEGER, PRIMARY KEY (hash, seq)) WITHOUT ROWID;
CREATE TABLE early (flag_id TEXT PRIMARY KEY);
CREATE VIRTUAL TABLE search USING fts5(
    text, content='', columnsize=0, tokenize='trigram case_sensitive 1');
"""

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_PRIVATE = 0x10_F000

Property = tuple[str, str | None]
"""A name and a value: ("app", "digits")."""

_FLAGS: Property = ("flags", None)
_ORDERED: Property = ("ordered", None)
_LATE: Property = ("late", None)
_DISCUSSED: Property = ("discussed", None)
_JUDGED = ("verdict", "tag", "assignee")

Key = tuple[str, str]
"""The creation time of a flag, in UTC, and its id; flags are sorted by it."""


class Entry(NamedTuple):
    """The data of a flag that the index needs."""

    seq: int
    id: str
    made: str
    app: str
    option: str | None
    user: str | None
    verified: bool | None
    fingerprint: str
    model: str | None
    corrected: bool
    text: str


class Index:
    """
    The index in the file *path*; if another process has it open, a temporary one.

    `seq` is the number of the last indexed row, `last` the record id in that row.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seq = 0
        self.last = ""
        self._top: Key = ("", "")
        self._bitmaps: dict[Property, BitMap] = {}
        self._changed: set[Property] = set()
        self._unsaved = 0
        self._searched: dict[str, tuple[int, BitMap]] = {}
        self._open()
        self._terms = Terms(self._db)

    def is_current(self) -> bool:
        """Whether the file is still there: an erasure deletes it even while it is in use."""
        try:
            return self._status is None or os.path.samestat(self._path.stat(), self._status)
        except OSError:
            return False

    def discard(self) -> None:
        """Close the file without saving."""
        self._db.close()

    def learn(self, entries: Iterable[Entry]) -> set[str]:
        """Add new flags; return the ids of those that had reviews before they were added."""
        late, hashes, texts = [], [], []
        early = {flag_id for (flag_id,) in self._db.execute("SELECT flag_id FROM early")}
        met = set()
        added: dict[Property, list[int]] = defaultdict(list)
        for entry in entries:
            key = (entry.made, entry.id)
            if key > self._top:
                self._top = key
                added[_ORDERED].append(entry.seq)
            else:
                late.append((*key, entry.seq))
                added[_LATE].append(entry.seq)
                added["late", _day(entry.made)].append(entry.seq)
            for one in (
                _FLAGS,
                ("verdict", "open"),
                ("assignee", None),
                ("app", entry.app),
                ("option", entry.option),
                ("user", entry.user),
                ("verified", VERIFIED[entry.verified]),
                ("day", _day(entry.made)),
                ("model", entry.model),
            ):
                added[one].append(entry.seq)
            if entry.corrected:
                added[_DISCUSSED].append(entry.seq)
            hashes.append((_hash(entry.fingerprint), entry.seq))
            texts.append((entry.seq, _folded(entry.text)))
            self._terms.learn(*texts[-1])
            if entry.id in early:
                met.add(entry.id)
        for one, seqs in added.items():
            self._bitmap(one).update(seqs)
        self._db.executemany("INSERT OR IGNORE INTO late VALUES (?, ?, ?)", late)
        self._db.executemany("INSERT OR IGNORE INTO fingerprint VALUES (?, ?)", hashes)
        self._db.executemany("INSERT INTO search (rowid, text) VALUES (?, ?)", texts)
        self._unsaved += len(hashes)
        return met

    def judge(self, seq: int, verdict: Verdict, assignee: str | None, tags: Iterable[str]) -> None:
        """Update the verdict, the assignee and the tags of the reviewed flag in row *seq*."""
        said: set[Property] = {("verdict", verdict), ("assignee", assignee)}
        wanted = said | {_DISCUSSED, *(("tag", tag) for tag in tags)}
        for one, bitmap in self._bitmaps.items():
            if one[0] in _JUDGED and one not in wanted and seq in bitmap:
                self._bitmap(one).discard(seq)
        for one in wanted:
            self._bitmap(one).add(seq)
        self._unsaved += 1

    def expect(self, flag_id: str) -> None:
        """Record that there is a review of a flag that is not indexed yet."""
        self._db.execute("INSERT OR IGNORE INTO early VALUES (?)", [flag_id])

    def select(self, query: Query) -> BitMap:
        """Return the flags that match *query*, ignoring since, until, after and limit."""
        found = [
            self.having(name, asked)
            for name in ("app", "option", "user", "verdict", "tag", "assignee")
            if (asked := getattr(query, name)) is not None
        ]
        if query.verified is not None:
            found.append(self.having("verified", VERIFIED[query.verified]))
        if query.fingerprint is not None:
            rows = self._db.execute(
                "SELECT seq FROM fingerprint WHERE hash = ?", [_hash(query.fingerprint)]
            )
            found.append(BitMap(seq for (seq,) in rows))
        if query.text:
            found.append(self._search(_folded(query.text)))
        everything = self.having(*_FLAGS)
        return BitMap.intersection(everything, *found) if found else everything

    def having(self, name: str, value: str | None = None) -> BitMap:
        """
        Return the flags with one property.

        "flags" are all flags, "ordered" those stored in order of creation, "late" the others, and
        "discussed" those with a review or a correction.
        """
        return self._bitmaps.get((name, value), BitMap())

    def count(self, found: BitMap) -> dict[str, Counter[str | None]]:
        """Count the flags *found* by each of `FACETS`."""
        facets: dict[str, Counter[str | None]] = {name: Counter() for name in FACETS}
        for (name, value), bitmap in self._bitmaps.items():
            if name in facets and (number := found.intersection_cardinality(bitmap)):
                facets[name][value] = number
        return facets

    def cross(self, found: BitMap, one: str, other: str) -> Counter[Pair]:
        """Count the flags *found* by two properties."""
        crossed: Counter[Pair] = Counter()
        others = list(self._divide(found, other))
        for value, here in self._divide(found, one):
            for other_value, there in others:
                if number := here.intersection_cardinality(there):
                    crossed[value, other_value] = number
        return crossed

    def _divide(self, found: BitMap, name: str) -> Iterator[tuple[str | None, BitMap]]:
        for (key, value), bitmap in self._bitmaps.items():
            if key == name and (part := found & bitmap):
                yield value, part

    def late(self, after: Key, *, is_newest: bool) -> Iterator[tuple[Key, int]]:
        """Yield flags stored later than some created after them, from the key *after* on."""
        order, beyond = ("DESC", "<") if is_newest else ("ASC", ">")
        rows = self._db.execute(
            f"SELECT made, id, seq FROM late WHERE (made, id) {beyond} (?, ?) "  # noqa: S608
            f"ORDER BY made {order}, id {order}",
            after,
        )
        return (((made, id_), seq) for made, id_, seq in rows)

    def late_between(self, since: str, until: str) -> BitMap:
        """Return the "late" flags created in this period: whole days, and parts of both ends."""
        first, last = _day(since), _day(until)
        found = BitMap()
        for (name, day), bitmap in self._bitmaps.items():
            if name == "late" and isinstance(day, str) and first < day < last:
                found |= bitmap
        for begin, end in {(since, min(until, f"{first}~")), (max(since, last), until)}:
            _add(
                found,
                self._db.execute("SELECT seq FROM late WHERE made >= ? AND made < ?", [begin, end]),
            )
        return found

    def save(self, *, is_last: bool = False) -> None:
        """Save the changes since the last time, if there are many."""
        if self._unsaved < (_WORTH_SAVING if is_last else _UNSAVED):
            return
        self._terms.save(self.seq)
        contents = [(json.dumps(one), self._bitmaps[one].serialize()) for one in self._changed]
        self._db.executemany("INSERT OR REPLACE INTO bitmap VALUES (?, ?)", contents)
        meta = {"format": _FORMAT, "seq": self.seq, "last": self.last, "top": self._top}
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('meta', ?)", [json.dumps(meta)])
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        self._changed.clear()
        self._unsaved = 0

    def close(self) -> None:
        """Save the rest, if it is large, and close the file."""
        self.save(is_last=True)
        self._db.close()

    def _search(self, text: str) -> BitMap:
        """Return the flags that contain *text*; cached, so only new rows are searched."""
        seq, found = self._searched.pop(text, (0, BitMap()))
        if seq < self.seq:
            of_terms = self._terms.having(text)
            if of_terms is None:
                found |= matching(self._db, "search", text, seq, self.seq)
            else:
                found = of_terms
        self._searched[text] = self.seq, found
        if len(self._searched) > _MAX_SEARCHED:
            self._searched.pop(next(iter(self._searched)))
        return found

    def _bitmap(self, one: Property) -> BitMap:
        """Return the bitmap of a property and mark it as changed."""
        self._changed.add(one)
        return self._bitmaps.setdefault(one, BitMap())

    def _open(self) -> None:
        try:
            self._db = self._connect(self._path)
            self._load()
        except sqlite3.OperationalError as error:
            # Another reader holds it, or the folder is read-only.
            logger.info("The index %s cannot be used (%s); using another", self._path, error)
            self._db = self._connect("")  # an unnamed temporary file
        except (sqlite3.DatabaseError, ValueError):
            logger.warning("The index %s is damaged and will be rebuilt", self._path)
            self._path.unlink()
            self._db = self._connect(self._path)
        self._status = self._path.stat() if self._path.exists() else None

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA synchronous = OFF")  # it can be rebuilt
            db.execute("BEGIN EXCLUSIVE")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    db.execute(statement)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _load(self) -> None:
        row = self._db.execute("SELECT value FROM meta").fetchone()
        if row is None:
            return
        meta = json.loads(row[0])
        if meta["format"] != _FORMAT:
            self._db.close()
            raise ValueError(meta["format"])
        self.seq, self.last, self._top = meta["seq"], meta["last"], tuple(meta["top"])
        for name, content in self._db.execute("SELECT name, content FROM bitmap"):
            key, value = json.loads(name)
            self._bitmaps[key, value] = BitMap.deserialize(content)


def _folded(text: str) -> str:
    """
    Return *text* for searching: casefolded, with private-use characters for what no index can
    hold (NUL and lone surrogates).
    """
    return _UNWRITABLE.sub(lambda found: chr(_PRIVATE + ord(found[0]) % 0xD7FF), text).casefold()


def _day(made: str) -> str:
    return made[:10]


def _add(bitmap: BitMap, rows: sqlite3.Cursor) -> None:
    """Add the numbers in *rows* in batches; there may be millions."""
    while some := rows.fetchmany(_BATCH_SIZE):
        bitmap.update([seq for (seq,) in some])


def _hash(fingerprint: str) -> int:
    digest = hashlib.sha256(fingerprint.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:7])
