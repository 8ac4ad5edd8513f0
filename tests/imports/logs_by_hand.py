"""
What the tables of logs are written in: small logs with their files, and what is to be read.
"""

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

from flagstone.errors import FlagstoneError
from flagstone.stores.csv_folder.gradio_cells import Field

T = "2026-01-02 03:04:05.000006"
T2 = "2026-01-02 03:04:06.000007"
HEX = "0123456789abcdef0123"
HEX_2 = "fedcba98765432100123"
HEX40 = HEX + HEX_2
ENDS = ["flag", "username", "timestamp"]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cf"
    "c0000003010100c9fe92ef0000000049454e44ae426082"
)


@dataclass(frozen=True)
class Kept:
    """A file that a value holds: its name and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Case:
    """Files of a folder, by their paths, and the flags to be read of it, or the error."""

    name: str
    files: dict[str, bytes]
    flags: list[dict[str, Any]] = field(default_factory=list)
    error: type[FlagstoneError] | None = None
    words: str = ""
    path: str = ""
    fields: tuple[Field, ...] = ()
    encoding: str | None = None


def flag(inputs: dict, doubts: dict | None = None, **others: Any) -> dict[str, Any]:
    """What a flag is to be: values as (kind, data), a text for short."""
    plain = {"outputs": {}, "option": None, "user": None, "time": T, "doubts": doubts or {}}
    values = {name: _value(value) for name, value in inputs.items()}
    outputs = {name: _value(value) for name, value in others.pop("outputs", {}).items()}
    return {**plain, "inputs": values, **others, "outputs": outputs}


def _value(value: Any) -> tuple[str, Any]:
    return ("text", value) if isinstance(value, str) else value


def rows(*lines: list, delimiter: str = ",", end: str = "\r\n", **options: Any) -> str:
    """*lines* as Gradio's `csv.writer` writes them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, **options)
    writer.writerows(lines)
    return text.getvalue()


def log(labels: list[str], *lines: list, **options: Any) -> bytes:
    """A log of Gradio 3 to 4: each of *lines* has a cell a field, then option, user and time."""
    return rows([*labels, *ENDS], *lines, **options).encode()


def one(label: str, cell: str, *, name: str = "log.csv", **files: bytes) -> dict[str, bytes]:
    """A folder with a log of one cell; *files* are the others."""
    return {name: log([label], [cell, "", "", T]), **files}


def old(*lines: list) -> bytes:
    """A log of Gradio 2 to 3.1."""
    return rows(*lines, quoting=csv.QUOTE_NONNUMERIC, quotechar="'").encode()


def file_data(path: str, **others: Any) -> dict[str, Any]:
    """A FileData as Gradio 4.0 to 4.20 wrote it."""
    plain = {"url": None, "size": None, "orig_name": None, "mime_type": None}
    return {"path": path, **plain, **others}


def compact(data: Any) -> str:
    """*data* as pydantic writes it, as Gradio 4.0 to 4.21 did."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
