"""
What a message may say: no secret of a URL, and no character that begins a line of a log.

`mask_url` is the one place that decides what of a URL is secret. It does not try to parse what is
badly written: what could belong to a secret under any reading is masked, so that sometimes more
than a secret goes.
"""

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"

_BEFORE_PATHS = frozenset(["cases", "csv", "parquet", "shards"])
_PATH_SCHEMES = _BEFORE_PATHS | {"file", "memory", "sqlite"}
"""What stands behind these is a path, unless a host does; behind the first ones without slashes."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]{1,40}):(?P<slashes>[/\\]+)")
_WORD = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]{1,40}):(?P<slashes>)")
_AT = re.compile(r"@|%(?:25)*40")
_TAIL = re.compile(r"[?#;&]|%(?:25)*(?:3[fFbB]|2[36])")
"""Where a query, a fragment or a parameter begins, also percent-encoded."""

_HARMLESS = re.compile(
    r"\?(?:(?:mode=(?:ro|rw|rwc|memory)|(?:uri|immutable|nolock)=(?:true|false|[01])"
    r"|timeout=\d{1,4})(?:&(?!$)|$))+"
)
"""The only queries that are shown: options of SQLite that say nothing of anybody."""

_AZURE_CONTAINER = re.compile(
    r"[a-z0-9][a-z0-9\-]{2,62}@[a-z0-9]{3,24}\.(?:blob|dfs)\.core\.windows\.net(?![^/])"
)
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{1,40}:[/\\]+[^\s'\"<>]+")
_PUNCTUATION = ".,:;)]}…"
_PARTS = re.compile(r"[:@/?#;&=]|%(?:25)*(?:3[aAbBdDfF]|40|2[36fF])")
_SHORT = 4


def mask_url(url: str) -> str:
    """
    *url* with `***` in place of whatever may be a secret; a path is not changed.

    Masked are all that stands before an `@`, and all from a `?`, `#`, `;` or `&` on. Of a query
    only options of SQLite are shown; before an `@` only the container of an Azure URL.
    """
    match = _find_scheme(url)
    if match is None:
        return url
    before, rest = url[: match.end()], url[match.end() :]
    if _AT.search(url[: match.start()]):
        before = f"{MASK}@{match[0]}"
    is_path = match["scheme"].lower() in _PATH_SCHEMES and len(match["slashes"]) > len("//")
    return before + _mask_rest(rest, is_path=is_path)


def mask_text(text: str) -> str:
    """*text* with each URL in it as `mask_url` has it."""
    return _IN_TEXT.sub(_mask_match, text)


def mask_secrets_of(url: str, text: str) -> str:
    """*text*, which a driver worded, with what is secret in *url* masked wherever it stands."""
    text = text.replace(url, mask_url(url))
    for secret in sorted(_secrets_of(url), key=len, reverse=True):
        if len(secret) < _SHORT:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        else:
            text = text.replace(secret, MASK)
    return mask_text(text)


def one_line(text: str) -> str:
    """*text* in one line, with every character that is not printable spelled out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _find_scheme(url: str) -> re.Match[str] | None:
    """The first scheme in *url* that does not stand before a path; None where *url* is a path."""
    for match in _SCHEME.finditer(url):
        if match["scheme"].lower() not in _BEFORE_PATHS or len(match["slashes"]) > 1:
            return match
    word = _WORD.match(url)
    return None if word is None or word["scheme"].lower() in _PATH_SCHEMES else word


def _mask_rest(rest: str, *, is_path: bool) -> str:
    """What stands behind the scheme and its slashes."""
    tail = _TAIL.search(rest)
    head = rest[: tail.start()] if tail else rest
    if tail and _AT.search(rest, tail.start()):
        return MASK  # a host behind a password with a question mark in it, or a query with an @
    ats = list(_AT.finditer(head))
    if ats and not is_path and not _AZURE_CONTAINER.match(head):
        head = f"{MASK}@{head[ats[-1].end() :]}"
    if tail is None:
        return head
    shown = rest[tail.start() :]
    return head + (shown if _HARMLESS.fullmatch(shown) else f"{tail[0]}{MASK}")


def _mask_match(match: re.Match[str]) -> str:
    url = match[0].rstrip(_PUNCTUATION)
    return mask_url(url) + match[0][len(url) :]


def _secrets_of(url: str) -> set[str]:
    """What `mask_url` takes out of *url*: whole and in its parts, as it stands and decoded."""
    match = _find_scheme(url)
    if match is None or mask_url(url) == url:
        return set()
    rest = url[match.end() :]
    shown = set(_PARTS.split(mask_url(url)))
    tail = _TAIL.search(rest)
    ats = list(_AT.finditer(rest))
    hidden = [rest[: ats[-1].start()]] if ats else []
    hidden += [rest[tail.start() + 1 :]] if tail else []
    parts = {part for text in hidden for part in (text, *_PARTS.split(text))} - shown
    forms = (str, unquote, unquote_plus, quote, quote_plus)
    return {form(part) for part in parts for form in forms} - {""} - shown
