"""
Decode the text of a file from another program, if its encoding is certain.

UTF-8 and byte order marks identify themselves. Anything else is in one of the encodings used by
Windows and Excel. charset-normalizer lists the candidates; those that give implausible words are
dropped. The encoding is certain if one of the remaining texts is clearly the most likely.
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
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, and the encodings of what follows them."""

_EAST_ASIAN = {"gb18030": "gb2312", "cp949": "euc_kr", "cp932": "shift_jis", "big5": "big5"}
"""Encodings, and for each a smaller one with its common characters."""

_SINGLE_BYTE = [f"cp{number}" for number in (*range(1250, 1259), 874)]
_COMMON_LEADS = {"gb18030": (0xB0, 0xD7), "cp949": (0xB0, 0xC8), "big5": (0xA4, 0xC6)}
"""For these encodings, the range of first bytes of the most common characters."""

_CHAOS = 0.1
"""A text with a chaos this much higher than that of another one is dropped."""

_COHERENCE = 0.4
"""Coherence needed to choose between texts; the next best must be lower by half of this."""

_USUAL_SIGNS = frozenset("–—‘’“”„…«»‹›€£§°•¿¡©®™×÷±²³½¼、。，！？：；（）「」『』・〜～·《》【】")  # noqa: RUF001
_FEW_LETTERS = 12
"""Minimum number of East Asian letters to detect an encoding."""

_ENOUGH_LETTERS = 60
"""Minimum number of letters, in different words, to detect a non-Latin alphabet."""

_RARE = 0.1  # maximum share of uncommon characters
_MAX_SAMPLE_LENGTH = 1 << 20
_MAX_ACCENTS = 2  # in a row, in Latin words
_NOT_LETTERS = re.compile(r"[\W\d_]+")
WAY_OUT = "name it (--encoding cp1252), or save the file as UTF-8"


class Decoded(NamedTuple):
    """A text and its original encoding."""

    text: str
    encoding: str


def decode(content: bytes, path: Path, encoding: str | None = None) -> Decoded:
    """
    Decode *content*, the bytes of the file *path*, with *encoding* if it is given.

    Raises `UnreadableRecordError`, with the line, if the encoding is uncertain.
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
        reason = f"it is not UTF-8, and its encoding is uncertain: {WAY_OUT}"
        raise UnreadableRecordError(where=f"{path}, line {line}", reason=reason) from error


def encode(text: str, encoding: str, *, like: bytes) -> bytes:
    """Encode *text* in *encoding* (from `decode`), with a byte order mark if *like* has one."""
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
    """Return which UTF-16 it is, by the positions of NULs in its ASCII characters, or None."""
    head = content[:4096]
    if len(content) % 2 or not head:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 4
    name = "utf-16-le" if odd > half and not even else "utf-16-be" if even > half else None
    return name if name and (name == "utf-16-le" or not odd) else None


def _detect(content: bytes) -> str | None:
    """Return the encoding of *content*, or an equivalent one for it, if it is certain."""
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
    """How much a text resembles a language, and how chaotic it is; both from 0 to 1."""

    coherence: float
    chaos: float


def _surest(texts: Mapping[str, _Likelihood]) -> str | None:
    """Return the one of *texts* that is clearly the most likely, or None."""
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
    """Whether *text* looks like natural text."""
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
    """Whether *letters* are among the most common ones in *encoding*."""
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
    """Whether *word* uses one alphabet and, if it is Latin, has few accents."""
    scripts = {unicodedata.name(letter, "?").partition(" ")[0] for letter in word}
    if len(scripts) > 1 or not (
        word[1:].islower() or word.isupper() or "ARABIC" in scripts or "HEBREW" in scripts
    ):
        return False
    accents = "".join("." if letter > "\x7f" else "x" for letter in word)
    return scripts != {"LATIN"} or ("." * (_MAX_ACCENTS + 1) not in accents and "x" in accents)
