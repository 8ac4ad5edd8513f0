"""
Blobs in a dataset repository of the Hugging Face Hub, where all that belongs together is a commit.

A commit names the head that its maker has seen as its parent, so that of two who commit at once
one is refused; who was refused looks at what the other wrote and takes the next number. When a
connection is cut nobody knows whether the commit was taken: then the head tells.
"""

import logging
import random
import re
import shutil
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import inf
from pathlib import Path
from tempfile import mkdtemp
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
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff
from huggingface_hub.utils.tqdm import disable_progress_bars

from flagstone.durable import BLOCK
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.places.card import CARD, card_of
from flagstone.places.place import Blob, Contents, Place

logger = logging.getLogger(__name__)

_URL = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)/?", re.ASCII)
_DATA = "data"
_NOT_DATA = re.compile(r"\.gitattributes|\.gitignore|README\.md|LICENSE(\.\w+)?|data/.*")
_CONFLICT = {409, 412}
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_WAITS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each new try, where the Hub does not say how long."""

_LONGEST_WAIT = 60.0

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
class _Head:
    """The repository at one commit; without one, there is no repository yet."""

    commit: str | None = None
    files: dict[str, Blob] = field(default_factory=dict)
    """By their path in the repository."""


class _RemoteFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of a commit, read by ranges; what it is was told by the listing."""

    def __init__(self, api: HfApi, repo_id: str, head: _Head, path: str) -> None:
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


class Repository(Place):
    """
    Blobs in the folder `data` of the dataset that *url* names: `hf://datasets/USER/NAME`.

    Made at the first commit, *private* if so. Without a *token* the one that `hf auth login` left
    is taken, without an *endpoint* `HF_ENDPOINT`.
    """

    errors = (Exception,)  # the client's, and those of its HTTP library, which changed twice

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
        self._id = match[1]
        self.where = f"hf://datasets/{self._id}"
        self._api = HfApi(endpoint=endpoint, token=token)
        self._private = private
        self._head = _Head()
        self._staged: dict[str, Path] = {}
        self._spool: Path | None = None
        self._contents: Contents | None = None
        disable_progress_bars()

    def create(self, name: str, content: bytes) -> bool:
        head = self._head
        if head.commit is None:
            self._make()
            return False  # so that the caller looks at what is there
        if f"{_DATA}/{name}" in head.files:
            return False
        self._require_ours(head)
        staged = list(self._staged)
        additions: dict[str, bytes | Path] = {
            f"{_DATA}/{path}": self._staged[path] for path in staged
        }
        additions[f"{_DATA}/{name}"] = content
        if self._contents is not None:
            additions[CARD] = card_of(self._read_card(head), self._contents, self._id).encode()
        if not self._commit(f"Add {name}", head, additions):
            return False
        for path in staged:
            self._staged.pop(path).unlink(missing_ok=True)
        return True

    def upload(self, name: str, reader: BinaryIO) -> None:
        if self._spool is None:
            self._spool = Path(mkdtemp(prefix="flagstone-"))
            weakref.finalize(self, shutil.rmtree, self._spool, ignore_errors=True)
        path = self._spool / name.replace("/", "-")
        with path.open("wb") as writer:
            shutil.copyfileobj(reader, writer, BLOCK)
        self._staged[name] = path

    def replace(self, name: str, content: bytes) -> None:
        self._change(f"Rewrite {name}", {f"{_DATA}/{name}": content})

    def delete(self, name: str) -> None:
        self._staged.pop(name, None)
        if f"{_DATA}/{name}" in self._head.files:
            self._change(f"Delete {name}", deletions=[f"{_DATA}/{name}"])

    def merge(self, name: str, content: bytes, covered: Sequence[str]) -> None:
        # Where somebody was faster they may have merged the same: the next time will do.
        deletions = [f"{_DATA}/{one}" for one in covered]
        self._commit(f"Merge into {name}", self._head, {f"{_DATA}/{name}": content}, deletions)

    def open(self, name: str) -> BinaryIO:
        if name in self._staged:
            return self._staged[name].open("rb")
        path = f"{_DATA}/{name}"
        if path not in self._head.files:
            self._look()
        return self._open(self._head, path)

    def has(self, name: str) -> bool:
        return name in self._staged or f"{_DATA}/{name}" in self._head.files

    def list(self, folder: str = "") -> Iterator[Blob]:
        if not folder:
            self._look()
        prefix = f"{_DATA}/{folder}/" if folder else f"{_DATA}/"
        for path, blob in self._head.files.items():
            name = path.removeprefix(prefix)
            if name != path and "/" not in name:
                yield Blob(name, blob.size, blob.modified, blob.version)

    def address(self, name: str) -> str:
        return f"{self.where}/{_DATA}/{name}"

    def describe(self, contents: Contents) -> None:
        self._contents = contents

    def forget_history(self) -> None:
        """Squash all commits to one and delete the large files that it does not name."""
        with self._telling("forget the history of"):
            self._api.super_squash_history(self._id, repo_type="dataset")
            self._look()
            needed = {blob.version for blob in self._head.files.values()}
            gone = [
                file
                for file in self._api.list_lfs_files(self._id, repo_type="dataset")
                if file.oid not in needed
            ]
            if gone:
                self._api.permanently_delete_lfs_files(
                    self._id, gone, repo_type="dataset", rewrite_history=False
                )

    # --- looking --------------------------------------------------------------------------------

    def _look(self) -> None:
        """See what the head is now, and what is in it if it is another than before."""
        commit = self._newest()
        if commit is None or commit != self._head.commit:
            self._head = _Head(commit, self._files_at(commit) if commit else {})

    def _newest(self) -> str | None:
        """The head of the repository now; None where there is no repository."""
        with self._telling("list what is in"):
            try:
                return self._api.dataset_info(self._id).sha
            except RepositoryNotFoundError as error:
                if _status(error) == HTTPStatus.NOT_FOUND or self._api.token is None:
                    return None
                raise

    def _files_at(self, commit: str) -> dict[str, Blob]:
        with self._telling("list what is in"):
            try:
                entries = self._api.list_repo_tree(
                    self._id, recursive=True, revision=commit, repo_type="dataset"
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

    def _open(self, head: _Head, path: str) -> BinaryIO:
        if path not in head.files:
            raise FileNotFoundError(path)
        with self._telling(f"read {path} in"):
            return cast(BinaryIO, _RemoteFile(self._api, self._id, head, path))

    def _read_card(self, head: _Head) -> str | None:
        if CARD not in head.files:
            return None
        with self._open(head, CARD) as file, self._telling(f"read {CARD} in"):
            return file.read().decode(errors="replace")

    def _require_ours(self, head: _Head) -> None:
        """Raise where somebody else's data lies, so that nobody reads both as one dataset."""
        ours = re.compile(rf"{_DATA}/([\d-]+\.parquet|files/.*)")
        foreign = [
            path
            for path in head.files
            if not _NOT_DATA.fullmatch(path) or (path.startswith(_DATA) and not ours.match(path))
        ]
        if foreign and not any(ours.match(path) for path in head.files):
            raise StoreError(
                doing="write to",
                where=self.where,
                reason=f"it holds files that Flagstone did not write, such as {foreign[0]!r}; "
                "name another dataset, which is made for you",
            )

    # --- committing -----------------------------------------------------------------------------

    def _make(self) -> None:
        with self._telling("make"):
            self._api.create_repo(
                self._id, repo_type="dataset", private=self._private, exist_ok=True
            )

    def _change(
        self, message: str, additions: dict[str, bytes] | None = None,
        deletions: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Commit over whatever the head is."""
        while not self._commit(message, self._head, {**(additions or {})}, deletions):
            self._look()

    def _commit(
        self, message: str, head: _Head, additions: dict[str, bytes | Path],
        deletions: Sequence[str] = (),
    ) -> bool:  # fmt: skip
        """Commit on top of *head*; False where that is not the head any more."""
        for wait in (*_WAITS, None):
            # Operations remember what was done with them: each try has its own.
            operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
                *(CommitOperationAdd(path, content) for path, content in additions.items()),
                *(CommitOperationDelete(path) for path in deletions),
            ]
            try:
                commit = self._api.create_commit(
                    self._id,
                    operations,
                    commit_message=message,
                    repo_type="dataset",
                    parent_commit=head.commit,
                )
            except self.errors as error:
                status = _status(error)
                if wait is None or not _may_pass(error):
                    raise self._error(error, "write to") from error
                if status not in _CONFLICT:
                    pause = _wait_asked(error) or wait * random.uniform(0.5, 1.5)  # noqa: S311
                    logger.info("The commit was not answered (%r); again in %.1f s", error, pause)
                    time.sleep(pause)
                if self._newest() != head.commit:
                    return False  # somebody was faster, or ours was taken after all
                if status in _CONFLICT:
                    time.sleep(wait)
            else:
                self._head = _Head(commit.oid, self._files_at(commit.oid))
                return True
        raise AssertionError  # the last try raised

    # --- telling --------------------------------------------------------------------------------

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except self.errors as error:
            raise self._error(error, doing) from error

    def _error(self, error: Exception, doing: str) -> StoreError:
        reason = _REASONS.get(_status(error) or 0) or _first_line(error)
        return StoreError(doing=doing, where=self.where, reason=reason)


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
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _first_line(error: Exception) -> str:
    """What *error* says, without the addresses and request numbers below it."""
    *_, cause = _chain(error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
