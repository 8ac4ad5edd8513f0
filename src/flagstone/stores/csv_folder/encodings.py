"""
The text of a file that others wrote, where its encoding is sure.

UTF-8 and what begins with a byte order mark tell their encoding themselves. Anything else is one of
the encodings in which Windows wrote, and Excel writes. charset-normalizer says which of them could
be meant; of these, some make words that nobody writes. The encoding is sure where all that are left
give the same text.
"""

import codecs
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from flagstone.errors import UnreadableRecordError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OF_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # which begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, and the encodings of what follows them."""

_EAST_ASIAN = {"gb18030": "gb2312", "cp949": "euc_kr", "cp932": "shift_jis", "big5": "big5"}
"""Encodings, and the sets of characters that people write with: the others are rare."""

_SINGLE_BYTE = [f"cp{number}" for number in (*range(1250, 1259), 874)]
_COMMON_LEADS = {"gb18030": (0xB0, 0xD7), "cp949": (0xB0, 0xC8), "big5": (0xA4, 0xC6)}
"""Of these encodings, between which first bytes the characters lie that are used most."""

_CHAOS = 0.1
"""A text that is so much more of a mess than another one is not what was written."""

_COHERENCE = 0.4
"""A text that is so much like a language, and another one half as much less, was written."""

_USUAL_SIGNS = frozenset("–—‘’“”„…«»‹›€£§°•¿¡©®™×÷±²³½¼、。，！？：；（）「」『』・〜～·《》【】")  # noqa: RUF001
_FEW_LETTERS = 12
"""Fewer letters of East Asia tell too little."""

_ENOUGH_LETTERS = 60
"""So many letters of different words tell a language that has an alphabet of its own."""

_RARE = 0.1  # of the characters may be no common ones
_MAX_SAMPLE_LENGTH = 1 << 20
_MAX_ACCENTS = 2  # in a row, in Latin words
_NOT_LETTERS = re.compile(r"[\W\d_]+")
WAY_OUT = "name it (--encoding cp1252), or save the file as UTF-8"


class Decoded(NamedTuple):
    """A text, and the encoding that it had."""

    text: str
    encoding: str


def decode(content: bytes, path: Path, encoding: str | None = None) -> Decoded:
    """
    The text of *content*, which is that of the file *path*; in *encoding*, if it is named.

    Raises `UnreadableRecordError`, which names the line, where the encoding is not sure.
    """
    if encoding is not None:
        return _decode_named(content, path, encoding)
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _decode_named(content, path, name)
    if wide := _utf_16_without_mark(content):
        return _decode_named(content, path, wide)
    try:
        return Decoded(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        if (found := _detect(content)) is not None:
            return Decoded(content.decode(found), found)
        line = content.count(b"\n", 0, error.start) + 1
        reason = f"it is not UTF-8, and which encoding it has is not sure: {WAY_OUT}"
        raise UnreadableRecordError(where=f"{path}, line {line}", reason=reason) from error


def encode(text: str, encoding: str, *, like: bytes) -> bytes:
    """*text* in *encoding*, as `decode` gave it; with a byte order mark where *like* has one."""
    for mark, name in OF_MARKS.items():
        if like.startswith(mark):
            return mark + text.encode(name)
    return text.encode(encoding)


def _decode_named(content: bytes, path: Path, encoding: str) -> Decoded:
    try:
        text = content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        reason = f"it cannot be read as {encoding} ({error})"
        raise UnreadableRecordError(where=f"{path}, line {line}", reason=reason) from error
    return Decoded(text.removeprefix("\ufeff"), encoding)


def _utf_16_without_mark(content: bytes) -> str | None:
    """Which UTF-16 it is, by where the NULs of its ASCII characters stand."""
    head = content[:4096]
    if len(content) % 2 or not head:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 4
    name = "utf-16-le" if odd > half and not even else "utf-16-be" if even > half else None
    return name if name and (name == "utf-16-le" or not odd) else None


def _detect(content: bytes) -> str | None:
    """The encoding of *content*, or one in which it is the same text, if that is sure."""
    lines = [line for line in content.splitlines() if not line.isascii()]
    in_utf_8 = sum(_is_utf_8(line) for line in lines)
    if in_utf_8 > len(lines) / 4:  # lines of several encodings
        return None
    names = [*_EAST_ASIAN, *([] if in_utf_8 else _SINGLE_BYTE)]
    found = from_bytes(content[:_MAX_SAMPLE_LENGTH], cp_isolation=names)
    texts: dict[str, _Likelihood] = {}
    encodings: dict[str, str] = {}
    for match in found:
        for name in (match.encoding, *match.could_be_from_charset):
            text = _try(content, name) if name in names else None
            if text is not None and _is_plausible(text, name):
                texts[text] = _Likelihood(match.coherence, match.chaos)
                encodings[text] = name
    return encodings.get(_surest(texts) or "")


class _Likelihood(NamedTuple):
    """How much a text is like a language, and how much it is a mess; both from 0 to 1."""

    coherence: float
    chaos: float


def _surest(texts: Mapping[str, _Likelihood]) -> str | None:
    """That of *texts* which no other one comes near, if there is one."""
    least = min((each.chaos for each in texts.values()), default=0.0)
    orderly = {text: each for text, each in texts.items() if each.chaos <= least + _CHAOS}
    first, *others = [*sorted(orderly, key=lambda text: -orderly[text].coherence), None]
    if first is None or others == [None]:
        return first
    second = orderly[str(others[0])].coherence
    best = orderly[first].coherence
    return first if best >= _COHERENCE and best - second >= _COHERENCE / 2 else None


def _is_utf_8(line: bytes) -> bool:
    return _try(line, "utf-8") is not None


def _try(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_plausible(text: str, encoding: str) -> bool:
    """Whether people write such text."""
    signs = {sign for sign in text if sign > "\x7f" and unicodedata.category(sign)[0] not in "LMN"}
    words = [word for word in _NOT_LETTERS.split(text) if word and not word.isascii()]
    if not words or not signs <= _USUAL_SIGNS:
        return False
    if encoding in _EAST_ASIAN:
        return len("".join(words)) >= _FEW_LETTERS and _is_common("".join(words), encoding)
    is_latin = all("LATIN" in unicodedata.name(word[0], "") for word in words)
    is_enough = is_latin or len("".join({*words})) >= _ENOUGH_LETTERS
    return is_enough and all(map(_is_word, words))


def _is_common(letters: str, encoding: str) -> bool:
    """Whether *letters* are of those that people use most in *encoding*."""
    letters = "".join(letter for letter in letters if letter > "\x7f")
    try:
        content = letters.encode(_EAST_ASIAN[encoding])
    except UnicodeEncodeError:
        return False
    if encoding not in _COMMON_LEADS:
        return any("\u3040" <= letter <= "\u30ff" for letter in letters)  # Japanese has kana
    first, last = _COMMON_LEADS[encoding]
    rare = sum(not first <= lead <= last for lead in content[::2])
    return rare <= _RARE * len(letters)


def _is_word(word: str) -> bool:
    """Whether *word* is of one alphabet, and of Latin letters few have accents."""
    scripts = {unicodedata.name(letter, "?").partition(" ")[0] for letter in word}
    if len(scripts) > 1 or not (
        word[1:].islower() or word.isupper() or "ARABIC" in scripts or "HEBREW" in scripts
    ):
        return False
    accents = "".join("." if letter > "\x7f" else "x" for letter in word)
    return scripts != {"LATIN"} or ("." * (_MAX_ACCENTS + 1) not in accents and "x" in accents)
