"""
A dataset of the Hugging Face Hub as what it is: files that change by commits.

A commit names the head that its maker has seen as its parent, so that of two who commit at once
one is refused and looks again. When a connection is cut nobody knows whether the commit was taken:
then the head tells.
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
"""Seconds before each new try, where the Hub does not say how long."""

_MAX_WAIT = 60.0

_MAX_SILENCE = 120.0
"""Seconds without a byte after which a connection counts as cut; the client would wait for ever."""

_NET_ERRORS = HfHubHTTPError.__bases__
"""What a connection that fails raises: the bases of the client's errors are its HTTP library's."""

_REASONS = {
    401: "the Hub knows no such token, or the dataset is private and there was none; "
    "give one that may write (HF_TOKEN, or hf auth login)",
    403: "the token may not do this; it needs the right to write to the dataset",
    404: "there is no such dataset, or the token may not see it",
    413: "the Hub finds it too large",
    429: "the Hub answers that there were too many requests",
}


@dataclass(frozen=True)
class Head:
    """The repository at one commit; without one, there is no repository yet."""

    commit: str | None = None
    files: dict[str, Blob] = field(default_factory=dict)
    """By their path in the repository."""


class _RemoteFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of a commit, read by ranges; what it is was told by the listing."""

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
    The dataset that *url* names: `hf://datasets/USER/NAME`; `head` is the commit seen last.

    Made *private* if so. Without a *token* the one that `hf auth login` left is taken, without an
    *endpoint* `HF_ENDPOINT`.
    """

    errors: tuple[type[Exception], ...] = (Exception,)
    """The client's errors, and those of its HTTP library, which changed twice."""

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

    # --- looking --------------------------------------------------------------------------------

    def look(self) -> None:
        """See what the head is now, and what is in it if it is another than before."""
        commit = self._newest()
        if commit is None or commit != self.head.commit:
            self.head = Head(commit, self._files_at(commit) if commit else {})

    def _newest(self) -> str | None:
        """The head of the repository now; None where there is no repository."""
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
                        inf,  # it would be a request for each file
                        entry.lfs.sha256 if entry.lfs else entry.blob_id,
                    )
                    for entry in entries
                    if isinstance(entry, RepoFile)
                }
            except EntryNotFoundError:
                return {}

    def open(self, path: str) -> BinaryIO:
        """The file *path* of the head, for reading by ranges. Raises `FileNotFoundError`."""
        if path not in self.head.files:
            raise FileNotFoundError(path)
        return cast(BinaryIO, _RemoteFile(self._api, self.id, self.head, path))

    def read(self, path: str) -> bytes | None:
        """All of the file *path* of the head; None where there is none."""
        if path not in self.head.files:
            return None
        with self.open(path) as file, self._telling(f"read {path} in"):
            return file.read()

    def address(self, path: str) -> str:
        """Where a browser finds the newest file *path*."""
        return hf_hub_url(self.id, path, repo_type="dataset", endpoint=self._api.endpoint)

    def require_ours(self, *, is_ours: bool) -> None:
        """Raise where only somebody else's data lies, so that nobody reads both as one dataset."""
        foreign = [path for path in self.head.files if not _NO_DATA.fullmatch(path)]
        if foreign and not is_ours:
            raise StoreError(
                doing="write to",
                where=self.location,
                reason=f"it holds files that Flagstone did not write, such as {foreign[0]!r}; "
                "name another dataset, which is made for you",
            )

    def forget_history(self) -> None:
        """Squash all commits to one and delete the large files that it does not name."""
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
        """Make the dataset, unless there is one."""
        with self._telling("make"):
            self._api.create_repo(
                self.id, repo_type="dataset", private=self._private, exist_ok=True
            )

    def commit(
        self, message: str, additions: Mapping[str, bytes | Path], deletions: Sequence[str] = ()
    ) -> bool:
        """Commit on top of `head`; False where that is not the newest commit any more."""
        for wait in (*_WAITS, None):
            # Operations remember what was done with them: each try has its own.
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
                    logger.info("The commit was not answered (%r); again in %.1f s", error, pause)
                    time.sleep(pause)
                if self._newest() != self.head.commit:
                    return False  # somebody was faster, or ours was taken after all
                if status in _CONFLICT:
                    time.sleep(wait)
            else:
                self.head = Head(commit.oid, self._files_at(commit.oid))
                return True
        raise AssertionError  # the last try raised

    # --- telling --------------------------------------------------------------------------------

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
    """Have the client give up on a dead connection, unless its user has said when it should."""
    session = get_session()
    if session.timeout == type(session.timeout)(None):
        session.timeout = _MAX_SILENCE


def _chain(error: BaseException) -> Iterator[BaseException]:
    """*error*, what it was raised from, and so on; the client wraps those of its threads."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _response(error: Exception) -> Any:
    """The answer of the Hub that *error* is about; None where there was none."""
    found = (getattr(cause, "response", None) for cause in _chain(error))
    return next((response for response in found if response is not None), None)


def _status(error: Exception) -> int | None:
    """The status that the Hub answered; None where it did not answer."""
    response = _response(error)
    return None if response is None else int(response.status_code)


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later: the Hub was busy, or the net cut."""
    status = _status(error)
    if status is not None:
        return status in _CONFLICT | _TRANSIENT
    return any(isinstance(cause, _NET_ERRORS) for cause in _chain(error))


def _wait_asked(error: Exception) -> float | None:
    """The seconds that the answer asks to wait (`Retry-After`), of which a minute is granted."""
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
    """What *error* says, without the addresses and request numbers below it."""
    *_, cause = _chain(error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
