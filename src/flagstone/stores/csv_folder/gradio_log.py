"""
The rows of a log that Gradio wrote, or a person, as flags.

The layouts: fields, then some of flag, username and timestamp (3.50 to 6.x); no header
(SimpleCSVLogger); `ChatCSVLogger`, whose rows have a cell less than its header; the Hub saver's
`data.csv` and `metadata.jsonl`, which have no timestamp, and addresses beside files.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from flagstone.codec import FileRef
from flagstone.record import Flag, Value, unique_names
from flagstone.stores.csv_folder.cells import HUB_END
from flagstone.stores.csv_folder.gradio_cells import Cells, Column, unescaped

_CHAT_HEADER = ["conversation", "index", "value", "flag", "timestamp"]
_END_COLUMNS = ("flag", "username", "timestamp")

_READ_FROM_CELLS = "the cells of a CSV log: types are guessed, and which are outputs is lost"
UNPLACED = "a cell more than the log has columns: a flag option, or a user"
NO_TIME = "the log does not say when: this is when the log was last written"
NO_MESSAGE = "it names a message that the conversation has not"


@dataclass
class _Split:
    """The cells of a row by what they are."""

    fields: dict[str, str]
    option: str = ""
    user: str = ""
    timestamp: str = ""
    unplaced: list[str] = field(default_factory=list)


class GradioLog:
    """
    A log with this *header*; *rows* are all its rows, to tell columns by.

    Its files are in *folder*; *adopt* makes a `FileRef` of one.
    """

    def __init__(
        self,
        header: Sequence[str] | None,
        rows: Iterable[Sequence[str]],
        *,
        folder: Path,
        adopt: Callable[[Path], FileRef],
    ) -> None:
        self._folder = folder
        self._cells = Cells(folder, adopt)
        names = list(header or ())
        self._is_chat = names == _CHAT_HEADER
        self._end: list[str] = []
        for name in reversed(_END_COLUMNS):
            if names[-1:] == [name]:
                self._end.insert(0, names.pop())
        self._is_hub = self._end == [*HUB_END]
        self._names = unique_names(map(unescaped, names))
        self._columns: dict[str, Column] = defaultdict(Column)
        self._mark: Sequence[str] = ()
        for row in () if self._is_chat else rows:
            if "timestamp" not in self._end and not self._mark:
                # Tells logs apart whose rows do not say when.
                self._mark = [folder.resolve().name, *row]
            for name, text in self._split(row).fields.items():
                self._columns[name].show(text)
        self._met: Counter[str] = Counter()

    def flag(self, row: Sequence[str], path: Path) -> Flag:
        """
        The flag that *row* of the file *path* tells of.

        Its id is the same each time it is read, though the log has none.
        """
        text = json.dumps([path.relative_to(self._folder).as_posix(), *self._mark, *row])
        self._met[text] += 1
        flag_id = str(uuid5(NAMESPACE_URL, f"{text} {self._met[text]}"))
        make = self._chat_flag if self._is_chat else self._flag
        return make(row, flag_id, datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def _flag(self, row: Sequence[str], flag_id: str, written: datetime) -> Flag:
        split = self._split(row)
        read = {
            name: self._cells.read(text, self._columns[name].look)
            for name, text in split.fields.items()
        }
        doubts = {name: cell.doubt for name, cell in read.items() if cell.doubt}
        moment = _moment(split.timestamp)
        if moment is None:
            doubts["timestamp"] = NO_TIME
        if split.unplaced:
            doubts[", ".join(split.unplaced)] = UNPLACED
        return Flag(
            id=flag_id,
            created_at=moment or written,
            inputs={name: cell.value for name, cell in read.items()},
            option=unescaped(split.option) or None,
            user=unescaped(split.user) or None,
            context=_context(doubts),
        )

    def _chat_flag(self, row: Sequence[str], flag_id: str, written: datetime) -> Flag:
        conversation, index, reaction, timestamp, *_ = [*row, "", "", "", ""]
        talk = self._cells.read(conversation, "json").value
        messages = talk.data if isinstance(talk.data, list) else []
        found = int(index) if index.isdecimal() and int(index) < len(messages) else None
        message = {} if found is None else {"message": Value(kind="chat", data=[messages[found]])}
        return Flag(
            id=flag_id,
            created_at=_moment(timestamp) or written,
            inputs={"conversation": Value(kind="chat", data=messages[:found])},
            outputs=message,
            option=unescaped(reaction) or None,
            context=_context({} if message else {"index": NO_MESSAGE}),
        )

    def _split(self, row: Sequence[str]) -> _Split:
        """
        Which cell of *row* is what.

        Rows may be longer or shorter than the header: Gradio's loggers never compared the two.
        """
        surplus = len(row) - len(self._names) - len(self._end)
        has_all = self._end == list(_END_COLUMNS)
        if surplus == 0 or "timestamp" not in self._end or (surplus > 0 and has_all):
            cut = max(0, len(row) - len(self._end))
            end = dict(zip(self._end, row[cut:], strict=False))
            return _Split(
                self._fields(row[:cut]),
                option=end.get("flag", ""),
                user=end.get("username", ""),
                timestamp=end.get("timestamp", ""),
            )
        *body, timestamp = row
        split = _Split(self._fields(body[: len(self._names)]), timestamp=timestamp)
        rest = body[len(self._names) :]
        if len(rest) == 2:  # noqa: PLR2004 - in the order that Gradio writes them
            split.option, split.user = rest
        else:
            split.unplaced = rest
        return split

    def _fields(self, cells: Sequence[str]) -> dict[str, str]:
        names = [*self._names, *(f"component {n}" for n in range(len(self._names), len(cells)))]
        fields = dict(zip(names, cells, strict=False))
        if self._is_hub:  # beside a file stands its address on the Hub: not a field of the demo
            addresses = {f"{name} file" for name in fields} & fields.keys()
            return {name: text for name, text in fields.items() if name not in addresses}
        return fields


def _context(doubts: Mapping[str, str]) -> dict[str, Any]:
    return {"read_from": _READ_FROM_CELLS} | ({"in_doubt": dict(doubts)} if doubts else {})


def _moment(timestamp: str) -> datetime | None:
    """*timestamp*, in local time if it does not say; None where it is none."""
    try:
        return datetime.fromisoformat(timestamp).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
