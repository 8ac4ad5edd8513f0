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
URL. Every other module may import this package, which imports nothing else of ours.
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
