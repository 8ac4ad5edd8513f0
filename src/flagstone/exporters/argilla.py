"""
A dataset for Argilla 2: `rg.Dataset.from_disk(OUT)`.

Current answers become suggestions. Images are embedded in the records if Argilla's server accepts
them: one image that is too large or of another type makes it reject all records.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from flagstone.core.codec import FileRef
from flagstone.exporters.annotation import Question, Shown, labels_of, questions_in, shown_in
from flagstone.exporters.attachments import Media
from flagstone.exporters.columns import Table
from flagstone.exporters.jsonl import rows_of, write_array
from flagstone.exporters.source import FlagsInOrder

_WHY = "flag"
"""The field with the reason for the flag; the only required field."""

_METADATA = ("app", "option", "verdict")

_MAX_TITLE_LENGTH = 500  # characters, the limit of Argilla's server
_LARGEST_PICTURE = 3_700_000  # bytes: 5 million characters in base64

_PICTURES = {f"image/{kind}" for kind in ("avif", "gif", "jpeg", "png", "webp")}


def write_argilla(flags: FlagsInOrder, folder: Path) -> int:
    """Write settings and records to *folder*; return the number of records."""
    labels = labels_of(flags)
    media = Media(flags, folder)

    def write(table: Table) -> int:
        shown, questions = shown_in(table), questions_in(table, labels)
        if not questions:
            return 0
        (folder / ".argilla").mkdir(exist_ok=True)
        _write(
            folder / ".argilla" / "dataset.json", {"name": "flags", "allow_extra_metadata": True}
        )
        _write(folder / ".argilla" / "settings.json", _settings(shown, questions))
        records = (_record(row, shown, questions, media) for rows in rows_of(table) for row in rows)
        return write_array(folder / "records.json", records)

    return Table(flags, media.place, embedded=True).write(write)


def _record(
    row: dict[str, Any], shown: Sequence[Shown], questions: Sequence[Question], media: Media
) -> dict[str, Any]:
    why = ", ".join(filter(None, [row["app"], row["option"], row["comment"]]))
    fields = {_WHY: why or row["id"]}
    for part in shown:
        cell = row[part.column.name]
        if isinstance(cell, FileRef) and part.column.type == "image":
            if url := _data_url(cell, media):
                fields[part.name] = url
            else:
                fields[_WHY] += f"\n{_title(part)}: {media.place(cell)}"
        elif cell is not None:
            fields[part.name] = media.place(cell) if isinstance(cell, FileRef) else str(cell)
    answers = {question.name: question.answer(row) for question in questions}
    return {
        "id": row["id"],
        "fields": fields,
        "metadata": {name: row[name] for name in _METADATA if row[name]},
        "suggestions": {
            name: {"value": str(answer), "score": None, "agent": None}
            for name, answer in answers.items()
            if answer is not None
        },
        "responses": {},
        "vectors": {},
    }


def _data_url(ref: FileRef, media: Media) -> str | None:
    """Return the image *ref* as a data URL; None if Argilla's server does not accept it."""
    kind = ref.mime_type or "image/png"
    if ref.size > _LARGEST_PICTURE or kind not in _PICTURES:
        return None
    return f"data:{kind};base64,{base64.b64encode(media.content(ref)).decode()}"


def _settings(shown: Sequence[Shown], questions: Sequence[Question]) -> dict[str, Any]:
    return {
        "guidelines": "Enter what the model should have answered.",
        "fields": [
            _field(_WHY, "flag", "text", required=True),
            *(_field_of(part) for part in shown),
        ],
        "questions": [
            _question(question, required=question is questions[0]) for question in questions
        ],
        "metadata": [
            {
                "name": name,
                "title": name,
                "settings": {"type": "terms", "values": None, "visible_for_annotators": True},
                "visible_for_annotators": True,
            }
            for name in _METADATA
        ],
        "vectors": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _field_of(part: Shown) -> dict[str, Any]:
    return _field(part.name, _title(part), "image" if part.column.type == "image" else "text")


def _title(part: Shown) -> str:
    return _cut(part.column.field[1] if part.column.field else "") or part.name


def _cut(title: str) -> str:
    return title if len(title) <= _MAX_TITLE_LENGTH else title[: _MAX_TITLE_LENGTH - 1] + "…"


def _field(name: str, title: str, kind: str, *, required: bool = False) -> dict[str, Any]:
    settings = {"type": kind} | ({"use_markdown": False} if kind == "text" else {})
    return {"name": name, "title": title, "required": required, "settings": settings}


def _question(question: Question, *, required: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {"type": "text", "use_markdown": False}
    if question.labels is not None:
        options = [{"text": label, "value": label} for label in question.labels]
        settings = {"type": "label_selection", "options": options, "visible_options": None}
    return {
        "name": question.name,
        "title": _cut(question.title) or question.name,
        "required": required,
        "settings": settings,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
