"""
Training data for language models: pairs of a better and a worse answer, and conversations.

The better answer is the correction, the worse one the output that it corrects. A flag is left out
if it has no correction, if a reviewer rejected it, or if its values are not text.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from flagstone.core.codec import FileRef
from flagstone.exporters.columns import text_of
from flagstone.exporters.source import Flagged, FlagsInOrder

Messages = list[dict[str, str]]
"""The messages of a conversation: `role` (such as user or assistant) and `content`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """The prompt of flag *id*, the right answer, and the wrong one, if any."""

    id: str
    prompt: str | Messages
    right: str
    wrong: str | None


def write_preference(flags: FlagsInOrder, folder: Path) -> int:
    """Write pairs of answers in TRL's format to *folder*; return their number."""
    # A file has one form: text, or messages if any prompt is a conversation.
    has_chat = any(not isinstance(lesson.prompt, str) for lesson in _lessons_of(flags))

    def pairs() -> Iterator[dict[str, Any]]:
        for lesson in _lessons_of(flags):
            if lesson.wrong is None or lesson.wrong == lesson.right:
                continue
            pair: dict[str, Any] = {"id": lesson.id}
            if has_chat:
                pair["prompt"] = _messages(lesson.prompt)
                pair["chosen"] = [_said("assistant", lesson.right)]
                pair["rejected"] = [_said("assistant", lesson.wrong)]
            else:
                pair["prompt"] = lesson.prompt
                pair["chosen"] = lesson.right
                pair["rejected"] = lesson.wrong
            yield pair

    return _write(pairs(), folder / "preference.jsonl")


def write_chat(flags: FlagsInOrder, folder: Path) -> int:
    """Write conversations that end with the right answer to *folder*; return their number."""
    conversations = (
        {"messages": [*_messages(lesson.prompt), _said("assistant", lesson.right)]}
        for lesson in _lessons_of(flags)
    )
    return _write(conversations, folder / "chat.jsonl")


def _lessons_of(flags: Iterable[Flagged]) -> Iterator[Lesson]:
    for flag in flags:
        if flag["verdict"] != "rejected":
            for name, corrected in flag.get("correction", {}).items():
                output = flag.get("outputs", {}).get(name)
                try:
                    prompt = _prompt_of(flag.get("inputs", {}))
                    right = _answer(corrected)
                    wrong = None if output is None else _answer(output)
                except _NoTextError:
                    continue
                if prompt and right is not None:
                    yield Lesson(id=flag["id"], prompt=prompt, right=right, wrong=wrong)


class _NoTextError(Exception):
    """A value that is not text, such as an image."""


def _prompt_of(inputs: Mapping[str, Mapping[str, Any]]) -> str | Messages:
    """Return the conversation among *inputs*, or their text, with names if there are several."""
    for value in inputs.values():
        if value["kind"] == "chat":
            return list(_messages_in(value.get("data")))
    texts = {name: text_of(value, _refuse) for name, value in inputs.items()}
    said = {name: text for name, text in texts.items() if text is not None}
    if len(inputs) == 1:
        return "".join(said.values())
    return "\n".join(f"{name}: {text}" for name, text in said.items())


def _answer(value: Mapping[str, Any]) -> str | None:
    if value["kind"] != "chat":
        return text_of(value, _refuse)
    said = [message["content"] for message in _messages_in(value.get("data"))]
    return "\n".join(said) if said else None


def _messages_in(data: Any) -> Iterator[dict[str, str]]:
    """Yield the messages of a Gradio conversation, given as messages or as pairs."""
    for message in data or ():
        match message:
            case {"role": str(role), "content": content}:
                yield _said(role, _content(content))
            case [said, answer]:
                for role, content in (("user", said), ("assistant", answer)):
                    if content is not None:
                        yield _said(role, _content(content))
            case _:
                raise _NoTextError


def _content(content: Any) -> str:
    match content:
        case str():
            return content
        case {"type": "text", "text": str(text)}:
            return text
        case list():
            return "\n".join(map(_content, content))
    raise _NoTextError


def _refuse(_: FileRef) -> str:
    raise _NoTextError


def _messages(prompt: str | Messages) -> Messages:
    return [_said("user", prompt)] if isinstance(prompt, str) else prompt


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _write(rows: Iterable[dict[str, Any]], path: Path) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count
