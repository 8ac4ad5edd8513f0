"""
The copies of a store: their URLs are recorded in a file beside it, so that `forget` reaches them.

Each line of the file is a URL as JSON, with secrets masked. If a copy is permanently deleted, its
line can be removed.
"""

import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from flagstone.errors import (
    FlagstoneError,
    LostCopyError,
    RedactedURLError,
    StoreError,
    UnknownStoreError,
    store_error,
)
from flagstone.errors.safe_logs import logger_of
from flagstone.errors.safe_text import MASK, mask_url
from flagstone.fs.atomic import append_durably
from flagstone.stores.base import Store
from flagstone.stores.open import open_store

logger = logger_of(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreachableStore:
    """A store that could not be reached, and the reason, a sentence."""

    location: str
    reason: str


def remember(source: Store, target: Store) -> None:
    """
    Record beside *source* that it is copied to *target*, unless that is already recorded.

    Nothing is recorded if *target* has no URL, or if no file can be written beside *source*. A
    failure is logged as a warning: a full disk or a read-only folder must not prevent the copy.
    """
    url = url_of(target)
    if source.targets is None or url in (None, url_of(source)):
        return
    try:
        if url not in targets_of(source):
            append_durably(source.targets, json.dumps(url).encode())
    except (OSError, FlagstoneError) as error:
        logger.warning(
            "Cannot record in %s that it is copied to %s (%s). To erase flags there, too, pass the "
            "copy to forget with --also.", source.targets, url, error,
        )  # fmt: skip


def targets_of(store: Store) -> list[str]:
    """Return the recorded URLs of copies of *store*. Raises `StoreError` if they are unreadable."""
    if store.targets is None:
        return []
    try:
        if not stat.S_ISREG(store.targets.lstat().st_mode):  # a pipe, or a link to another file
            reason = "it is not a regular file"
            raise StoreError(doing="read", where=str(store.targets), reason=reason)
        lines = store.targets.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise store_error(error, doing="read", where=str(store.targets)) from error
    return list(dict.fromkeys(_parse(line) for line in lines if line.strip()))


def copies_of(stores: Iterable[Store]) -> tuple[list[Store], list[UnreachableStore]]:
    """
    Open the copies of *stores* and, recursively, their copies; return also those that failed.
    """
    waiting = [part for store in stores for part in _with_parts(store)]
    seen = {url_of(store) for store in waiting}
    copies: list[Store] = []
    unreached: list[UnreachableStore] = []
    while waiting:
        store = waiting.pop(0)
        for url in _noted(store, unreached):
            if url in seen:
                continue
            seen.add(url)
            try:
                copy = open_noted(url, noted_in=str(store.targets))
            except FlagstoneError as error:
                unreached.append(UnreachableStore(location=url, reason=str(error)))
            else:
                copies.append(copy)
                waiting += _with_parts(copy)
    return copies, unreached


def _with_parts(store: Store) -> list[Store]:
    """Return *store* and its parts, each of which has its own copies."""
    return [store, *(part for part in store.parts if part is not store)]


def _noted(store: Store, unreached: list[UnreachableStore]) -> list[str]:
    try:
        return targets_of(store)
    except FlagstoneError as error:
        unreached.append(UnreachableStore(location=str(store.targets), reason=str(error)))
        return []


def open_noted(url: str, *, noted_in: str) -> Store:
    """
    Open the store at *url*, which is recorded in the file *noted_in*.

    Raises a `FlagstoneError` if it cannot be opened, `LostCopyError` if there is no store.
    """
    if "://" in url and MASK in url:
        raise RedactedURLError(where=url)
    try:
        store = open_store(url)
        exists = store.exists()
    except FlagstoneError:
        raise
    except Exception as error:  # a line may hold anything, and drivers have their own errors
        raise UnknownStoreError(url=url) from error
    if not exists:  # perhaps on an unmounted drive, so not proof of deletion
        raise LostCopyError(where=url, noted_in=noted_in)
    return store


def url_of(store: Store) -> str | None:
    """Return the URL of *store*, with possible secrets masked."""
    url = store.url
    return mask_url(url) if url else url


def _parse(line: str) -> str:
    try:
        return str(json.loads(line))
    except (ValueError, RecursionError):  # edited by hand, or torn by a crash: opening it fails
        return line.strip()
