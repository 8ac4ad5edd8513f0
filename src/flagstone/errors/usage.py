"""
Errors for requests that cannot be fulfilled as they are.
"""

from flagstone.errors.base import FlagstoneError
from flagstone.errors.safe_text import mask_url


class UnknownFieldError(FlagstoneError, LookupError):
    """No flag has a field of this name."""

    def __init__(self, *, field: str, fields: list[str]) -> None:
        super().__init__(
            f"Cannot use {field!r} as an output: no flag has such a field. Nothing was copied. "
            f"The fields are {', '.join(fields) or 'none'}."
        )


class UnloadableDemoError(FlagstoneError, ImportError):
    """A demo that cannot be loaded from its file or module."""

    def __init__(self, *, target: str, reason: str) -> None:
        super().__init__(
            f"Cannot load the demo {target}: {reason}. Nothing was served and nothing was saved. "
            "Give the file and the name of the demo in it: app.py:demo."
        )


class OtherDemoError(FlagstoneError, ValueError):
    """A log that has no field in common with the given demo."""

    def __init__(self, *, demo: list[str], log: list[str]) -> None:
        super().__init__(
            "Cannot read the log with this demo: they have no field in common. Nothing was copied. "
            f"The fields of the demo are {', '.join(demo) or 'none'}; those of the log are "
            f"{', '.join(log)}. Pass the demo that wrote the log."
        )


class ForeignCallbackError(FlagstoneError, TypeError):
    """A custom callback lacks a feature that is needed here."""

    def __init__(self, *, callback: object, what: str) -> None:
        super().__init__(
            f"Cannot use {type(callback).__name__} here: it does not support {what}. The demo "
            "was not built. Use FlagLogger, CSVLogger or ClassicCSVLogger of flagstone.gradio."
        )


class AmbiguousFieldsError(FlagstoneError, ValueError):
    """The fields to flag were not given, and the demo does not determine them."""

    def __init__(self, *, functions: list[str]) -> None:
        found = f"several functions ({', '.join(functions)})" if functions else "no function"
        super().__init__(
            f"Cannot determine what to flag: the demo has {found} with inputs and outputs. The "
            "demo was not changed. Pass the fields: attach(demo, inputs=[…], outputs=[…]), once "
            "for each panel."
        )


class UnknownFormatError(FlagstoneError, ValueError):
    """There is no such export format."""

    def __init__(self, *, format: str, formats: list[str]) -> None:  # noqa: A002 - the word
        super().__init__(
            f"Cannot export as {format!r}: there is no such format. Nothing was written. "
            f"The formats are {', '.join(formats)}."
        )


class ForeignFolderError(FlagstoneError, FileExistsError):
    """The target of an export exists and is not an export of ours."""

    def __init__(self, *, where: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot export to {where}: it exists and is not a Flagstone export. It was not "
            "changed and nothing was written. Choose a folder that does not exist, is empty, or "
            "holds an earlier export."
        )


class NothingToExportError(FlagstoneError, LookupError):
    """No flag can be exported in this format."""

    def __init__(self, *, where: str, format: str, flags: int) -> None:  # noqa: A002 - the word
        why = f"none of {flags:,} flags fits this format" if flags else "no flag matches the query"
        super().__init__(
            f"Cannot export from {where} as {format}: {why}. Nothing was written. "
            "Select other flags, or another format; docs/export.md lists what each format needs."
        )


class MissingExtraError(FlagstoneError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, *, asked: str, extra: str) -> None:
        asked = mask_url(asked)
        super().__init__(
            f"Cannot use {asked}: a required package is not installed. "
            f"Install it with: pip install 'flagstone[{extra}]'"
        )


class NoUsersError(FlagstoneError, ValueError):
    """The review page would be open to everyone."""

    def __init__(self, *, host: str) -> None:
        super().__init__(
            f"Cannot serve the review page on {host}: anyone could read flags and decide. "
            "Nothing was started. Add users with `flagstone review-user users.txt NAME` and pass "
            "--users users.txt, or omit --host to serve this machine only."
        )


class UntrustedProxyError(FlagstoneError, ValueError):
    """A proxy header that anyone could send."""

    def __init__(self, *, header: str | None, reason: str) -> None:
        super().__init__(
            f"Cannot trust {header or 'X-Forwarded-For'}: {reason}, so anyone could send it. "
            "Nothing was started. Pass the address of the proxy with --proxy ADDRESS. Also "
            "configure the proxy to send the secret of --proxy-secret in X-Proxy-Secret, or "
            "confirm with --trust-proxy-address that only the proxy can connect from there."
        )


class UsersError(FlagstoneError):
    """A users file that cannot be read or written."""

    def __init__(self, *, doing: str, where: str, reason: str) -> None:
        where = mask_url(where)
        super().__init__(
            f"Cannot {doing} the users in {where}: {reason}. The file was not changed. "
            "`flagstone review-user FILE NAME` adds a user to it."
        )


class BadQueryError(FlagstoneError, ValueError):
    """A query that cannot be parsed; `part` is the invalid part."""

    def __init__(self, *, part: str, reason: str, properties: tuple[str, ...]) -> None:
        part = mask_url(part)
        names = ", ".join(f"{name}:" for name in properties)
        super().__init__(
            f"Cannot search for {part!r}: {reason}. A query contains words to find, and any of "
            f"{names} followed by a value; put text with special characters in double quotes."
        )
