"""
Tasks for Label Studio, and their labelling interface.

A correction is an annotation, a model output a prediction. Images and audio are files in the
export's folder, which Label Studio serves as local storage.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from flagstone.exporters.annotation import Question, Shown, labels_of, questions_in, shown_in
from flagstone.exporters.attachments import Media
from flagstone.exporters.columns import FIXED, MEDIA, Table
from flagstone.exporters.jsonl import rows_of, write_array
from flagstone.exporters.source import FlagsInOrder

_TAGS = {"image": "Image", "audio": "Audio"}
_SERVED = "/data/local-files/?d="


def write_label_studio(flags: FlagsInOrder, folder: Path) -> int:
    """Write `tasks.json` and `config.xml` to *folder*; return the number of tasks."""
    labels = labels_of(flags)

    def write(table: Table) -> int:
        shown, questions = shown_in(table), questions_in(table, labels)
        if not (shown and questions):
            return 0
        (folder / "config.xml").write_text(_config(shown, questions), encoding="utf-8")
        tasks = (_task(row, shown, questions) for rows in rows_of(table) for row in rows)
        return write_array(folder / "tasks.json", tasks)

    return Table(flags, Media(flags, folder).place).write(write)


def _task(
    row: dict[str, Any], shown: Sequence[Shown], questions: Sequence[Question]
) -> dict[str, Any]:
    data = {f"flag_{name}": row[name] for name in FIXED if row[name] not in (None, [], ())}
    for part in shown:
        cell = row[part.column.name]
        if part.column.type in MEDIA and cell:
            data[part.name] = _SERVED + quote(cell)
        else:
            data[part.name] = "" if cell is None else str(cell)
    task: dict[str, Any] = {"data": data}
    for kind, column in (("predictions", "said"), ("annotations", "right")):
        answers = {question: row.get(getattr(question, column)) for question in questions}
        result = [
            _result(question, str(answer), shown[0].name)
            for question, answer in answers.items()
            if answer is not None
        ]
        task[kind] = [{"result": result}] if result else []
    return task


def _result(question: Question, answer: str, shown: str) -> dict[str, Any]:
    kind, word = ("textarea", "text") if question.labels is None else ("choices", "choices")
    return {
        "from_name": question.name,
        "to_name": shown,
        "type": kind,
        "value": {word: [answer]},
    }


def _config(shown: Sequence[Shown], questions: Sequence[Question]) -> str:
    lines = ["<View>"]
    for part in shown:
        field = part.column.field or ("", part.name)
        lines.append(f"  <Header value={_attribute(field[1])}/>")
        tag = _TAGS.get(part.column.type, "Text")
        lines.append(f'  <{tag} name="{part.name}" value="${part.name}"/>')
    for question in questions:
        lines.append(f"  <Header value={_attribute(question.title)}/>")
        names = f'name="{question.name}" toName="{shown[0].name}"'
        if question.labels is None:
            lines.append(f'  <TextArea {names} maxSubmissions="1" editable="true"/>')
        else:
            lines.append(f'  <Choices {names} choice="single">')
            lines += [f"    <Choice value={_attribute(label)}/>" for label in question.labels]
            lines.append("  </Choices>")
    return "\n".join([*lines, "</View>", ""])


def _attribute(text: str) -> str:
    """Return *text* in quotes, with characters that XML cannot represent replaced."""
    return quoteattr(
        "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    )
