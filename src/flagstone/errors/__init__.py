"""
Everything this library raises on purpose.

    FlagstoneError
    ├── RejectedFlagError            a flag that cannot be saved exactly (also a ValueError)
    │   ├── UnserializableValueError a value that JSON cannot give back exactly
    │   │   └── WrongPayloadError    not what the page of a component holds
    │   ├── InvalidRecordError       a record's field of a wrong type (also a TypeError)
    │   ├── WrongFieldsError         not one value for each field
    │   │   └── NotSetUpError        a callback that was told of no fields
    │   ├── UntrustedFileError       a file that the host never took in
    │   ├── ChangingFileError        a file that was written to while it was read
    │   ├── TooLargeError            a flag of more bytes than the demo keeps
    │   ├── TooLongError             a file name or another short text that is too long
    │   ├── TooManyFlagsError        more flags of one session than the demo keeps in a minute
    │   ├── NoConsentError           the person has not agreed to what the demo asks
    │   ├── RedactedError            the demo's `redact` lets nothing of the flag be kept
    │   ├── NoSuchOptionError        an option that the demo does not offer
    │   ├── NoSuchReplyError         a reaction to a message that is no reply
    │   ├── WithdrawnFlagError       a comment on a flag that was taken back, or erased
    │   └── MissingFileError         a record names a file whose bytes the store does not have
    ├── StoreError                   the medium would not take a record, or give it back
    │   ├── StoreFullError           no space is left
    │   ├── UnfinishedErasureError   what was erased can still be found for now
    │   ├── UnreadableRecordError    one stored record is damaged; the others are fine
    │   │   └── DamagedFileError     its file is gone, or is not what was kept
    │   └── UnreadableValueError     a value is not what its kind says, or its file is gone
    ├── UnknownStoreError            a URL that names no kind of store (also a ValueError)
    ├── NoStoreError                 a store to be read is not there (also a LookupError)
    ├── LostCopyError                a copy is not where it was made (also a LookupError)
    ├── RedactedURLError             a copy's URL had a secret, which is not kept
    ├── NotForgottenError            some places still have what was to be forgotten
    ├── SamePlaceError               a copy from a place to itself (also a ValueError)
    ├── NothingToForgetError         no flag of this id or user (also a LookupError)
    ├── UnknownFlagError             no flag has this id (also a LookupError)
    ├── ForeignCallbackError         somebody's own callback cannot do this (also a TypeError)
    ├── AmbiguousFieldsError         nobody said which fields a flag is of (also a ValueError)
    ├── UnloadableDemoError          a demo that its file does not give (also an ImportError)
    ├── OtherDemoError               a log that another demo wrote (also a ValueError)
    ├── UnknownFieldError            no flag has a field of this name (also a LookupError)
    ├── UnknownFormatError           a format that nothing can be exported in (also a ValueError)
    ├── ForeignFolderError           something that is no export of ours (also a FileExistsError)
    ├── NothingToExportError         no flag that could be exported (also a LookupError)
    ├── MissingExtraError            an optional dependency is not installed (also an ImportError)
    ├── NoUsersError                 a review page that anybody could reach (also a ValueError)
    ├── UntrustedProxyError          a header that anybody could send (also a ValueError)
    ├── UsersError                   a file of users that cannot be read, or written so
    └── BadQueryError                a query that says nothing we understand (also a ValueError)

Each constructor takes facts and words the sentence: what could not be done, where, why, what is
untouched, and the way out. A sentence is one line of printable characters and shows no secret of a
URL. Every other module may import this one, which imports only `safe_text`.
"""

import errno
import reprlib

from flagstone.errors.safe_text import mask_text, mask_url, one_line

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


class FlagstoneError(Exception):
    """`except FlagstoneError` catches all of ours, and nothing else."""

    to_person = "It could not be saved. Nothing was kept; you can try again."
    """What a visitor of the demo may read: no path, no cause that is not theirs to know."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(one_line(mask_text(sentence)))


class RejectedFlagError(FlagstoneError, ValueError):
    """What was to be kept cannot be kept as it is; nothing was kept."""


class UnserializableValueError(RejectedFlagError):
    """A value that would not come back as it went in."""

    def __init__(self, *, where: str, reason: str) -> None:
        self.location, self.reason = where, reason
        self.to_person = f"{where or 'A value'} cannot be saved: {reason}. Nothing was kept."
        super().__init__(
            f"Cannot keep {where or 'the value'}: {reason}. Nothing was kept. "
            "Flag text, numbers, lists, dicts and files instead, or leave this field out."
        )


class WrongPayloadError(UnserializableValueError):
    """Not what the page of a component holds, but, it may be, what a function gets of it."""

    def __init__(self, *, field: str, component: str, found: str = "") -> None:
        reason = f"it is not what a {component} holds"
        super().__init__(where=f"field {field!r}", reason=reason)
        if found:
            cause = f"{reason} on the page but {found}, which is what a function gets"
            way_out = "Give the event that calls flag() preprocess=False"
        else:
            cause, way_out = reason, "If an event of yours calls flag(), give it preprocess=False"
        self.args = (f"Cannot keep field {field!r}: {cause}. Nothing was kept. {way_out}.",)


class InvalidRecordError(RejectedFlagError, TypeError):
    """A field of a `Flag`, `Review`, `Outcome`, `Value` or `FileRef` was given no such thing."""

    def __init__(self, *, record: str, field: str, expected: str, given: object) -> None:
        self.field = field
        super().__init__(
            f"Cannot make {'an' if record[0] in 'AEIO' else 'a'} {record}: {field} must be "
            f"{expected}, not {_short.repr(given)}. Nothing was saved."
        )


class WrongFieldsError(RejectedFlagError):
    """Not one value for each field."""

    def __init__(self, *, fields: list[str], values: int) -> None:
        super().__init__(
            f"Cannot keep a flag of {values} value{'s' * (values != 1)} for {len(fields)} "
            f"field{'s' * (len(fields) != 1)} ({', '.join(fields)}): which value belongs to which "
            "field cannot be told. Nothing was kept. "
            "Pass flag() one value for each component given to setup()."
        )


class NotSetUpError(WrongFieldsError):
    """A callback whose `setup` was never called, so that it knows no fields."""

    def __init__(self, *, callback: str, values: int = 0) -> None:
        FlagstoneError.__init__(
            self,
            f"Cannot keep a flag of {values} value{'s' * (values != 1)} for 0 fields: setup() of "
            f"this {callback} was never called. Nothing was kept. Call setup([component, …], "
            "folder) before flag(), or hand it to an Interface as its flagging_callback.",
        )


class UntrustedFileError(RejectedFlagError):
    """A file that the host never took in, so that it may be anybody's."""

    def __init__(self, *, field: str, path: str, reason: str) -> None:
        self.to_person = f"The file of {field} cannot be saved: {reason}. Nothing was kept."
        super().__init__(
            f"Cannot keep the file {path!r} of field {field!r}: {reason}. "
            "The file was not read and nothing was kept. "
            "Only files that were uploaded to the demo or returned by its function can be flagged."
        )


class ChangingFileError(RejectedFlagError):
    """A file that was written to while it was read: no one moment's content was seen."""

    to_person = "A file changed while it was saved. Nothing was kept; you can try again."

    def __init__(self, *, path: str) -> None:
        super().__init__(
            f"Cannot keep the file {path!r}: it was written to while it was read. Nothing was "
            "kept. Flag again when it is complete."
        )


class TooLargeError(RejectedFlagError):
    """A flag of more bytes than the demo keeps."""

    def __init__(self, *, size: int, most: int) -> None:
        self.to_person = (
            f"It is larger than the {megabytes(most)} that this demo keeps. Nothing was kept."
        )
        super().__init__(
            f"Cannot keep a flag of {size:,} bytes: {most:,} is the most. Nothing was kept. Raise "
            "flag_size, or None for no limit."
        )


class TooLongError(RejectedFlagError):
    """A short text of a flag, such as the name of a file, that is not short."""

    def __init__(self, *, what: str, most: int) -> None:
        what = what.replace("_", " ")
        self.to_person = f"Its {what} is longer than {most:,} characters. Nothing was kept."
        super().__init__(
            f"Cannot keep the flag: its {what} is longer than {most:,} characters. Nothing was "
            "kept. Shorten it."
        )


class TooManyFlagsError(RejectedFlagError):
    """More flags of one session than the demo keeps in a minute."""

    def __init__(self, *, most: int) -> None:
        self.to_person = (
            f"That is more than {most} in a minute. Nothing was kept; wait a little and try again."
        )
        super().__init__(
            f"Cannot keep the flag: its session sent more than {most} within a minute. Nothing "
            "was kept. Raise flag_rate, or None for no limit."
        )


class NoConsentError(RejectedFlagError):
    """The person has not agreed to what the demo asks."""

    to_person = "Tick the line above first. Nothing was kept."

    def __init__(self) -> None:
        super().__init__(
            "Cannot keep the flag: the person did not agree to the demo's consent line. Nothing "
            "was kept. The line has to be ticked on the page."
        )


class RedactedError(RejectedFlagError):
    """The demo's `redact` lets nothing of the flag be kept."""

    to_person = "This demo does not keep what you entered. Nothing was kept."

    def __init__(self) -> None:
        super().__init__(
            "Cannot keep the flag: the demo's redact function gave None for it. Nothing was kept. "
            "Flag something else, or change redact."
        )


class NoSuchOptionError(RejectedFlagError):
    """An option that the demo does not offer."""

    to_person = "There is no such option. Nothing was kept."

    def __init__(self, *, option: object, options: list[str]) -> None:
        super().__init__(
            f"Cannot keep the flag: the demo has no option {str(option)[:80]!r}. Nothing was kept. "
            f"Its options are {', '.join(options) or 'none'}."
        )


class NoSuchReplyError(RejectedFlagError):
    """A reaction to a message that is no reply."""

    to_person = "There is no such reply any more. Nothing was kept."

    def __init__(self, *, index: int) -> None:
        super().__init__(
            f"Cannot keep the reaction to message {index}: the conversation has no such reply. "
            "Nothing was kept. React to a reply that is shown."
        )


class WithdrawnFlagError(RejectedFlagError):
    """A comment on a flag that was taken back, or erased."""

    to_person = "The reaction was taken back. Nothing was kept; react again to comment."

    def __init__(self, *, flag_id: str) -> None:
        super().__init__(
            f"Cannot keep a comment on flag {flag_id}: the flag was taken back or erased. "
            "Nothing was kept. React to the reply again, then comment."
        )


class MissingFileError(RejectedFlagError):
    """A record names a file whose bytes the store does not have."""

    def __init__(self, *, where: str, record: str, name: str, sha256: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot keep record {record} in {where}: its file {name!r} ({sha256[:12]}…) is not "
            "there. Nothing was kept. Put the file first: store.files.put(…)."
        )


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


class UnknownFieldError(FlagstoneError, LookupError):
    """No flag has a field of this name."""

    def __init__(self, *, field: str, fields: list[str]) -> None:
        super().__init__(
            f"Cannot take {field!r} for an output: no flag has such a field. Nothing was copied. "
            f"The fields are {', '.join(fields) or 'none'}."
        )


class UnloadableDemoError(FlagstoneError, ImportError):
    """A demo that its file, or module, does not give."""

    def __init__(self, *, target: str, reason: str) -> None:
        super().__init__(
            f"Cannot load the demo {target}: {reason}. Nothing was served and nothing was kept. "
            "Name the file and the demo in it: app.py:demo."
        )


class OtherDemoError(FlagstoneError, ValueError):
    """A log whose fields are none of the demo's by which it is to be read."""

    def __init__(self, *, demo: list[str], log: list[str]) -> None:
        super().__init__(
            "Cannot read the log by this demo: they have no field in common. Nothing was copied. "
            f"The demo's fields are {', '.join(demo) or 'none'}, the log's {', '.join(log)}. "
            "Name the demo that wrote the log."
        )


class ForeignCallbackError(FlagstoneError, TypeError):
    """Somebody's own callback cannot do what is asked of it."""

    def __init__(self, *, callback: object, what: str) -> None:
        super().__init__(
            f"Cannot use {type(callback).__name__} here: it keeps no {what}. The demo was not "
            "built. Use FlagLogger, CSVLogger or ClassicCSVLogger of flagstone.gradio."
        )


class AmbiguousFieldsError(FlagstoneError, ValueError):
    """Nobody said which fields a flag is of, and the demo leaves it open."""

    def __init__(self, *, functions: list[str]) -> None:
        found = f"more than one ({', '.join(functions)})" if functions else "none"
        super().__init__(
            "Cannot tell what to flag: of functions with inputs and outputs the demo has "
            f"{found}. The demo was not changed. Say which fields: "
            "attach(demo, inputs=[…], outputs=[…]), once for each panel."
        )


class SamePlaceError(FlagstoneError, ValueError):
    """A copy from a place to itself."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot copy {where} to itself: every flag would be there twice. Nothing was copied. "
            f"Name another store, such as {where}.db."
        )


class UnknownFormatError(FlagstoneError, ValueError):
    """A format that nothing can be exported in."""

    def __init__(self, *, format: str, formats: list[str]) -> None:  # noqa: A002 - the word
        super().__init__(
            f"Cannot export as {format!r}: there is no such format. Nothing was written. "
            f"The formats are {', '.join(formats)}."
        )


class ForeignFolderError(FlagstoneError, FileExistsError):
    """Something that is no export of ours stands where one should go."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot export to {where}: something is there that is no export of Flagstone. It was "
            "not touched and nothing was written. Name a folder that is not there yet, is empty, "
            "or holds an earlier export."
        )


class NothingToExportError(FlagstoneError, LookupError):
    """No flag that could be exported in this format."""

    def __init__(self, *, where: str, format: str, flags: int) -> None:  # noqa: A002 - the word
        why = f"none of {flags:,} has what it takes" if flags else "no flag is asked for"
        super().__init__(
            f"Cannot export from {where} as {format}: {why}. Nothing was written. "
            "Ask for other flags, or for another format; docs/export.md says what each is made of."
        )


class MissingExtraError(FlagstoneError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, *, asked: str, extra: str) -> None:
        asked = mask_url(asked)
        super().__init__(
            f"Cannot use {asked}: what it needs is not installed. "
            f"Install it with: pip install 'flagstone[{extra}]'"
        )


class NoUsersError(FlagstoneError, ValueError):
    """A review page that anybody could reach."""

    def __init__(self, *, host: str) -> None:
        super().__init__(
            f"Cannot serve the review page on {host}: whoever reaches it could read and decide. "
            "Nothing was started. Name people with `flagstone review-user users.txt NAME` and add "
            "--users users.txt, or leave out --host to serve this machine only."
        )


class UntrustedProxyError(FlagstoneError, ValueError):
    """A header of a proxy that anybody could send."""

    def __init__(self, *, header: str | None, reason: str) -> None:
        super().__init__(
            f"Cannot believe {header or 'X-Forwarded-For'}: {reason}, so that anybody could send "
            "it. Nothing was started. Name the proxy with --proxy ADDRESS, and have it send "
            "a secret in X-Proxy-Secret that --proxy-secret names, or say with "
            "--trust-proxy-address that nobody else can connect from there."
        )


class UsersError(FlagstoneError):
    """A file of users that cannot be read, or cannot be written so."""

    def __init__(self, *, doing: str, where: str, reason: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot {doing} the users in {where}: {reason}. The file was not changed. "
            "`flagstone review-user FILE NAME` adds a person to it."
        )


class BadQueryError(FlagstoneError, ValueError):
    """A query that says nothing we understand; `part` is the part of it."""

    def __init__(self, *, part: str, reason: str, properties: tuple[str, ...]) -> None:
        part = mask_url(part)
        names = ", ".join(f"{name}:" for name in properties)
        super().__init__(
            f"Cannot search for {part!r}: {reason}. A query is words to be found, and one of "
            f"{names} with what is asked for; what is to be found as it stands goes in double "
            "quotes."
        )


def megabytes(size: int) -> str:
    """*size* in bytes, for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} byte{'s' * (size != 1)}"  # noqa: PLR2004


def store_error(error: OSError, *, doing: str, where: str) -> StoreError:
    """*error* as one of ours: full, or the system's reason in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFullError(where=where)
    return StoreError(doing=doing, where=where, reason=error.strerror or str(error))
