"""
Flags as questions for annotators: fields to show, questions, and current answers.

Inputs are shown. For each output, the question is what it should have been. The current answer is
the correction, or else the model's output. Answers are label names for labels, else text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flagstone.core.records import unique_names
from flagstone.exporters.columns import Column, Table
from flagstone.exporters.source import FlagsInOrder

_MAX_LABELS = 250
_MAX_LABEL_LENGTH = 200  # Argilla's limit
_MAX_NAME_LENGTH = 100  # Argilla's limit is 200 characters
_UNSAFE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A column to show, under a *name* that all tools accept."""

    name: str
    column: Column


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question: which of *labels*, or which text, an output should have been."""

    name: str
    title: str
    said: str
    """The column of the model's output."""

    right: str
    """The column of the correction; empty if there is none."""

    labels: tuple[str, ...] | None

    def answer(self, row: dict[str, Any]) -> str | None:
        """Return the current answer."""
        corrected = row.get(self.right)
        return corrected if corrected is not None else row.get(self.said)


def shown_in(table: Table) -> list[Shown]:
    """Return the columns of *table* to show: its inputs."""
    columns = [column for column in table.columns if column.field and column.field[0] == "inputs"]
    return [
        Shown(name=name, column=column)
        for name, column in zip(_names_for(columns), columns, strict=True)
    ]


def questions_in(table: Table, labels: dict[str, tuple[str, ...]]) -> list[Question]:
    """Return a question for each output of *table*; *labels* come from `labels_of`."""
    columns = {column.field: column for column in table.columns if column.field}
    asked = [column for field, column in columns.items() if field[0] == "outputs"]
    return [
        Question(
            name=name,
            title=column.field[1],
            said=column.name,
            right=columns[key].name if (key := ("correction", column.field[1])) in columns else "",
            labels=labels.get(column.field[1]),
        )
        for name, column in zip(_names_for(asked), asked, strict=True)
        if column.field
    ]


def labels_of(flags: FlagsInOrder) -> dict[str, tuple[str, ...]]:
    """
    Return the label names for each output that is always a label: all that occur in any flag.

    An output is absent if it has only one name, too many to choose from, or one that tools cannot
    show.
    """
    found: dict[str, set[str]] = {}
    others: set[str] = set()
    for flag in flags:
        for section in ("outputs", "correction"):
            for name, value in flag.get(section, {}).items():
                data = value.get("data")
                if data is None or name in others:
                    continue
                if value["kind"] != "label" or not isinstance(data, dict):
                    others.add(name)
                    continue
                parts = [data, *(data.get("confidences") or ())]
                names = found.setdefault(name, set())
                names |= {str(part["label"]) for part in parts if part.get("label") is not None}
                if len(names) > _MAX_LABELS:
                    others.add(name)
    return {
        name: tuple(sorted(names))
        for name, names in found.items()
        if name not in others and len(names) > 1 and all(map(_can_be_shown, names))
    }


def _can_be_shown(label: str) -> bool:
    return 0 < len(label) <= _MAX_LABEL_LENGTH and label.isprintable()


def _names_for(columns: Sequence[Column]) -> list[str]:
    names = [
        _UNSAFE.sub("_", column.name.lower()[:_MAX_NAME_LENGTH]).strip("_") for column in columns
    ]
    return unique_names(name or "field" for name in names)
