"""
What hostile hands, and ordinary accidents, put into a folder of logs.
"""

import codecs
import os

import pytest
from logs_by_hand import HEX, PNG, T, log, one

from flagstone.errors import NoStoreError, UnreadableRecordError
from flagstone.operations.import_gradio import import_gradio_logs
from flagstone.stores.csv_folder.foreign_csv import MAX_LOG_SIZE
from flagstone.stores.csv_folder.gradio_files import MAX_FILE_SIZE, NO_FILE, TOO_LARGE
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.memory import MemoryStore

CELL = f"flagged/im/{HEX}/a.png"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "flagged"
    (folder / "im" / HEX).mkdir(parents=True)
    (folder / "log.csv").write_bytes(one("im", CELL)["log.csv"])
    return folder


def read_one(folder):
    store = MemoryStore()
    import_gradio_logs(folder, store)
    (flag,) = store.scan()
    return flag.inputs["im"].data, flag.context.get("in_doubt")


def test_a_pipe_in_place_of_a_file_does_not_hang(folder):
    """
    Only regular files are read.
    """
    os.mkfifo(folder / "im" / HEX / "a.png")

    assert read_one(folder) == (None, {"im": NO_FILE})


@pytest.mark.parametrize("linked", ["file", "hash", "field"])
def test_a_link_is_not_followed(folder, tmp_path, linked):
    """
    Neither to a file nor to a folder, also where that lies in the log's own.
    """
    secret = tmp_path / "secret"
    (secret / HEX).mkdir(parents=True)
    (secret / HEX / "a.png").write_bytes(PNG)
    place = {"file": f"im/{HEX}/a.png", "hash": f"im/{HEX}", "field": "im"}[linked]
    target = {"file": secret / HEX / "a.png", "hash": secret / HEX, "field": secret}[linked]
    if linked != "file":
        (folder / "im" / HEX).rmdir()
    if linked == "field":
        (folder / "im").rmdir()
    (folder / place).symlink_to(target)

    assert read_one(folder) == (None, {"im": NO_FILE})


def test_a_log_that_is_a_link_out_of_its_folder(folder, tmp_path):
    """
    It is refused, unless it is named itself.
    """
    (folder / "log.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "log.csv").symlink_to(tmp_path / "elsewhere.csv")
    store = MemoryStore()

    with pytest.raises(UnreadableRecordError, match="a link that leads out of its folder"):
        import_gradio_logs(folder, store)
    assert import_gradio_logs(folder / "log.csv", store).synced.copied == 1


def test_what_is_called_like_a_log_and_is_none(folder):
    """
    Folders and pipes that are called like logs are passed over.
    """
    (folder / "x" / "metadata.jsonl").mkdir(parents=True)
    (folder / "y").mkdir()
    os.mkfifo(folder / "y" / "metadata.jsonl")
    (folder / "dataset1.csv").mkdir()
    os.mkfifo(folder / "dataset2.csv")

    assert read_one(folder) == (None, {"im": NO_FILE})
    with pytest.raises(NoStoreError):
        import_gradio_logs(folder / "dataset2.csv", MemoryStore())


def test_a_hub_folder_that_is_a_link(folder, tmp_path):
    """
    The Hub saver's directories are not looked for behind links.
    """
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "metadata.jsonl").write_text('{"im": "x"}\n')
    (folder / "linked").symlink_to(tmp_path / "out")

    assert read_one(folder) == (None, {"im": NO_FILE})


def test_a_file_that_is_too_large_is_told(folder):
    """
    It stays where it is, and the flag says why it has none.
    """
    with (folder / "im" / HEX / "a.png").open("wb") as file:
        file.truncate(MAX_FILE_SIZE + 1)

    assert read_one(folder) == (None, {"im": TOO_LARGE})


@pytest.mark.parametrize("name", ["dataset1.csv", "x/metadata.jsonl"])
def test_a_log_that_is_too_large_is_refused(folder, name):
    """
    Before it is read.
    """
    (folder / "x").mkdir()
    with (folder / name).open("wb") as file:
        file.truncate(MAX_LOG_SIZE + 1)

    with pytest.raises(UnreadableRecordError, match=r"larger than 1,073\.7 MB"):
        import_gradio_logs(folder, MemoryStore())


def test_flags_of_a_foreign_log_are_erased(tmp_path):
    """
    The other rows keep their bytes, delimiter, quotes and headers.
    """
    rows = [
        log(["a"], ["x", "", "", T], delimiter=";"),
        log(["b"], ["größer", "", "", T], delimiter=";"),
    ]
    kept = [row.decode().encode("cp1252") for row in rows]
    (tmp_path / "log.csv").write_bytes(b"".join(kept))
    with CsvFolder(tmp_path) as store:
        first, second = store.scan()

        store.erase([first.id])

        assert list(store.scan()) == [second]
    header = log(["a"], delimiter=";")
    assert (tmp_path / "log.csv").read_bytes() == header + kept[1]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
def test_a_log_that_loses_a_row_keeps_its_encoding(tmp_path, mark, encoding, delimiter):
    """
    With its byte order mark, Excel's own line, its delimiter and its header.
    """
    rows = [["secret", "", "ana", T], [f"grö{delimiter}ßer", "", "bo", T]]

    def content(*kept):
        told = f"sep={delimiter}\r\n" if delimiter == ";" else ""
        text = told + log(["a"], *kept, delimiter=delimiter).decode()
        return mark + text.encode(encoding)

    (tmp_path / "log.csv").write_bytes(content(*rows))
    with CsvFolder(tmp_path) as store:
        first, second = store.scan()

        store.erase([first.id])

        assert list(store.scan()) == [second]
    assert (tmp_path / "log.csv").read_bytes() == content(rows[1])


def test_a_row_without_a_line_end_survives_the_erasure_of_another(tmp_path):
    """
    An editor left the end out, just now: nobody is writing it.
    """
    content = log(["a"], ["secret", "", "ana", T], ["kept", "", "bo", "2026-01-02"])
    (tmp_path / "log.csv").write_bytes(content.rstrip(b"\r\n"))
    with CsvFolder(tmp_path) as store:
        first = next(store.scan())

        store.erase([first.id])

    assert (tmp_path / "log.csv").read_bytes() == log(["a"], ["kept", "", "bo", "2026-01-02"])
