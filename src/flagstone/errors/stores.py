"""
A store, a record or a copy that cannot be read, written or found.
"""

import errno

from flagstone.errors.base import FlagstoneError
from flagstone.errors.safe_text import mask_url


class StoreError(FlagstoneError):
    """The medium would not take a record, or give it back; `reason` is what it said."""

    reason = ""

    def __init__(self, *, doing: str, where: str, reason: str) -> None:
        where, self.reason = mask_url(where), reason
        super().__init__(
            f"Cannot {doing} {where}: {reason}. What was kept before is untouched. "
            "Mend the cause and try again."
        )


class StoreFullError(StoreError):
    """No space is left where the store lies."""

    to_person = "There is no space left to save it. Nothing was kept; please tell the owner."

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        FlagstoneError.__init__(
            self,
            f"Cannot keep the flag in {where}: no space is left there. "
            "What was kept before is untouched, and nothing was half-written. "
            "Free some space and flag again.",
        )


class UnfinishedErasureError(StoreError):
    """What was erased can still be found on the medium for now."""

    def __init__(self, *, where: str, reason: str) -> None:
        FlagstoneError.__init__(
            self,
            f"Cannot finish the erasure in {where} yet: {reason}. No flag that was erased is shown "
            "there, but the medium may still have it. When that has changed, run `flagstone "
            "doctor` for this store, or forget again.",
        )


class UnreadableRecordError(StoreError):
    """One stored record is damaged; the others are fine."""

    def __init__(self, *, where: str, reason: str) -> None:
        self.location = where = mask_url(where)
        self.reason = reason
        FlagstoneError.__init__(
            self,
            f"Cannot read the record at {where}: {reason}. The store was not changed. "
            "Mend or remove that record; the others are not touched by it.",
        )


class DamagedFileError(UnreadableRecordError):
    """The file of a stored record is gone, or is not what was kept."""


class UnreadableValueError(StoreError):
    """A value is not what its kind says, or its file is gone."""

    def __init__(self, *, kind: str, reason: str) -> None:
        FlagstoneError.__init__(
            self,
            f"Cannot read a value of kind {kind!r}: {reason}. The store was not changed. "
            "`value.data` has it as it was kept; read flags from their store to have their files.",
        )


class UnknownStoreError(FlagstoneError, ValueError):
    """A URL that names no kind of store."""

    def __init__(self, *, url: str) -> None:
        url = mask_url(url)
        super().__init__(
            f"Cannot open {url!r}: it names no kind of store. Use a folder or csv:PATH for CSV "
            "files, sqlite:///PATH or a path ending in .db for SQLite, parquet:PATH-OR-URL for "
            "Parquet, hf://datasets/USER/NAME for a dataset of the Hub, or memory:."
        )


class NoStoreError(FlagstoneError, LookupError):
    """A store that was to be read is not there."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot read {where}: nothing has been kept there. "
            "Name the folder or database that the demo writes to."
        )


class LostCopyError(FlagstoneError, LookupError):
    """A copy of a store is not where it was made."""

    def __init__(self, *, where: str, noted_in: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot find the copy {where}: no store is there now, or none that may be seen. "
            "Nothing was made there. Bring it back, or name its new place with --also; when it is "
            f"gone for good, take its line out of {noted_in}."
        )


class RedactedURLError(FlagstoneError):
    """The URL of a copy had a secret, which is not kept."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot open the copy {where}: its URL had a secret, which is not kept. "
            "Nothing was done there. Name it in full with --also."
        )


class NotForgottenError(FlagstoneError):
    """Some places may still have what was to be forgotten; *reasons* says why, by place."""

    def __init__(self, *, reasons: dict[str, str]) -> None:
        where = ", ".join(map(mask_url, reasons))
        super().__init__(
            f"Cannot forget in {where}: what is asked for may still be there. "
            f"{' '.join(reasons.values())} No other place is kept from forgetting by that. Once "
            "that is mended run it again: what is gone already does not matter."
        )


class NothingToForgetError(FlagstoneError, LookupError):
    """What was to be forgotten is not there; *asked* are ids, and "user:" with a name."""

    def __init__(self, *, asked: tuple[str, ...], where: str) -> None:
        super().__init__(
            f"Cannot forget {', '.join(asked)}: no flag of that id or user is in {where} now, and "
            "no such id was erased there. All else that was asked for is forgotten. `flagstone "
            "list` shows the ids, `flagstone stats` the users; name the folder or database that "
            "the demo writes to with --store.",
        )


class UnknownFlagError(FlagstoneError, LookupError):
    """No flag has this id."""

    def __init__(self, *, flag_id: str, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot find flag {flag_id!r} in {where}: none there has this id. "
            "`flagstone list` shows the ids."
        )


class SamePlaceError(FlagstoneError, ValueError):
    """A copy from a place to itself."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot copy {where} to itself: every flag would be there twice. Nothing was copied. "
            f"Name another store, such as {where}.db."
        )


def store_error(error: OSError, *, doing: str, where: str) -> StoreError:
    """*error* as one of ours: full, or the system's reason in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFullError(where=where)
    return StoreError(doing=doing, where=where, reason=error.strerror or str(error))
