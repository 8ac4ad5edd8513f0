"""
Messages: no secret of a URL in them, and one line each.
"""

import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flagstone.errors import NoStoreError, StoreError, UnknownStoreError
from flagstone.errors.safe_logs import logger_of
from flagstone.errors.safe_text import mask_secrets_of, mask_text, mask_url, one_line

MASKED = {
    "https://h/x?secret=1": "https://h/x?***",
    "https://h/x?1": "https://h/x?***",
    "https://h/x#token=1": "https://h/x#***",
    "https://h/x;key=1": "https://h/x;***",
    "https://h/x&sig=1": "https://h/x&***",
    "https://h/%3Fsecret=1": "https://h/%3F***",
    "https://h/%253fsecret=1": "https://h/%253f***",
    "https://u:p@h/x": "https://***@h/x",
    "https://:p@h/x": "https://***@h/x",
    "https://token@h/x": "https://***@h/x",
    "https://u%3Ap%40h/x": "https://***@h/x",
    "s3://u:p/a@ss@h/x": "s3://***@h/x",
    "https://u:p?a@h/x": "https://***",
    "https://h/x?mail=a@b": "https://***",
    "parquet:s3://k:s@b/x": "parquet:s3://***@b/x",
    "simplecache::https://u:p@h/x": "simplecache::https://***@h/x",
    "u:p@https://h/x": "***@https://h/x",
    "postgresql+psycopg://u:p@h/db?sslmode=require": "postgresql+psycopg://***@h/db?***",
    "postgres:u:p@h": "postgres:***@h",
    "nosuch:?key=1": "nosuch:?***",
    "https:/u:p@h/x": "https:/***@h/x",
    "https:\\\\u:p@h": "https:\\\\***@h",
    "sqlite:////a/b.db?mode=ro&key=1": "sqlite:////a/b.db?***",
    "sqlite:////a/b.db?mode=secret": "sqlite:////a/b.db?***",
    "sqlite://u:p@h/b.db": "sqlite://***@h/b.db",
    "abfs://token@evil.example/x": "abfs://***@evil.example/x",
}
SHOWN = [
    "flags", "flags.db", "csv:***", "a:b/flags.db", "csv:/a/b@c?d#e", "parquet:/a/b@c", "memory:",
    "sqlite:////a/b@c.db", "sqlite:////a/b.db?mode=ro&uri=true", "C:\\a@b", "file:///a@b",
    "hf://datasets/ana/digits", "s3://bucket/flags", "https://[::1]:9000/x", "/a?b=c#d@e",
    "abfs://flags@ana.dfs.core.windows.net/x",
]  # fmt: skip


@pytest.mark.parametrize(("url", "masked"), MASKED.items())
def test_a_secret_of_a_url_is_masked(url, masked):
    """
    Whatever may be a secret is three stars, by itself and in a sentence; masked again it is equal.
    """
    assert mask_url(url) == masked
    assert mask_url(masked) == masked
    if ":/" in url and not url.startswith("u:p@"):
        assert mask_text(f"Cannot open {url}: it is gone.") == f"Cannot open {masked}: it is gone."


@pytest.mark.parametrize("url", SHOWN)
def test_what_is_no_secret_is_shown(url):
    """
    Paths, and URLs without anything that may be a secret, stay as they are.
    """
    assert mask_url(url) == url
    assert mask_text(f"Cannot open {url!s}: it is gone.") == f"Cannot open {url}: it is gone."


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=6).filter(
    lambda text: not text.isspace()
)
SCHEMES = st.sampled_from(["https", "s3", "parquet:s3", "postgresql+psycopg", "hf", "abfs", "gs",
                           "simplecache::https", "http", "memory", "ftp", "sqlite"])  # fmt: skip
PLACES = st.sampled_from([
    "{scheme}://{secret}@host/flags", "{scheme}://ana:{secret}@host/flags",
    "{scheme}://ana:{secret}@host:9000/flags?x=1", "{scheme}://host/flags?secret={secret}",
    "{scheme}://host/flags?a=1&{secret}", "{scheme}://host/flags#token={secret}",
    "{scheme}://host/flags;key={secret}", "{scheme}://host/flags?mode={secret}",
    "{scheme}://ana:{secret}@host/flags?secret={secret}#{secret}",
    "{scheme}://host/flags%3Fsecret%3D{secret}", "{scheme}://{secret}%40host/flags",
])  # fmt: skip


@given(SECRETS, SCHEMES, PLACES, st.sampled_from([str, quote, quote_plus]))
def test_no_secret_of_any_url_is_told(secret, scheme, place, form):
    """
    Wherever it stands in a URL, however it is written: neither it nor what it decodes to is told.
    """
    written = form(secret)
    assume(written not in place.format(scheme=scheme, secret=""))
    url = place.format(scheme=scheme, secret=written)
    reason = f"no answer from {url} for {secret} or {written}"

    for told in (
        mask_url(url),
        mask_secrets_of(url, reason),
        str(UnknownStoreError(url=url)),
        str(NoStoreError(where=url)),
        str(StoreError(doing="read", where=url, reason=mask_secrets_of(url, reason))),
    ):
        assert written not in told
        assert secret not in told


def test_an_error_is_one_line():
    """
    What somebody typed begins no line, and commands no terminal.
    """
    error = StoreError(doing="read", where="a\nb", reason="\x1b[2J\r\u2028no")

    assert str(error).startswith("Cannot read a\\nb: \\x1b[2J\\r\\u2028no. The")
    assert one_line(str(error)) == str(error)


def test_a_log_shows_no_secret_and_no_line_of_somebody_else(caplog):
    """
    The message is one line; the lines of a traceback are indented, and URLs are masked in both.
    """
    logger = logger_of("flagstone.of_this_test")
    assert len(logger_of("flagstone.of_this_test").filters) == 1
    secret = "s3" + "cret"
    with caplog.at_level(logging.WARNING):
        try:
            int(f"a\nERROR forged\r\x1b[2J https://u:{secret}@h/x?key={secret}")
        except ValueError:
            logger.exception("Cannot read %s of %s", "\nERROR forged", f"s3://u:{secret}@h")

    lines = caplog.text.split("\n")
    assert secret not in caplog.text
    assert not any(line.startswith("ERROR forged") for line in lines)
    assert not set("\r\x1b") & set(caplog.text)
    assert "Cannot read \\nERROR forged of s3://***@h" in caplog.text
