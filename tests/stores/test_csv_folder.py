"""
The CSV folder: logs that crashes cut short and people edit, and logs of Gradio's own.
"""

import csv
import io
import json
import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flagstone import Flag, Review, Value
from flagstone.operations.check import check_store
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.testing import make_flag

MULTILINE = 'first\nsecond "quoted"\r\n""row"":3}"\n'


def append(place: Path, *texts: str) -> list[Flag]:
    flags = [make_flag(text) for text in texts]
    for flag in flags:
        CsvFolder(place).append([flag])
    return flags


def rows_of(path: Path) -> list[list[str]]:
    """The rows as the standard library's strict reader has them."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file, strict=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[list[Flag], bytes, int]:
    """Three flags, the log they make, and the byte where the last row begins."""
    place = tmp_path_factory.mktemp("whole")
    flags = append(place, "one", MULTILINE)
    before = (place / "dataset1.csv").stat().st_size
    flags += append(place, MULTILINE)
    return flags, (place / "dataset1.csv").read_bytes(), before


class TestTornRow:
    """A crash in the middle of an append."""

    def test_cut_anywhere_the_next_append_repairs_it(self, tmp_path, whole, caplog):
        """
        Wherever the last row was cut, acknowledged rows stay and the next append works.
        """
        flags, content, before = whole
        path = tmp_path / "dataset1.csv"
        for end in range(before, len(content)):
            path.write_bytes(content[:end])
            is_whole = end >= len(content) - 2  # all but the line end: nothing of it is missing

            assert list(CsvFolder(tmp_path).scan()) == flags[: 3 if is_whole else 2]
            (new,) = append(tmp_path, "new")

            assert list(CsvFolder(tmp_path).scan()) == [*flags[: 3 if is_whole else 2], new]
            assert path.read_bytes().startswith(content[:before])
            numbers = [json.loads(row[-1])["row"] for row in rows_of(path)[1:]]
            assert numbers == list(range(1, 5 if is_whole else 4))

    def test_cut_within_the_header_it_begins_anew(self, tmp_path, whole):
        """
        Where not even the header was whole, the log begins anew: one header, no second file.
        """
        _, content, _ = whole
        for end in range(content.index(b"\r\n") + 2):
            (tmp_path / "dataset1.csv").write_bytes(content[:end])

            (new,) = append(tmp_path, "new")

            assert list(CsvFolder(tmp_path).scan()) == [new]
            assert [path.name for path in tmp_path.glob("*.csv")] == ["dataset1.csv"]
            (tmp_path / "dataset1.csv").unlink()

    def test_zeros_of_a_power_cut_are_removed(self, tmp_path, whole):
        """
        Where a power cut left zeros in place of the last row, they are removed.
        """
        flags, content, before = whole
        (tmp_path / "dataset1.csv").write_bytes(content[:before] + bytes(4096))

        (new,) = append(tmp_path, "new")

        assert list(CsvFolder(tmp_path).scan()) == [*flags[:2], new]

    def test_what_is_removed_is_told(self, tmp_path, whole, caplog):
        """
        The log says what was removed, and that it was never acknowledged.
        """
        _, content, before = whole
        (tmp_path / "dataset1.csv").write_bytes(content[: before + 20])

        append(tmp_path, "new")

        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "never acknowledged and is removed: b'\"first\\nsecond" in record.getMessage()

    def test_a_torn_row_longer_than_a_block(self, tmp_path):
        """
        A torn row of many megabytes is found and removed.
        """
        flags = append(tmp_path, "one")
        path = tmp_path / "dataset1.csv"
        before = path.read_bytes()
        append(tmp_path, "x\n" * 2_000_000)
        path.write_bytes(path.read_bytes()[:-7])

        flags += append(tmp_path, "two")

        assert list(CsvFolder(tmp_path).scan()) == flags
        assert path.read_bytes().startswith(before)


class TestEditedByHand:
    """A file that a person has edited is respected."""

    def rewrite(self, path: Path, rows: list[list[str]], line_end: str, encoding: str) -> None:
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, lineterminator=line_end).writerows(rows)

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_saved_by_another_program(self, tmp_path, line_end, encoding):
        """
        Saved with other line ends or a byte order mark, the log goes on, and all is read back.
        """
        flags = append(tmp_path, "one", MULTILINE, "é")
        path = tmp_path / "dataset1.csv"
        self.rewrite(path, rows_of(path), line_end, encoding)
        edited = path.read_bytes()

        flags += append(tmp_path, "new")

        assert list(CsvFolder(tmp_path).scan()) == flags
        assert path.read_bytes().startswith(edited)
        assert len(rows_of(path)) == 5

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_a_row_added_by_hand(self, tmp_path, end):
        """
        A row that a person wrote, with or without a line end, stays, and is read as a flag.
        """
        flags = append(tmp_path, "one")
        path = tmp_path / "dataset1.csv"
        with path.open("a", newline="") as file:
            file.write('by hand,"4",wrong,see there,5,ana,2026-11-01 10:00:00+01:00,' + end)
        edited = path.read_bytes()

        flags += append(tmp_path, "new")

        assert path.read_bytes().startswith(edited)
        first, by_hand, new = CsvFolder(tmp_path).scan()
        assert [first, new] == flags
        assert isinstance(by_hand, Flag)
        assert {name: value.data for name, value in by_hand.inputs.items()} == {
            "text": "by hand", "label": 4,
        }  # fmt: skip
        assert (by_hand.option, by_hand.user) == ("wrong", "ana")
        assert by_hand.created_at == datetime(2026, 11, 1, 9, tzinfo=UTC)
        assert json.loads(rows_of(path)[3][-1])["row"] == 3
        assert list(CsvFolder(tmp_path).scan())[1] == by_hand

    def test_deleted_rows_stay_deleted(self, tmp_path):
        """
        A row that a person deleted is gone, and the next one is numbered on from the last.
        """
        one, two, three = append(tmp_path, "one", "two", "three")
        path = tmp_path / "dataset1.csv"
        rows = rows_of(path)
        self.rewrite(path, [rows[0], rows[1], rows[3]], "\r\n", "utf-8")

        assert CsvFolder(tmp_path).save(new := make_flag("new")) == 4

        assert list(CsvFolder(tmp_path).scan()) == [one, three, new]
        assert two not in CsvFolder(tmp_path).scan()

    def test_edited_cells_are_for_people(self, tmp_path):
        """
        The record says what was seen, whatever a person makes of the cells beside it.
        """
        flags = append(tmp_path, "one")
        path = tmp_path / "dataset1.csv"
        rows = rows_of(path)
        self.rewrite(path, [rows[0], ["ONE!", *rows[1][1:]]], "\r\n", "utf-8")

        assert list(CsvFolder(tmp_path).scan()) == flags
        append(tmp_path, "two")
        assert rows_of(path)[1][0] == "ONE!"

    def test_an_added_column_is_left_as_it_is(self, tmp_path):
        """
        A log with a column of the person's own is not written to again; new flags go to the next.
        """
        flags = append(tmp_path, "one")
        path = tmp_path / "dataset1.csv"
        rows = rows_of(path)
        self.rewrite(path, [["note", *rows[0]], ["mine", *rows[1]]], "\r\n", "utf-8")
        edited = path.read_bytes()
        store = CsvFolder(tmp_path)

        flags += [make_flag("two")]
        store.append(flags)

        assert path.read_bytes() == edited
        assert list(store.scan()) == flags
        assert len(rows_of(tmp_path / "dataset2.csv")) == 2

    def test_a_column_added_while_running(self, tmp_path):
        """
        The same holds where the person edits the log of a store that is open.
        """
        store = CsvFolder(tmp_path)
        flags = [make_flag("one"), make_flag("two")]
        store.append(flags[:1])
        rows = rows_of(tmp_path / "dataset1.csv")
        self.rewrite(
            tmp_path / "dataset1.csv", [["note", *rows[0]], ["mine", *rows[1]]], "\r\n", "utf-8"
        )

        store.append(flags)

        assert list(store.scan()) == flags

    def test_a_garbled_record_is_passed_over(self, tmp_path):
        """
        Where a person broke the record cell nothing is guessed: the row is named, the others read.
        """
        _, second = append(tmp_path, "one", "two")
        path = tmp_path / "dataset1.csv"
        rows = rows_of(path)
        self.rewrite(path, [rows[0], [*rows[1][:-1], "{oops"], rows[2]], "\r\n", "utf-8")

        store = CsvFolder(tmp_path)

        assert list(store.scan()) == [second]
        ((where, reason),) = store.skipped
        assert (where, "unexpected character" in reason) == (str(path), True)

    def test_somebody_elses_csv_is_no_log(self, tmp_path):
        """
        A CSV file of the person's own in the folder is neither read nor written.
        """
        (tmp_path / "notes.csv").write_text("what,when\nlunch,noon\n")
        flags = append(tmp_path, "one")

        assert list(CsvFolder(tmp_path).scan()) == flags
        assert (tmp_path / "notes.csv").read_text() == "what,when\nlunch,noon\n"

    def test_erasing_touches_only_the_logs_that_had_the_flag(self, tmp_path):
        """
        What is erased leaves its log; a CSV of the person's own and other logs stay byte for byte.
        """
        (tmp_path / "notes.csv").write_text("what,when\nlunch,noon\n")
        doomed, other = make_flag("doomed"), make_flag("other", outputs={})
        store = CsvFolder(tmp_path)
        store.append([doomed])
        store.append([other])
        with (tmp_path / "dataset2.csv").open("a", newline="") as file:
            file.write("\r\nby hand,wrong,ana,2026-11-01,\r\n")
        before = (tmp_path / "dataset2.csv").read_bytes()

        store.erase([doomed.id])

        assert (tmp_path / "notes.csv").read_text() == "what,when\nlunch,noon\n"
        assert (tmp_path / "dataset2.csv").read_bytes() == before
        assert b"doomed" not in (tmp_path / "dataset1.csv").read_bytes()


def test_gradios_own_logs_are_read(tmp_path):
    """
    A log that Gradio wrote is read as text, the same each time, and not written to.
    """
    log = 'text,output,timestamp\r\nhi,"{""a"": 1}",2026-01-01 10:00:00.5\r\n\r\nhi,x,nonsense\r\n'
    (tmp_path / "dataset1.csv").write_text(log)

    first, second = CsvFolder(tmp_path).scan()
    append(tmp_path, "new")

    assert isinstance(first, Flag)
    assert {n: v.data for n, v in first.inputs.items()} == {"text": "hi", "output": '{"a": 1}'}
    assert first.created_at == datetime(2026, 1, 1, 10, 0, 0, 500_000).astimezone(UTC)
    assert list(CsvFolder(tmp_path).scan())[:2] == [first, second]
    assert (tmp_path / "dataset1.csv").read_text() == log.replace("\r\n", "\n")


def test_ids_are_known_however_many(tmp_path):
    """
    A repeated append is passed over also after more flags than are remembered one by one.
    """
    store = CsvFolder(tmp_path)
    flags = [make_flag(str(n)) for n in range(45_000)]
    for start in range(0, len(flags), 5_000):
        store.append(flags[start : start + 5_000])

    store.append(flags[::999])

    assert list(store.scan()) == flags


def test_two_stores_know_each_others_ids(tmp_path):
    """
    What one process appended another passes over, while both are open.
    """
    one, two = CsvFolder(tmp_path), CsvFolder(tmp_path)
    flag = make_flag()
    one.append([flag])
    two.append([flag])
    review = Review(flag_id=flag.id, verdict="fixed")
    two.append([review])
    one.append([review, flag])

    assert list(one.scan()) == [flag, review]


def test_one_batch_of_many_new_columns(tmp_path):
    """
    Flags with different fields in one append each find a log of their own.
    """
    flags = [make_flag(outputs={f"out {n % 3}": Value(kind="text", data=str(n))}) for n in range(6)]

    CsvFolder(tmp_path).append(flags)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dataset1.csv", "dataset2.csv", "dataset3.csv",
    ]  # fmt: skip
    assert sorted(record.id for record in CsvFolder(tmp_path).scan()) == sorted(
        flag.id for flag in flags
    )


def test_a_quote_that_is_never_closed_is_told(tmp_path):
    """
    Where a stray quote swallows whole rows its line is named, and the others are read.
    """
    _, other = append(tmp_path, "one", "two")
    path = tmp_path / "dataset1.csv"
    path.write_bytes(path.read_bytes().replace(b"\r\none,", b'\r\n"one,'))
    store = CsvFolder(tmp_path)

    assert list(store.scan()) == [other]
    ((where, reason),) = store.skipped
    assert where == f"{path}, line 2"
    assert reason.startswith("its quotes do not match")


def test_a_log_rewritten_while_others_append_loses_nothing(tmp_path):
    """
    Whoever waits for a log that is rewritten meanwhile appends to the new one.
    """
    doomed = [make_flag(f"doomed {n}") for n in range(40)]
    CsvFolder(tmp_path).append(doomed)
    kept = [make_flag(f"kept {n}") for n in range(300)]

    def append_all() -> None:
        for flag in kept:
            CsvFolder(tmp_path).append([flag])

    thread = threading.Thread(target=append_all)
    thread.start()
    for flag in doomed:
        CsvFolder(tmp_path).erase([flag.id])
    thread.join()

    assert list(CsvFolder(tmp_path).scan()) == kept


class TestHostileRows:
    """What people, editors and visitors have put into a log."""

    def test_a_malformed_row_hides_nothing(self, tmp_path):
        """
        Quotes that do not match are named as damage; the other rows are read, and an erasure of one
        of them leaves the line as it is, and its file.
        """
        store = CsvFolder(tmp_path)
        for n in range(4):
            ref = store.files.put(io.BytesIO(b"%d" % n), name=f"{n}.txt")
            store.append([make_flag(outputs={"f": Value(kind="file", data=ref)})])
        path = tmp_path / "dataset1.csv"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:2], b'"say "hi"",,,,\r\n', *lines[2:]]))
        damaged = CsvFolder(tmp_path)
        (first, *others) = (record.id for record in damaged.scan())
        assert len(others) == 3

        ((where, reason),) = damaged.skipped
        assert where == f"{path}, line 3"
        assert reason.startswith("its quotes do not match")
        (sentence,) = damaged.verify()
        assert sentence.startswith(f"Cannot read the record at {path}, line 3: its quotes do not")
        assert check_store(damaged).swept == {}
        damaged.erase([first])
        rest = [lines[0], b'"say "hi"",,,,\r\n', *lines[2:]]
        assert path.read_bytes() == b"".join(rest)

    def test_a_record_in_a_cell_of_text_is_text(self, tmp_path):
        """
        Somebody who flags the JSON of another flag does not keep that one away.
        """
        other = make_flag("other")
        planted = make_flag(other.to_json())
        CsvFolder(tmp_path).append([planted])

        CsvFolder(tmp_path).append([other])

        assert list(CsvFolder(tmp_path).scan()) == [planted, other]

    def test_only_files_are_logs(self, tmp_path):
        """
        A directory and a dangling link that end in .csv are nobody's log.
        """
        (tmp_path / "data.csv").mkdir()
        (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")

        flags = append(tmp_path, "one")

        assert list(CsvFolder(tmp_path).scan()) == flags
        assert list(CsvFolder(tmp_path).verify()) == []

    def test_rows_of_gradios_are_erased_for_good(self, tmp_path):
        """
        An erased row of Gradio's does not come back; its neighbours keep their bytes and ids.
        """
        log = tmp_path / "dataset1.csv"
        kept = b"caf\xe9,2026-01-01 10:00:01\r\n"
        log.write_bytes(b"a,timestamp\r\nsecret,2026-01-01 10:00:00\r\n" + kept)
        doomed, other = CsvFolder(tmp_path).scan()

        CsvFolder(tmp_path).erase([doomed.id])
        CsvFolder(tmp_path).append([doomed])

        assert list(CsvFolder(tmp_path).scan()) == [other]
        assert log.read_bytes() == b"a,timestamp\r\n" + kept

    def test_a_row_that_gradio_is_writing_waits(self, tmp_path):
        """
        A last row without its line end is read when it has one, or when nobody writes any more.
        """
        log = tmp_path / "dataset1.csv"
        log.write_bytes(b"a,flag,username,timestamp\r\nx,,ana,")
        assert list(CsvFolder(tmp_path).scan()) == []

        os.utime(log, (1, 1))

        assert len(list(CsvFolder(tmp_path).scan())) == 1
