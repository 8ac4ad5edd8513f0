"""
Every error that this library raises on purpose.

    FlagstoneError
    ├── RejectedFlagError            a flag cannot be saved exactly (also a ValueError)
    │   ├── UnserializableValueError a value cannot be stored as JSON without loss
    │   │   └── WrongPayloadError    a value is not the payload of its component
    │   ├── InvalidRecordError       a record field has the wrong type (also a TypeError)
    │   ├── WrongFieldsError         the number of values is not the number of fields
    │   │   └── NotSetUpError        `setup()` of a callback was not called
    │   ├── UntrustedFileError       a file was neither uploaded to the demo nor returned by it
    │   ├── ChangingFileError        a file was modified while it was read
    │   ├── TooLargeError            a flag is larger than the demo's limit
    │   ├── TooLongError             a file name or another short text is too long
    │   ├── TooManyFlagsError        a session sent more flags per minute than the demo allows
    │   ├── NoConsentError           the visitor did not give the consent that the demo requires
    │   ├── RedactedError            the demo's `redact` function returned None
    │   ├── NoSuchOptionError        the demo does not offer this option
    │   ├── NoSuchReplyError         a reaction to a message that is not a reply
    │   ├── WithdrawnFlagError       a comment on a flag that was withdrawn or erased
    │   └── MissingFileError         a record refers to a file that the store does not have
    ├── StoreError                   a store could not be read or written
    │   ├── StoreFullError           no space is left
    │   ├── UnfinishedErasureError   erased data can still be found for now
    │   ├── UnreadableRecordError    one stored record is damaged; the others are fine
    │   │   └── DamagedFileError     the file of a record is missing or has changed
    │   └── UnreadableValueError     a value does not match its kind, or its file is missing
    ├── UnknownStoreError            a URL matches no kind of store (also a ValueError)
    ├── NoStoreError                 there is no store to read (also a LookupError)
    ├── LostCopyError                a copy of a store cannot be found (also a LookupError)
    ├── RedactedURLError             a copy's URL had a secret, which is not stored
    ├── NotForgottenError            some stores may still have the flags to erase
    ├── SamePlaceError               source and target of a copy are the same (also a ValueError)
    ├── NothingToForgetError         no flag has this id or user (also a LookupError)
    ├── UnknownFlagError             no flag has this id (also a LookupError)
    ├── ForeignCallbackError         a custom callback lacks a feature (also a TypeError)
    ├── AmbiguousFieldsError         the fields to flag are ambiguous (also a ValueError)
    ├── UnloadableDemoError          a demo cannot be loaded (also an ImportError)
    ├── OtherDemoError               another demo wrote the log (also a ValueError)
    ├── UnknownFieldError            no flag has a field of this name (also a LookupError)
    ├── UnknownFormatError           there is no such export format (also a ValueError)
    ├── ForeignFolderError           the target is not an export of ours (also a FileExistsError)
    ├── NothingToExportError         no flag can be exported (also a LookupError)
    ├── MissingExtraError            an optional dependency is not installed (also an ImportError)
    ├── NoUsersError                 the review page would be open to everyone (also a ValueError)
    ├── UntrustedProxyError          anyone could send this proxy header (also a ValueError)
    ├── UsersError                   a users file cannot be read or written
    └── BadQueryError                a query cannot be parsed (also a ValueError)

Constructors take facts and build the message: what could not be done, where, why, what is
unchanged, and how to fix it. A message is one line of printable characters and shows no secret of
a URL. This package imports no other module of Flagstone, so every module may import it.
"""

from flagstone.errors.base import (
    FlagstoneError,
    megabytes,
)
from flagstone.errors.rejected import (
    ChangingFileError,
    InvalidRecordError,
    MissingFileError,
    NoConsentError,
    NoSuchOptionError,
    NoSuchReplyError,
    NotSetUpError,
    RedactedError,
    RejectedFlagError,
    TooLargeError,
    TooLongError,
    TooManyFlagsError,
    UnserializableValueError,
    UntrustedFileError,
    WithdrawnFlagError,
    WrongFieldsError,
    WrongPayloadError,
)
from flagstone.errors.stores import (
    DamagedFileError,
    LostCopyError,
    NoStoreError,
    NotForgottenError,
    NothingToForgetError,
    RedactedURLError,
    SamePlaceError,
    StoreError,
    StoreFullError,
    UnfinishedErasureError,
    UnknownFlagError,
    UnknownStoreError,
    UnreadableRecordError,
    UnreadableValueError,
    store_error,
)
from flagstone.errors.usage import (
    AmbiguousFieldsError,
    BadQueryError,
    ForeignCallbackError,
    ForeignFolderError,
    MissingExtraError,
    NothingToExportError,
    NoUsersError,
    OtherDemoError,
    UnknownFieldError,
    UnknownFormatError,
    UnloadableDemoError,
    UntrustedProxyError,
    UsersError,
)

__all__ = [
    "AmbiguousFieldsError",
    "BadQueryError",
    "ChangingFileError",
    "DamagedFileError",
    "FlagstoneError",
    "ForeignCallbackError",
    "ForeignFolderError",
    "InvalidRecordError",
    "LostCopyError",
    "MissingExtraError",
    "MissingFileError",
    "NoConsentError",
    "NoStoreError",
    "NoSuchOptionError",
    "NoSuchReplyError",
    "NoUsersError",
    "NotForgottenError",
    "NotSetUpError",
    "NothingToExportError",
    "NothingToForgetError",
    "OtherDemoError",
    "RedactedError",
    "RedactedURLError",
    "RejectedFlagError",
    "SamePlaceError",
    "StoreError",
    "StoreFullError",
    "TooLargeError",
    "TooLongError",
    "TooManyFlagsError",
    "UnfinishedErasureError",
    "UnknownFieldError",
    "UnknownFlagError",
    "UnknownFormatError",
    "UnknownStoreError",
    "UnloadableDemoError",
    "UnreadableRecordError",
    "UnreadableValueError",
    "UnserializableValueError",
    "UntrustedFileError",
    "UntrustedProxyError",
    "UsersError",
    "WithdrawnFlagError",
    "WrongFieldsError",
    "WrongPayloadError",
    "megabytes",
    "store_error",
]
