"""
Errors for stores, records and copies that cannot be read, written or found.
"""

import errno

from flagstone.errors.base import FlagstoneError
from flagstone.errors.safe_text import mask_url


class StoreError(FlagstoneError):
    """A store could not be read or written; `reason` says why."""

    reason = ""

    def __init__(self, *, doing: str, where: str, reason: str) -> None:
        where, self.reason = mask_url(where), reason
        super().__init__(
            f"Cannot {doing} {where}: {reason}. The stored data is unchanged. "
            "Fix the problem and try again."
        )


class StoreFullError(StoreError):
    """No space is left for the store."""

    to_person = (
        "There is no space left to save it. Nothing was saved; please inform the owner of the demo."
    )

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        FlagstoneError.__init__(
            self,
            f"Cannot save the flag in {where}: no space is left there. "
            "The stored data is unchanged and nothing was written partially. "
            "Free some space and flag again.",
        )


class UnfinishedErasureError(StoreError):
    """Erased data can still be found on the medium for now."""

    def __init__(self, *, where: str, reason: str) -> None:
        FlagstoneError.__init__(
            self,
            f"Cannot finish the erasure in {where} yet: {reason}. Erased flags are no longer shown "
            "there, but the medium may still contain them. Once this is resolved, run `flagstone "
            "doctor` for this store, or erase again.",
        )


class UnreadableRecordError(StoreError):
    """One stored record is damaged; the others are fine."""

    def __init__(self, *, where: str, reason: str) -> None:
        self.location = where = mask_url(where)
        self.reason = reason
        FlagstoneError.__init__(
            self,
            f"Cannot read the record at {where}: {reason}. The store was not changed. "
            "Repair or remove that record; the others are not affected.",
        )


class DamagedFileError(UnreadableRecordError):
    """The file of a stored record is missing or has changed."""


class UnreadableValueError(StoreError):
    """A value does not match its kind, or its file is missing."""

    def __init__(self, *, kind: str, reason: str) -> None:
        FlagstoneError.__init__(
            self,
            f"Cannot read a value of kind {kind!r}: {reason}. The store was not changed. "
            "The stored data is in `value.data`; file contents need a flag that was read from a "
            "store.",
        )


class UnknownStoreError(FlagstoneError, ValueError):
    """A URL that matches no kind of store."""

    def __init__(self, *, url: str) -> None:
        url = mask_url(url)
        super().__init__(
            f"Cannot open {url!r}: it matches no kind of store. Use a folder or csv:PATH for CSV "
            "files, sqlite:///PATH or a path ending in .db for SQLite, parquet:PATH-OR-URL for "
            "Parquet, hf://datasets/USER/NAME for a dataset on the Hub, or memory:."
        )


class NoStoreError(FlagstoneError, LookupError):
    """There is no store to read."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot read {where}: no flags were saved there. "
            "Name the folder or database that the demo writes to."
        )


class LostCopyError(FlagstoneError, LookupError):
    """A copy of a store cannot be found."""

    def __init__(self, *, where: str, noted_in: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot find the copy {where}: no store is there, or access to it was denied. "
            "Nothing was created there. Restore it, or name its new location with --also; if it "
            f"was deleted for good, remove its line from {noted_in}."
        )


class RedactedURLError(FlagstoneError):
    """The URL of a copy had a secret, which is not stored."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot open the copy {where}: its URL had a secret, which is not stored. "
            "The copy was not changed. Pass the full URL with --also."
        )


class NotForgottenError(FlagstoneError):
    """Some stores may still have the flags to erase; *reasons* maps each store to the reason."""

    def __init__(self, *, reasons: dict[str, str]) -> None:
        where = ", ".join(map(mask_url, reasons))
        super().__init__(
            f"Cannot forget in {where}: the flags may still be there. "
            f"{' '.join(reasons.values())} All other stores were processed. Fix the problem and "
            "run the command again."
        )


class NothingToForgetError(FlagstoneError, LookupError):
    """No flag has the id or user to erase; *asked* holds ids, and "user:" with a name."""

    def __init__(self, *, asked: tuple[str, ...], where: str) -> None:
        super().__init__(
            f"Cannot forget {', '.join(asked)}: {where} has no flag with that id or user, and "
            "no such id was erased there. All other requested flags were erased. `flagstone list` "
            "shows the ids, `flagstone stats` the users; pass the folder or database that the demo "
            "writes to with --store.",
        )


class UnknownFlagError(FlagstoneError, LookupError):
    """No flag has this id."""

    def __init__(self, *, flag_id: str, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot find flag {flag_id!r} in {where}: no flag has this id. "
            "`flagstone list` shows the ids."
        )


class SamePlaceError(FlagstoneError, ValueError):
    """Source and target of a copy are the same store."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot copy {where} to itself: every flag would be stored twice. Nothing was copied. "
            f"Name another store, such as {where}.db."
        )


def store_error(error: OSError, *, doing: str, where: str) -> StoreError:
    """Return *error* as a `StoreError` or a `StoreFullError`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFullError(where=where)
    return StoreError(doing=doing, where=where, reason=error.strerror or str(error))
