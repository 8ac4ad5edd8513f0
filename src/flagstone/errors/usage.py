"""
What was asked for in a way that cannot be done.
"""

from flagstone.errors.base import FlagstoneError
from flagstone.errors.safe_text import mask_url


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
