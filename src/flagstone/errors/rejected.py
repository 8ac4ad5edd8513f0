"""
Errors for flags that cannot be saved exactly.
"""

from flagstone.errors.base import SHORT, FlagstoneError, megabytes
from flagstone.errors.safe_text import mask_url


class RejectedFlagError(FlagstoneError, ValueError):
    """The flag cannot be saved as it is; nothing was saved."""


class UnserializableValueError(RejectedFlagError):
    """A value that cannot be stored as JSON without loss."""

    def __init__(self, *, where: str, reason: str) -> None:
        self.location, self.reason = where, reason
        self.to_person = f"{where or 'A value'} cannot be saved: {reason}. Nothing was saved."
        super().__init__(
            f"Cannot save {where or 'the value'}: {reason}. Nothing was saved. "
            "Flag text, numbers, lists, dicts or files instead, or omit this field."
        )


class WrongPayloadError(UnserializableValueError):
    """
    A value that is not the payload of its component, but possibly the preprocessed value.
    """

    def __init__(self, *, field: str, component: str, found: str = "") -> None:
        reason = f"it is not the payload of {component}"
        super().__init__(where=f"field {field!r}", reason=reason)
        if found:
            cause = f"{reason} but {found}, the value that functions receive"
            way_out = "Set preprocess=False on the event that calls flag()"
        else:
            cause, way_out = reason, "If your own event calls flag(), set preprocess=False on it"
        self.args = (f"Cannot save field {field!r}: {cause}. Nothing was saved. {way_out}.",)


class InvalidRecordError(RejectedFlagError, TypeError):
    """A field of a `Flag`, `Review`, `Outcome`, `Value` or `FileRef` has an invalid value."""

    def __init__(self, *, record: str, field: str, expected: str, given: object) -> None:
        self.field = field
        super().__init__(
            f"Cannot create {'an' if record[0] in 'AEIO' else 'a'} {record}: {field} must be "
            f"{expected}, not {SHORT.repr(given)}. Nothing was saved."
        )


class WrongFieldsError(RejectedFlagError):
    """The number of values is not the number of fields."""

    def __init__(self, *, fields: list[str], values: int) -> None:
        super().__init__(
            f"Cannot save a flag of {values} value{'s' * (values != 1)} for {len(fields)} "
            f"field{'s' * (len(fields) != 1)} ({', '.join(fields)}): the numbers differ. "
            "Nothing was saved. Pass flag() one value for each component given to setup()."
        )


class NotSetUpError(WrongFieldsError):
    """`setup()` of a callback was not called, so its fields are unknown."""

    def __init__(self, *, callback: str, values: int = 0) -> None:
        FlagstoneError.__init__(
            self,
            f"Cannot save a flag of {values} value{'s' * (values != 1)} for 0 fields: setup() of "
            f"this {callback} was not called. Nothing was saved. Call setup([component, …], "
            "folder) before flag(), or pass it to an Interface as flagging_callback.",
        )


class UntrustedFileError(RejectedFlagError):
    """A file that was neither uploaded to the demo nor returned by its function."""

    def __init__(self, *, field: str, path: str, reason: str) -> None:
        self.to_person = f"The file of {field} cannot be saved: {reason}. Nothing was saved."
        super().__init__(
            f"Cannot save the file {path!r} of field {field!r}: {reason}. "
            "The file was not read and nothing was saved. "
            "Only files that were uploaded to the demo or returned by its function can be flagged."
        )


class ChangingFileError(RejectedFlagError):
    """A file that was modified while it was read, so that its content is not consistent."""

    to_person = "A file changed while it was saved. Nothing was saved; you can try again."

    def __init__(self, *, path: str) -> None:
        super().__init__(
            f"Cannot save the file {path!r}: it was modified while it was read. Nothing was "
            "saved. Flag again when the file is complete."
        )


class TooLargeError(RejectedFlagError):
    """A flag that is larger than the demo's limit."""

    def __init__(self, *, size: int, most: int) -> None:
        self.to_person = (
            f"It is larger than {megabytes(most)}, the limit of this demo. Nothing was saved."
        )
        super().__init__(
            f"Cannot save a flag of {size:,} bytes: the limit is {most:,}. Nothing was saved. "
            "Raise flagging_size, or set it to None for no limit."
        )


class TooLongError(RejectedFlagError):
    """A file name or another short text of a flag that is too long."""

    def __init__(self, *, what: str, most: int) -> None:
        what = what.replace("_", " ")
        self.to_person = f"Its {what} is longer than {most:,} characters. Nothing was saved."
        super().__init__(
            f"Cannot save the flag: its {what} is longer than {most:,} characters. Nothing was "
            "saved. Shorten it."
        )


class TooManyFlagsError(RejectedFlagError):
    """A session sent more flags in a minute than the demo allows."""

    def __init__(self, *, most: int) -> None:
        self.to_person = (
            f"You sent more than {most} in a minute. Nothing was saved; wait and try again."
        )
        super().__init__(
            f"Cannot save the flag: its session sent more than {most} within a minute. Nothing "
            "was saved. Raise flagging_rate, or set it to None for no limit."
        )


class NoConsentError(RejectedFlagError):
    """The visitor did not give the consent that the demo requires."""

    to_person = "Tick the consent box above first. Nothing was saved."

    def __init__(self) -> None:
        super().__init__(
            "Cannot save the flag: the visitor did not tick the demo's consent box. Nothing was "
            "saved. The box must be ticked on the page."
        )


class RedactedError(RejectedFlagError):
    """The demo's `redact` function returned None, so the flag must not be saved."""

    to_person = "This demo does not save what you entered. Nothing was saved."

    def __init__(self) -> None:
        super().__init__(
            "Cannot save the flag: the demo's redact function returned None. Nothing was saved. "
            "Flag something else, or change the function."
        )


class NoSuchOptionError(RejectedFlagError):
    """An option that the demo does not offer."""

    to_person = "There is no such option. Nothing was saved."

    def __init__(self, *, option: object, options: list[str]) -> None:
        super().__init__(
            f"Cannot save the flag: the demo has no option {str(option)[:80]!r}. Nothing was "
            f"saved. Its options are {', '.join(options) or 'none'}."
        )


class NoSuchReplyError(RejectedFlagError):
    """A reaction to a message that is not a reply."""

    to_person = "This reply no longer exists. Nothing was saved."

    def __init__(self, *, index: int) -> None:
        super().__init__(
            f"Cannot save the reaction to message {index}: the conversation has no such reply. "
            "Nothing was saved. React to a reply that is shown."
        )


class WithdrawnFlagError(RejectedFlagError):
    """A comment on a flag that was withdrawn or erased."""

    to_person = "The reaction was withdrawn. Nothing was saved; react again to comment."

    def __init__(self, *, flag_id: str) -> None:
        super().__init__(
            f"Cannot save a comment on flag {flag_id}: the flag was withdrawn or erased. "
            "Nothing was saved. React to the reply again, then comment."
        )


class MissingFileError(RejectedFlagError):
    """A record refers to a file that the store does not have."""

    def __init__(self, *, where: str, record: str, name: str, sha256: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot save record {record} in {where}: its file {name!r} ({sha256[:12]}…) is not "
            "there. Nothing was saved. Save the file first: store.files.put(…)."
        )
