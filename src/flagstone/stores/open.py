"""
The places where records are kept, a file each; `open_store` finds the one that a URL names.
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
    The store at *url*: made on first use, and nothing touched before.

    - a folder: the stores in it and in the folders below it, such as those of tabs, as one; where
      there is none, CSV files. What is appended goes to the folder itself: to `flags.db` if it is
      there, else to CSV files
    - `csv:PATH`: a folder of CSV files, and only that
    - `sqlite:///PATH`, or a path that ends in `.db`: an SQLite database
    - `parquet:PATH`, or `parquet:` and a URL of fsspec (`parquet:s3://bucket/flags`): Parquet files
    - `hf://datasets/USER/NAME`: Parquet files in a dataset of the Hugging Face Hub
    - `memory:`: in this process only

    Raises `UnknownStoreError` for anything else, `MissingExtraError` for what is not installed.
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
    *store* for those who read much: with an index, made now if it was not.

    A database has it beside it; of another store a copy with an index is kept in a scratch folder
    until it is closed. One that cannot tell when something was erased, such as one in memory, is
    given back as it is. *progress* is called meanwhile with the number of the record read last.

    Raises `MissingExtraError` where the index is not installed.
    """
    reader = reader_of(store)
    if isinstance(reader, PreparedStore):
        reader.prepare(progress)
    return reader


def reader_of(store: Store) -> Store:
    """What `with_index` gives, to be made ready later: by `prepare`, or the first question."""
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
    """The stores in *path* and in the folders below it, as one; where there is none, CSV files."""
    root = path.resolve()  # no link is followed but the one that a person names
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
    """The store of this *kind* in *folder*, as `stores_in` tells it."""
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
