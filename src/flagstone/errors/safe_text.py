"""
Safe text for messages: the secrets of URLs are masked, and control characters are escaped.

Only `mask_url` decides which parts of a URL are secret. It does not try to parse malformed URLs: it
masks everything that could belong to a secret, which is sometimes more than the secret.
"""

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"

_BEFORE_PATHS = frozenset(["cases", "csv", "parquet", "shards"])
_PATH_SCHEMES = _BEFORE_PATHS | {"file", "memory", "sqlite"}
"""Schemes followed by a path, unless by a host; the first ones need no slashes."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]{1,40}):(?P<slashes>[/\\]+)")
_WORD = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]{1,40}):(?P<slashes>)")
_AT = re.compile(r"@|%(?:25)*40")
_TAIL = re.compile(r"[?#;&]|%(?:25)*(?:3[fFbB]|2[36])")
"""Where a query, a fragment or a parameter begins, also percent-encoded."""

_HARMLESS = re.compile(
    r"\?(?:(?:mode=(?:ro|rw|rwc|memory)|(?:uri|immutable|nolock)=(?:true|false|[01])"
    r"|timeout=\d{1,4})(?:&(?!$)|$))+"
)
"""The only queries that are shown: SQLite options, which hold no secrets."""

_AZURE_CONTAINER = re.compile(
    r"[a-z0-9][a-z0-9\-]{2,62}@[a-z0-9]{3,24}\.(?:blob|dfs)\.core\.windows\.net(?![^/])"
)
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{1,40}:[/\\]+[^\s'\"<>]+")
_PUNCTUATION = ".,:;)]}…"
_PARTS = re.compile(r"[:@/?#;&=]|%(?:25)*(?:3[aAbBdDfF]|40|2[36fF])")
_SHORT = 4


def mask_url(url: str) -> str:
    """
    Return *url* with `***` in place of all that may be secret; paths are unchanged.

    Everything before an `@` is masked, and everything after a `?`, `#`, `;` or `&`. The exceptions
    are SQLite options in a query, and the container of an Azure URL before an `@`.
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
    """Return *text* with `mask_url` applied to each URL in it."""
    return _IN_TEXT.sub(_mask_match, text)


def mask_secrets_of(url: str, text: str) -> str:
    """Return *text*, the message of a driver, with all secrets of *url* masked."""
    text = text.replace(url, mask_url(url))
    for secret in sorted(_secrets_of(url), key=len, reverse=True):
        if len(secret) < _SHORT:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        else:
            text = text.replace(secret, MASK)
    return mask_text(text)


def one_line(text: str) -> str:
    """Return *text* as one line, with characters that are not printable escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _find_scheme(url: str) -> re.Match[str] | None:
    """Return the first scheme in *url* that is not followed by a path, or None for a path."""
    for match in _SCHEME.finditer(url):
        if match["scheme"].lower() not in _BEFORE_PATHS or len(match["slashes"]) > 1:
            return match
    word = _WORD.match(url)
    return None if word is None or word["scheme"].lower() in _PATH_SCHEMES else word


def _mask_rest(rest: str, *, is_path: bool) -> str:
    """Return *rest*, the part after the scheme and its slashes, with secrets masked."""
    tail = _TAIL.search(rest)
    head = rest[: tail.start()] if tail else rest
    if tail and _AT.search(rest, tail.start()):
        return MASK  # a password with a question mark before the host, or a query with an @
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
    """Return what `mask_url` removes from *url*: whole and in parts, encoded and decoded."""
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
