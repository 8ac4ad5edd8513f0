"""
`HuggingFaceDatasetSaver`, which Gradio had up to 4.x: save flags in a dataset on the Hub.

A press of the button waits only for the local disk. A thread copies the flags to the Hub, with one
commit per interval; after a crash or an outage the next start continues.
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
    Save flags in the flagging directory, or in *store*, and copy them to a dataset on the Hub.

    *dataset_name* is `USER/NAME`, or `NAME` for the owner of *hf_token*. The dataset is created at
    the first flag; *private* makes it private. Flags are copied *every* so many seconds, after
    1,000 flags, and at exit; with `every=0`, `flag` waits for the copy. The token is never written,
    logged or shown.

    *layout* "typed" is that of `hf://` stores, copied from a local `flags.db`. The other layouts
    are those of Gradio 4, locally and on the Hub, and continue existing data: "csv" stores rows in
    `data.csv`; with *separate_dirs* each flag is a folder with a `metadata.jsonl`. Both write
    *info_filename*.

    The arguments of Gradio 3 are accepted in its order: *organization* is the owner of a dataset
    whose name has no owner, *verbose* logs where flags are saved.
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
            import flagstone.stores.parquet.store  # noqa: F401 - checks that the extra is installed
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
            self._copiers[store.location].start()  # copies what an earlier run left
        return store

    def save(self, flag: Flag, store: Store) -> int:
        if isinstance(store, CsvFolder | FlagFolders):
            count = store.save(flag)
        else:
            count = super().save(flag, store)
        copier = self._copiers[store.location]
        copier.note()
        if self._every == 0:
            copier.flush()  # a failure is logged; the flag is saved locally and copied later
        return count

    def flush(self, timeout: float | None = None) -> bool:
        """Wait up to *timeout* seconds until all flags are on the Hub; return whether they are."""
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
        """Return the name of the dataset with its owner, by default the owner of the token."""
        if "/" in self.dataset_name:
            return self.dataset_name
        from huggingface_hub import HfApi

        try:
            return f"{HfApi(token=self._token).whoami()['name']}/{self.dataset_name}"
        except Exception as error:
            reason = f"the Hub does not name the owner of the token ({error})"
            raise StoreError(doing="write to", where=self.dataset_name, reason=reason) from error


def _features_of(fields: Fields) -> dict[str, dict[str, str]]:
    """Return the features that Gradio 4 wrote: text columns, with preview columns for media."""
    features: dict[str, dict[str, str]] = {}
    for name, component in zip(fields.names, fields.components, strict=True):
        features[name] = _TEXT
        if preview := _FEATURES.get(kind_of(component)):
            features[f"{name} file"] = {"_type": preview}
    return {**features, "flag": _TEXT, "username": _TEXT}


def _one_config(paths: Iterable[str]) -> dict[str, str]:  # noqa: ARG001 - the same for all
    return {"default": "**/*.jsonl"}


def _configs_of_logs(paths: Iterable[str]) -> dict[str, str]:
    """Return a config for each CSV log; a log whose fields differ from the first has its own."""
    logs = sorted(path for path in paths if re.fullmatch(r"data\d*\.csv", path))
    return {"default" if path == _CSV else path.removesuffix(".csv"): path for path in logs}
