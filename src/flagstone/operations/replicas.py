"""
Where a store was copied to: noted beside it, so that its copies can be asked to forget, too.

A line of the file is a URL as JSON; what a secret was in it is not written. Whoever knows that a
copy is gone for good may take its line out.
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
    """A place that could not be asked, and why, in a sentence."""

    location: str
    reason: str


def remember(source: Store, target: Store) -> None:
    """
    Note beside *source* that it is copied to *target*, unless that is known.

    Nothing is noted where either is no place that could be opened again, or be written beside.
    Where the note cannot be written the log says so: a full disk, or an old folder that may only
    be read, must not keep its flags from being copied.
    """
    url = url_of(target)
    if source.targets is None or url in (None, url_of(source)):
        return
    try:
        if url not in targets_of(source):
            append_durably(source.targets, json.dumps(url).encode())
    except (OSError, FlagstoneError) as error:
        logger.warning(
            "Cannot note in %s that it is copied to %s (%s): to forget everywhere, name that with "
            "--also", source.targets, url, error,
        )  # fmt: skip


def targets_of(store: Store) -> list[str]:
    """The URLs that *store* is noted to be copied to. Raises `StoreError` if that is unreadable."""
    if store.targets is None:
        return []
    try:
        if not stat.S_ISREG(store.targets.lstat().st_mode):  # a pipe, or a way to another's file
            reason = "it is no file of its own"
            raise StoreError(doing="read", where=str(store.targets), reason=reason)
        lines = store.targets.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise store_error(error, doing="read", where=str(store.targets)) from error
    return list(dict.fromkeys(_parse(line) for line in lines if line.strip()))


def copies_of(stores: Iterable[Store]) -> tuple[list[Store], list[UnreachableStore]]:
    """
    The copies of *stores*, copies of those, and so on, opened; and what could not be opened.
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
    """*store*, and those that it is made of: each has copies of its own."""
    return [store, *(part for part in store.parts if part is not store)]


def _noted(store: Store, unreached: list[UnreachableStore]) -> list[str]:
    try:
        return targets_of(store)
    except FlagstoneError as error:
        unreached.append(UnreachableStore(location=str(store.targets), reason=str(error)))
        return []


def open_noted(url: str, *, noted_in: str) -> Store:
    """
    The store at *url*, which stands in the file *noted_in*.

    Raises one of our errors where it cannot be opened, and `LostCopyError` where nothing is there.
    """
    if "://" in url and MASK in url:
        raise RedactedURLError(where=url)
    try:
        store = open_store(url)
        exists = store.exists()
    except FlagstoneError:
        raise
    except Exception as error:  # a line may hold anything, and drivers tell in their own ways
        raise UnknownStoreError(url=url) from error
    if not exists:  # perhaps on a drive that is not mounted: to find nothing says nothing
        raise LostCopyError(where=url, noted_in=noted_in)
    return store


def url_of(store: Store) -> str | None:
    """The URL of *store*, with a mask for what may be a secret."""
    url = store.url
    return mask_url(url) if url else url


def _parse(line: str) -> str:
    try:
        return str(json.loads(line))
    except (ValueError, RecursionError):  # by hand, or cut by a crash: then opening it says so
        return line.strip()
