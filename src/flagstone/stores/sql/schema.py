"""
The table of records: a row is a record's JSON, and the other columns are an index over it.
"""

from typing import Any
from zlib import crc32

import sqlalchemy as sa

from flagstone.core.query import Query
from flagstone.core.records import Flag, Record, utc_text

RECORD = sa.Table(
    "flagstone_record",
    sa.MetaData(),
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),  # flag, review, outcome, or erased
    sa.Column("flag_id", sa.Text),  # the flag that a review or an outcome is about
    sa.Column("created_at", sa.Text),  # ISO 8601, UTC, microseconds: text that sorts by time
    sa.Column("app", sa.Text),
    sa.Column("option", sa.Text),
    sa.Column("user", sa.Text),
    sa.Column("verified", sa.Boolean),
    sa.Column("fingerprint", sa.Text),
    sa.Column("checksum", sa.BigInteger().with_variant(sa.Integer, "sqlite")),  # of the JSON
    sa.Column("json", sa.Text, nullable=False),
)
ABOUT = sa.Index(
    "flagstone_about",
    RECORD.c.flag_id,
    # Without rows of flags: one page less to write for each flag.
    sqlite_where=RECORD.c.flag_id.is_not(None),
    postgresql_where=RECORD.c.flag_id.is_not(None),
)

MAY_BE_FLAG = RECORD.c.type.not_in(("review", "outcome", "erased"))
"""Rows to read when flags are queried, if only to report that one cannot be read."""

ERASING = sa.Table(
    "flagstone_erasing",
    RECORD.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("hashes", sa.Text, nullable=False),  # JSON: of files that may have to be deleted
)
"""Pending erasures: a row is added in the transaction that empties the rows of `RECORD`."""

COLUMNS = [column.name for column in RECORD.columns if column.name != "seq"]


def row_of(record: Record) -> tuple[Any, ...]:
    """Return the cells of *record*, in the order of `COLUMNS`."""
    head = (record.id, record.type)
    made, text = utc_text(record.created_at), record.to_json()
    end = (checksum_of(text), text)
    if not isinstance(record, Flag):
        about = None if record.type == Flag.type else record.flag_id
        return (*head, about, made, None, None, None, None, None, *end)
    app, option, user = map(_indexable, (record.app, record.option, record.user))
    return (*head, None, made, app, option, user, record.verified, record.fingerprint, *end)


def checksum_of(text: str) -> int:
    """
    Return the CRC-32 of a row's JSON, from which every other column can be rebuilt.

    It detects every error burst of up to 32 bits and takes a microsecond per row. It does not
    protect against deliberate changes: no checksum stored in the same row could.
    """
    return crc32(text.encode(errors="surrogateescape"))


def _indexable(text: str | None) -> str | None:
    """Return *text* with "?" for lone surrogates and NULs; the JSON has the exact text."""
    if text is None or text.isprintable():
        return text
    return text.encode(errors="replace").decode().replace("\0", "?")


def conditions_of(query: Query) -> list["sa.ColumnElement[bool]"]:
    """Return the SQL conditions for those parts of *query* that have columns."""
    c = RECORD.c
    conditions: list[sa.ColumnElement[bool]] = [MAY_BE_FLAG]
    wanted = {
        c.app: _indexable(query.app),
        c.option: _indexable(query.option),
        c.user: _indexable(query.user),
        c.verified: query.verified,
        c.fingerprint: query.fingerprint,
    }
    conditions += [column == asked for column, asked in wanted.items() if asked is not None]
    if query.since is not None:
        conditions.append(c.created_at >= utc_text(query.since))
    if query.until is not None:
        conditions.append(c.created_at < utc_text(query.until))
    return conditions
