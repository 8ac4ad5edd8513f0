"""
The rows of Gradio's chat feedback: a conversation, the index of a message, and the reaction to it.

A row without a reaction withdraws the previous one. Messages are dicts, or pairs of message and
answer; then the index names the pair and the side.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flagstone.core import codec
from flagstone.core.records import Flag, Record, Review, Value
from flagstone.stores.csv_folder.gradio_columns import parse
from flagstone.stores.csv_folder.gradio_rows import moment_of
from flagstone.stores.csv_folder.log import Row

WITHDRAWN = "withdrawn by the person who flagged"
NO_MESSAGE = "the conversation has no message with this index"
NOT_A_CHAT = "it is not a conversation"
NO_REACTION = "it withdraws a reaction that is not in the log"
NO_TIME = "the log has no time: this is when the log was last written"

_INDEX = re.compile(r"[\[(]?(\d{1,9})(?:, ?(\d))?[\])]?")
_PAIR = 2
_READ_FROM = "a row of Gradio's chat log"


class ChatRows:
    """The rows of one chat log, in order; *unescaped* removes Gradio's apostrophes."""

    def __init__(self, unescaped: Callable[[str], str]) -> None:
        self._unescaped = unescaped
        self._standing: dict[str, list[str]] = defaultdict(list)  # by reply, the ids of flags

    def record(self, row: Row, record_id: str, written: datetime) -> Record:
        """Return the flag in *row*, or the review that withdraws one."""
        conversation, index, *rest = [*row, "", ""]
        *_, timestamp = filter(None, ["", *rest])
        moment = moment_of(timestamp)
        messages, doubts = _messages_in(self._unescaped(conversation))
        before, reply = _reply_in(messages, index)
        option = self._unescaped(rest[0])
        standing = self._standing[codec.dumps([before, reply])]
        if not option and standing:
            return Review(
                id=record_id,
                flag_id=standing.pop(),
                created_at=moment or written,
                verdict="rejected",
                note=WITHDRAWN,
            )
        standing.append(record_id)
        doubts |= {} if reply else {"index": NO_MESSAGE}
        doubts |= {} if option else {"value": NO_REACTION}
        doubts |= {} if moment else {"timestamp": NO_TIME}
        return Flag(
            id=record_id,
            created_at=moment or written,
            inputs={"conversation": Value(kind="chat", data=before)},
            outputs={"message": Value(kind="chat", data=reply)} if reply else {},
            option=option or None,
            context={"read_from": _READ_FROM} | ({"in_doubt": doubts} if doubts else {}),
        )


def _messages_in(text: str) -> tuple[list[Any], dict[str, str]]:
    """Return the messages, or pairs, in the cell *text*, and any doubts."""
    data = parse(text, literals=True)
    if isinstance(data, list):
        return data, {}
    return [], {"conversation": NOT_A_CHAT} if text != "[]" else {}


def _reply_in(messages: list[Any], index: str) -> tuple[list[Any], list[Any] | None]:
    """Return the messages before *index* and the message there; all and None if there is none."""
    found = _INDEX.fullmatch(index.strip())
    number = int(found[1]) if found else len(messages)
    if number >= len(messages):
        return messages, None
    message = messages[number]
    if not isinstance(message, list | tuple) or len(message) != _PAIR:
        return messages[:number], [message]
    said, answer = message
    if found and found[2] == "0":  # the visitor's message
        return messages[:number], [[said, None]]
    return [*messages[:number], [said, None]], [[None, answer]]
