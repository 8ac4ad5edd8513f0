"""
A flag that cannot be saved exactly, and why.
"""

from flagstone.errors.base import SHORT, FlagstoneError, megabytes
from flagstone.errors.safe_text import mask_url


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
            f"{expected}, not {SHORT.repr(given)}. Nothing was saved."
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
