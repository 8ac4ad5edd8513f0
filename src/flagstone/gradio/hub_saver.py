"""
`HuggingFaceDatasetSaver`, which Gradio had up to 4.x: flags go to a dataset of the Hub.

A press of the button waits for the disk only. A thread takes what is on it to the Hub, where an
interval of flags is one commit; after a crash or an outage the next start goes on.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flagstone.core.records import Flag
from flagstone.errors import MissingExtraError, StoreError
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.callbacks import FlagLogger
from flagstone.gradio.payloads.fields import Fields
from flagstone.gradio.payloads.kinds import kind_of
from flagstone.gradio.signatures import takes_the_order_of_gradio_3
from flagstone.operations.mirror import BackgroundSync
from flagstone.stores.base import Store
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.files import safe_name
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from flagstone.stores.open import DATABASE

if TYPE_CHECKING:
    from flagstone.blobs.hub_repo import Commits

logger = logger_of(__name__)

Layout = Literal["typed", "csv"]

_CSV = "data.csv"
_FEATURES = {"image": "Image", "audio": "Audio"}
_TEXT = {"dtype": "string", "_type": "Value"}


class HuggingFaceDatasetSaver(FlagLogger):
    """
    Keeps flags in the flagging directory, or in *store*, and copies them to a dataset of the Hub.

    *dataset_name* is `USER/NAME`, or `NAME` of the user whose *hf_token* it is; the dataset is made
    at the first flag, *private* if so. The copy is made *every* so many seconds, after 1,000 flags,
    and when the program ends; with `every=0`, `flag` waits for it. The token is
    never written, logged or shown.

    The *layout* "typed" is that of `hf://` stores, from `flags.db` here. The others are those of
    Gradio 4, here and there, and go on where it stopped: "csv" has the rows in `data.csv`; with
    *separate_dirs* each flag is a folder with a `metadata.jsonl`. Both have *info_filename*.

    The arguments of Gradio 3 are taken, too, in its order: *organization* owns a dataset whose
    name has no owner, *verbose* says in the log where flags go.
    """

    @takes_the_order_of_gradio_3
    def __init__(
        self,
        hf_token: str | None,
        dataset_name: str,
        private: bool = False,
        info_filename: str = "dataset_info.json",
        separate_dirs: bool = False,
        *,
        organization: str | None = None,
        verbose: bool = True,
        layout: Layout = "typed",
        every: float = 300.0,
        store: str | Path | Store | None = None,
    ) -> None:
        super().__init__(store)
        try:
            import flagstone.blobs.hub_repo
            import flagstone.stores.parquet.store  # noqa: F401 - whether what they need is installed
        except ImportError as error:
            raise MissingExtraError(asked="HuggingFaceDatasetSaver", extra="hub") from error
        if organization and "/" not in dataset_name:
            dataset_name = f"{organization}/{dataset_name}"
        self.dataset_name = dataset_name
        self.verbose = verbose
        self.private = private
        self.info_filename = info_filename
        self.separate_dirs = separate_dirs
        self.layout = layout
        self._token = hf_token
        self._every = every
        self._copiers: dict[str, BackgroundSync] = {}
        self._features: dict[str, dict[str, str]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dataset_name!r})"

    def setup_fields(self, fields: Fields, flagging_dir: str | Path) -> None:
        self._features = _features_of(fields)
        super().setup_fields(fields, flagging_dir)

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        store = self._open_local(flagging_dir, names)
        if store.location not in self._copiers:
            self._copiers[store.location] = BackgroundSync(
                store,
                lambda: self._open_dataset(names),
                to=f"the dataset {self.dataset_name} on the Hub",
                every=self._every or 60.0,
            )
        if self._is_classic or self._store is not None or (flagging_dir / DATABASE).exists():
            self._copiers[store.location].start()  # what an earlier run left
        return store

    def save(self, flag: Flag, store: Store) -> int:
        if isinstance(store, CsvFolder | FlagFolders):
            count = store.save(flag)
        else:
            count = super().save(flag, store)
        copier = self._copiers[store.location]
        copier.note()
        if self._every == 0:
            copier.flush()  # a failure is in the log; the flag is safe, and will be copied
        return count

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all flags are on the Hub, at most so many seconds; says whether they are."""
        done = [copier.flush(timeout) for copier in self._copiers.values()]
        return all(done)

    @property
    def _is_classic(self) -> bool:
        return self.separate_dirs or self.layout == "csv"

    def _open_local(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        if self._store is not None or not self._is_classic:
            return super().open_store(flagging_dir, names)
        folder = flagging_dir / safe_name(self.dataset_name.rpartition("/")[2])
        if self.separate_dirs:
            return FlagFolders(folder, order=names)
        return CsvFolder(folder, file_name=_CSV, order=names)

    def _open_dataset(self, names: Sequence[str]) -> Store:
        from flagstone.blobs.hub_repo import Commits
        from flagstone.stores.parquet.store import ParquetStore

        url = f"hf://datasets/{self._full_name()}"
        private = self.private or None
        if not self._is_classic:
            return ParquetStore(url, {"token": self._token, "private": private})
        return self._open_classic(Commits(url, token=self._token, private=private), names)

    def _open_classic(self, commits: "Commits", names: Sequence[str]) -> Store:
        from flagstone.stores.hub_legacy.repo_folder import RepoFolderStore

        def open_folder(folder: Path) -> Store:
            if self.separate_dirs:
                return FlagFolders(folder, order=names, address=commits.address)
            return CsvFolder(folder, file_name=_CSV, order=names, address=commits.address)

        info = json.dumps({"flagged": {"features": self._features}})
        return RepoFolderStore(
            commits,
            open_folder,
            log=".csv",
            configs=_one_config if self.separate_dirs else _configs_of_logs,
            once={self.info_filename: info.encode()},
        )

    def _full_name(self) -> str:
        """The dataset with its owner, whom the token tells."""
        if "/" in self.dataset_name:
            return self.dataset_name
        from huggingface_hub import HfApi

        try:
            return f"{HfApi(token=self._token).whoami()['name']}/{self.dataset_name}"
        except Exception as error:
            reason = f"the Hub does not say whose token it is ({error})"
            raise StoreError(doing="write to", where=self.dataset_name, reason=reason) from error


def _features_of(fields: Fields) -> dict[str, dict[str, str]]:
    """What Gradio 4 wrote of the columns: all texts, and previews beside files."""
    features: dict[str, dict[str, str]] = {}
    for name, component in zip(fields.names, fields.components, strict=True):
        features[name] = _TEXT
        if preview := _FEATURES.get(kind_of(component)):
            features[f"{name} file"] = {"_type": preview}
    return {**features, "flag": _TEXT, "username": _TEXT}


def _one_config(paths: Iterable[str]) -> dict[str, str]:  # noqa: ARG001 - the same for all
    return {"default": "**/*.jsonl"}


def _configs_of_logs(paths: Iterable[str]) -> dict[str, str]:
    """A config for each log of flags: those with other fields than the first have their own."""
    logs = sorted(path for path in paths if re.fullmatch(r"data\d*\.csv", path))
    return {"default" if path == _CSV else path.removesuffix(".csv"): path for path in logs}
