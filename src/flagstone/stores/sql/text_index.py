"""
Substring search for texts that many flags contain: short ones, and parts of words.

A full-text index returns matches one by one, which is slow if there are many. So the flags of each
frequent word, and of each one or two characters, are stored as a bitmap; rare words go to a
separate full-text index. A text of only letters, or only digits, can occur only within a word, so
its flags are those of all words that contain it.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import orjson
from pyroaring import BitMap

SCHEMA = """
CREATE TABLE term (id INTEGER PRIMARY KEY, term TEXT UNIQUE);
CREATE TABLE posting (
    term INTEGER, part INTEGER, flags BLOB, PRIMARY KEY (term, part)) WITHOUT ROWID;
CREATE VIRTUAL TABLE rare USING fts5(
    text, content='', columnsize=0, tokenize='trigram case_sensitive 1');
"""

SHORTEST = 3
"""Length of the shortest text that an FTS5 trigram index can find."""

_WORD = re.compile(r"[^\W\d_]+|\d+")
_FREQUENT = 40
"""Number of flags from which a word is frequent in a part; a part has about 20,000 flags."""

_BATCH_SIZE = 500_000
"""Rows searched at a time: each match takes 36 bytes in Python."""


class Terms:
    """The terms of the flags in *db*, an index; each `save` stores new ones as one part."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._pending: dict[str, list[int]] = defaultdict(list)
        self._part = db.execute("SELECT max(part) FROM posting").fetchone()[0] or 0

    def learn(self, seq: int, text: str) -> None:
        """Add the flag in the row *seq*; *text* is casefolded."""
        words = {word for word in _WORD.findall(text) if len(word) >= SHORTEST}
        pairs = map("".join, pairwise(text))
        for term in {*words, *text, *pairs}:
            self._pending[term].append(seq)

    def having(self, text: str) -> BitMap | None:
        """Return the flags that contain *text*; None if only a full-text search can find them."""
        if len(text) < SHORTEST:
            rows = self._db.execute(
                "SELECT flags FROM posting WHERE term = (SELECT id FROM term WHERE term = ?)",
                [text],
            )
            return _union(rows, self._pending.get(text, ()))
        if not _WORD.fullmatch(text):
            return None
        rows = self._db.execute(
            "SELECT flags FROM posting WHERE term IN (SELECT id FROM term WHERE instr(term, ?))",
            [text],
        )
        pending = (seq for term, seqs in self._pending.items() if text in term for seq in seqs)
        return _union(rows, pending) | matching(self._db, "rare", text, 0, self._part)

    def save(self, part: int) -> None:
        """Store what was learned as a part that ends with the row *part*."""
        rare: dict[int, list[str]] = defaultdict(list)
        kept = []
        for term, seqs in self._pending.items():
            if len(term) < SHORTEST or len(seqs) >= _FREQUENT:
                kept.append((term, BitMap(seqs).serialize()))
            else:
                for seq in seqs:
                    rare[seq].append(term)
        self._db.executemany(
            "INSERT OR IGNORE INTO term (term) VALUES (?)", ((term,) for term, _ in kept)
        )
        self._db.executemany(
            "INSERT INTO posting SELECT id, ?, ? FROM term WHERE term = ?",
            ((part, flags, term) for term, flags in kept),
        )
        self._db.executemany(
            "INSERT INTO rare (rowid, text) VALUES (?, ?)",
            ((seq, "\n".join(words)) for seq, words in sorted(rare.items())),
        )
        self._pending.clear()
        self._part = part


def matching(db: sqlite3.Connection, table: str, text: str, after: int, last: int) -> BitMap:
    """Return the rows of the full-text *table* after *after*, up to *last*, with *text*."""
    phrase = '"' + text.replace('"', '""') + '"'
    found = BitMap()
    for start in range(after, last, _BATCH_SIZE):
        # As one JSON text: a row for each match takes three times as long.
        ((rows,),) = db.execute(
            f"SELECT json_group_array(rowid) FROM {table} "  # noqa: S608 - a table of ours
            f"WHERE {table} MATCH ? AND rowid > ? AND rowid <= ?",
            [phrase, start, min(last, start + _BATCH_SIZE)],
        )
        found.update(orjson.loads(rows))
    return found


def _union(rows: Iterable[tuple[bytes]], seqs: Iterable[int]) -> BitMap:
    """Return the union of the bitmaps in *rows* and of *seqs*."""
    return BitMap.union(BitMap(seqs), *(BitMap.deserialize(flags) for (flags,) in rows))
