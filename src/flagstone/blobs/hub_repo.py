"""
The files and commits of a dataset on the Hugging Face Hub.

A commit names the last seen head as its parent. Of two concurrent commits, the Hub refuses one,
and its writer reads the new head. If a connection is cut, the new head shows whether the commit
was accepted.
"""

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import inf
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec.spec import AbstractBufferedFile
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    hf_hub_url,
)
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, http_backoff
from huggingface_hub.utils.tqdm import disable_progress_bars

from flagstone.blobs.base import Blob
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.errors.safe_logs import logger_of

logger = logger_of(__name__)

_URL = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)/?", re.ASCII)
_NO_DATA = re.compile(r"\.gitattributes|\.gitignore|README\.md|LICENSE(\.\w+)?")
_CONFLICT = {409, 412}
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_WAITS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each retry, unless the Hub specifies a delay."""

_MAX_WAIT = 60.0

_MAX_SILENCE = 120.0
"""Read timeout in seconds; the client itself has none."""

_NET_ERRORS = HfHubHTTPError.__bases__
"""Connection errors: the client's errors derive from those of its HTTP library."""

_REASONS = {
    401: "the token is invalid, or the dataset is private and there was no token; "
    "set one with write access (HF_TOKEN, or hf auth login)",
    403: "the token lacks permission; it needs write access to the dataset",
    404: "there is no such dataset, or the token has no access to it",
    413: "it is too large for the Hub",
    429: "the Hub received too many requests",
}


@dataclass(frozen=True)
class Head:
    """The repository at a commit; if the commit is None, it does not exist yet."""

    commit: str | None = None
    files: dict[str, Blob] = field(default_factory=dict)
    """Maps paths in the repository to blobs."""


class _RemoteFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of a commit, read by ranges; its size comes from the listing."""

    def __init__(self, api: HfApi, repo_id: str, head: Head, path: str) -> None:
        super().__init__(None, path, size=head.files[path].size)
        self._headers = build_hf_headers(token=api.token)
        self._url = hf_hub_url(
            repo_id, path, repo_type="dataset", revision=head.commit, endpoint=api.endpoint
        )

    def _fetch_range(self, start: int, end: int) -> bytes:
        headers = {**self._headers, "Range": f"bytes={start}-{end - 1}"}
        response = http_backoff("GET", self._url, headers=headers)
        hf_raise_for_status(response)
        return response.content


class Commits:
    """
    The dataset at *url* (`hf://datasets/USER/NAME`); `head` is the last seen commit.

    *private* applies if the dataset is created. *token* defaults to the one saved by
    `hf auth login`, *endpoint* to `HF_ENDPOINT`.
    """

    errors: tuple[type[Exception], ...] = (Exception,)
    """Errors of the client and of its HTTP library, which was replaced twice."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        private: bool | None = None,
        endpoint: str | None = None,
    ) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise UnknownStoreError(url=url)
        self.id = match[1]
        self.location = f"hf://datasets/{self.id}"
        self.head = Head()
        self._api = HfApi(endpoint=endpoint, token=token)
        self._private = private
        disable_progress_bars()

    # --- reading --------------------------------------------------------------------------------

    def look(self) -> None:
        """Update `head`; list the files if it has changed."""
        commit = self._newest()
        if commit is None or commit != self.head.commit:
            self.head = Head(commit, self._files_at(commit) if commit else {})

    def _newest(self) -> str | None:
        """Return the current head of the repository, or None if there is no repository."""
        with self._telling("list what is in"):
            try:
                return self._api.dataset_info(self.id).sha
            except RepositoryNotFoundError as error:
                if _status(error) == HTTPStatus.NOT_FOUND or self._api.token is None:
                    return None
                raise

    def _files_at(self, commit: str) -> dict[str, Blob]:
        with self._telling("list what is in"):
            try:
                entries = self._api.list_repo_tree(
                    self.id, recursive=True, revision=commit, repo_type="dataset"
                )
                return {
                    entry.path: Blob(
                        entry.path,
                        entry.size,
                        inf,  # would need a request for each file
                        entry.lfs.sha256 if entry.lfs else entry.blob_id,
                    )
                    for entry in entries
                    if isinstance(entry, RepoFile)
                }
            except EntryNotFoundError:
                return {}

    def open(self, path: str) -> BinaryIO:
        """Open the file *path* of the head, read by ranges. Raises `FileNotFoundError`."""
        if path not in self.head.files:
            raise FileNotFoundError(path)
        return cast(BinaryIO, _RemoteFile(self._api, self.id, self.head, path))

    def read(self, path: str) -> bytes | None:
        """Return the content of the file *path* of the head, or None if there is none."""
        if path not in self.head.files:
            return None
        with self.open(path) as file, self._telling(f"read {path} in"):
            return file.read()

    def address(self, path: str) -> str:
        """Return the web address of the newest file *path*."""
        return hf_hub_url(self.id, path, repo_type="dataset", endpoint=self._api.endpoint)

    def require_ours(self, *, is_ours: bool) -> None:
        """Raise if the dataset holds only files of others, so that datasets are not mixed."""
        foreign = [path for path in self.head.files if not _NO_DATA.fullmatch(path)]
        if foreign and not is_ours:
            raise StoreError(
                doing="write to",
                where=self.location,
                reason=f"it holds files that Flagstone did not write, such as {foreign[0]!r}; "
                "name another dataset, which is created automatically",
            )

    def forget_history(self) -> None:
        """Squash all commits into one and delete the large files that are no longer used."""
        with self._telling("forget the history of"):
            self._api.super_squash_history(self.id, repo_type="dataset")
            self.look()
            needed = {blob.version for blob in self.head.files.values()}
            gone = [
                file
                for file in self._api.list_lfs_files(self.id, repo_type="dataset")
                if file.oid not in needed
            ]
            if gone:
                self._api.permanently_delete_lfs_files(
                    self.id, gone, repo_type="dataset", rewrite_history=False
                )

    # --- committing -----------------------------------------------------------------------------

    def make(self) -> None:
        """Create the dataset unless it exists."""
        with self._telling("create"):
            self._api.create_repo(
                self.id, repo_type="dataset", private=self._private, exist_ok=True
            )

    def commit(
        self, message: str, additions: Mapping[str, bytes | Path], deletions: Sequence[str] = ()
    ) -> bool:
        """Commit on top of `head`; return False if that is no longer the newest commit."""
        for wait in (*_WAITS, None):
            # Operations store their upload state, so each try has its own.
            operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
                *(CommitOperationAdd(path, content) for path, content in additions.items()),
                *(CommitOperationDelete(path) for path in deletions),
            ]
            try:
                _bound_silence()
                commit = self._api.create_commit(
                    self.id,
                    operations,
                    commit_message=message,
                    repo_type="dataset",
                    parent_commit=self.head.commit,
                )
            except self.errors as error:
                status = _status(error)
                if wait is None or not _may_pass(error):
                    raise self._error(error, "write to") from error
                if status not in _CONFLICT:
                    pause = _wait_asked(error) or wait * random.uniform(0.5, 1.5)  # noqa: S311
                    logger.info("The commit failed (%r); trying again in %.1f s", error, pause)
                    time.sleep(pause)
                if self._newest() != self.head.commit:
                    return False  # another writer was faster, or ours was accepted after all
                if status in _CONFLICT:
                    time.sleep(wait)
            else:
                self.head = Head(commit.oid, self._files_at(commit.oid))
                return True
        raise AssertionError  # the last try raised

    # --- errors ---------------------------------------------------------------------------------

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            _bound_silence()
            yield
        except StoreError:
            raise
        except self.errors as error:
            raise self._error(error, doing) from error

    def _error(self, error: Exception, doing: str) -> StoreError:
        reason = _REASONS.get(_status(error) or 0) or _first_line(error)
        return StoreError(doing=doing, where=self.location, reason=reason)


def _bound_silence() -> None:
    """Set the client's timeout unless the user has set one."""
    session = get_session()
    if session.timeout == type(session.timeout)(None):
        session.timeout = _MAX_SILENCE


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Iterate over *error* and its causes; the client wraps the errors of its threads."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _response(error: Exception) -> Any:
    """Return the Hub's response that caused *error*, or None if there was none."""
    found = (getattr(cause, "response", None) for cause in _chain(error))
    return next((response for response in found if response is not None), None)


def _status(error: Exception) -> int | None:
    """Return the status of the Hub's response, or None if there was none."""
    response = _response(error)
    return None if response is None else int(response.status_code)


def _may_pass(error: Exception) -> bool:
    """Return whether a retry may succeed: the Hub was busy, or the connection was cut."""
    status = _status(error)
    if status is not None:
        return status in _CONFLICT | _TRANSIENT
    return any(isinstance(cause, _NET_ERRORS) for cause in _chain(error))


def _wait_asked(error: Exception) -> float | None:
    """Return the seconds of the `Retry-After` header, at most a minute, or None."""
    response = _response(error)
    asked = None if response is None else response.headers.get("Retry-After")
    if not asked:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(asked).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), _MAX_WAIT)


def _first_line(error: Exception) -> str:
    """Return the first line of the message, without the URLs and request IDs below it."""
    *_, cause = _chain(error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
