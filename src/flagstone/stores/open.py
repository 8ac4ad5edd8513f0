"""
Open the store that a URL names.
"""

from collections.abc import Callable
from pathlib import Path

from flagstone.errors import MissingExtraError, UnknownStoreError
from flagstone.stores.base import PreparedStore, Store
from flagstone.stores.discovery import DATABASE, folders_below, stores_in
from flagstone.stores.files import Files

__all__ = ["DATABASE", "open_store", "reader_of", "with_index"]


def open_store(url: str | Path) -> Store:
    """
    Return the store at *url*. It is created on first use; nothing is touched before.

    - a folder: the stores in it and in its subfolders (such as those of tabs) as one; if there is
      none, CSV files. New records go to the folder itself: to `flags.db` if it exists, else to
      CSV files
    - `csv:PATH`: a folder of CSV files only
    - `sqlite:///PATH`, or a path that ends in `.db`: an SQLite database
    - `parquet:PATH`, or `parquet:` and an fsspec URL (`parquet:s3://bucket/flags`): Parquet files
    - `hf://datasets/USER/NAME`: Parquet files in a dataset on the Hugging Face Hub
    - `memory:`: in this process only

    Raises `UnknownStoreError` for anything else and `MissingExtraError` if the required extra is
    not installed.
    """
    # Drivers are imported here: `import flagstone` needs none of them.
    scheme, colon, rest = str(url).partition(":")
    is_path = not colon or "/" in scheme or len(scheme) == 1  # one letter: a Windows drive
    if isinstance(url, Path) or is_path:
        return _open_path(Path(url))
    match scheme:
        case "memory":
            from flagstone.stores.memory import MemoryStore

            return MemoryStore()
        case "csv":
            from flagstone.stores.csv_folder.store import CsvFolder

            return CsvFolder(rest)
        case "sqlite":
            from flagstone.stores.sql.store import SqlStore

            return SqlStore(str(url))
        case "parquet" | "hf":
            try:
                from flagstone.stores.parquet.store import ParquetStore
            except ImportError as error:
                raise MissingExtraError(asked=str(url), extra="parquet") from error

            return ParquetStore(rest if scheme == "parquet" else str(url))
    raise UnknownStoreError(url=str(url))


def with_index(store: Store, progress: Callable[[int], None] | None = None) -> Store:
    """
    Return *store* with an index for fast reads; the index is built now if necessary.

    A database has its index in a file next to it. Any other store is copied, with an index, to a
    temporary folder until it is closed. A store that cannot detect erasures, such as one in memory,
    is returned unchanged. *progress* is called with the number of the record read last.

    Raises `MissingExtraError` if the index's dependencies are not installed.
    """
    reader = reader_of(store)
    if isinstance(reader, PreparedStore):
        reader.prepare(progress)
    return reader


def reader_of(store: Store) -> Store:
    """Like `with_index`, but the index is built later, by `prepare` or the first query."""
    from flagstone.stores.group_commit import GroupCommit
    from flagstone.stores.sql.store import SqlStore

    if isinstance(store, GroupCommit):
        store = store.store
    if isinstance(store, PreparedStore) or not (isinstance(store, SqlStore) or store.generation()):
        return store
    try:
        from flagstone.stores.indexed_copy import IndexedCopy
        from flagstone.stores.sql.indexed_store import IndexedStore
    except ImportError as error:
        raise MissingExtraError(asked="to read quickly", extra="review") from error

    def copy_in(folder: Path, files: Files) -> Store:
        return IndexedStore(SqlStore(folder / DATABASE, files=files))

    return IndexedStore(store) if isinstance(store, SqlStore) else IndexedCopy(store, copy_in)


def _open_path(path: Path) -> Store:
    try:
        is_folder = path.is_dir()
        if not is_folder and (path.suffix != ".db" or not path.is_file()) and path.exists():
            raise UnknownStoreError(url=str(path))
    except OSError as error:  # a name that no file system takes
        raise UnknownStoreError(url=str(path)) from error
    if path.suffix == ".db" and not is_folder:
        from flagstone.stores.sql.store import SqlStore

        return SqlStore(path)
    return _open_folder(path)


def _open_folder(path: Path) -> Store:
    """Return the stores in *path* and its subfolders as one; CSV files if there is none."""
    root = path.resolve()  # only the link that the caller named is followed
    kinds = list(stores_in(root)) or ["logs"]
    main = _open_kind(kinds[0], path)
    parts = {f"{kind}:": _open_kind(kind, path) for kind in kinds[1:]}
    for folder in folders_below(root):
        below = folder.relative_to(root)
        name = below.as_posix()
        parts |= {f"{kind}:{name}": _open_kind(kind, path / below) for kind in stores_in(folder)}
    if not parts:
        return main
    from flagstone.stores.combined import CombinedStore

    return CombinedStore(path, main, parts)


def _open_kind(kind: str, folder: Path) -> Store:
    """Return the store of this *kind* (see `stores_in`) in *folder*."""
    match kind:
        case "database":
            from flagstone.stores.sql.store import SqlStore

            return SqlStore(folder / DATABASE)
        case "parquet":
            return open_store(f"parquet:{folder}")
        case "flags":
            from flagstone.stores.hub_legacy.flag_folders import FlagFolders

            return FlagFolders(folder)
    from flagstone.stores.csv_folder.store import CsvFolder

    return CsvFolder(folder)
