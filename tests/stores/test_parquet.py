"""
Shards: written by many without a lock, read by others without us, damaged, and erased for good.
"""

import io
import json
import threading
from dataclasses import replace

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from datasets import Audio, load_dataset
from PIL import Image

from flagstone import Query, Review, Value, open_store
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.operations.check import check_store
from flagstone.operations.sync import sync
from flagstone.stores.parquet.embedded_files import SMALL
from flagstone.stores.parquet.store import ParquetStore
from flagstone.testing import make_flag

SHADES = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def picture() -> io.BytesIO:
    buffer = io.BytesIO()
    Image.fromarray(SHADES).save(buffer, "PNG")
    return io.BytesIO(buffer.getvalue())


def sound() -> io.BytesIO:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.linspace(-0.5, 0.5, 800), 8000, format="WAV")
    return io.BytesIO(buffer.getvalue())


def flag_with_media(store, text="a digit"):
    image = store.files.put(picture(), name="digit é.png", mime_type="image/png")
    audio = store.files.put(sound(), name="voice.wav", mime_type="audio/wav")
    return make_flag(
        inputs={
            "image": Value(kind="image", data=image),
            "audio": Value(kind="audio", data=audio),
            "text": Value(kind="text", data=text),
            "number": Value(kind="number", data=1.5),
        }
    )


@pytest.fixture
def shards(tmp_path):
    """A directory of two shards: one of a flag with media, one of a flag that has none."""
    store = open_store(f"parquet:{tmp_path / 'shards'}")
    store.append([flag_with_media(store)])
    store.append([flag_with_media(store, "=other"), make_flag("no media", inputs={})])
    return tmp_path / "shards"


def test_an_append_is_one_shard_numbered_from_one(shards):
    """
    Shards are named by their number, and nothing else lies beside them.
    """
    names = sorted(path.name for path in shards.iterdir())

    assert names == ["000000000001.parquet", "000000000002.parquet"]


def test_writers_that_race_make_no_duplicate_and_lose_nothing(tmp_path):
    """
    Eight stores append the same records and some of their own at once: each is there once.
    """
    common = [make_flag(f"common {n}") for n in range(20)]
    own = [[make_flag(f"own {n} of {writer}") for n in range(10)] for writer in range(8)]
    start = threading.Barrier(8)

    def write(writer):
        store = ParquetStore(tmp_path)
        start.wait()
        for pair in zip(common[::2], common[1::2], own[writer], strict=True):
            store.append(pair)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    written = [
        id_
        for path in tmp_path.glob("*.parquet")
        for id_ in pq.read_table(path, columns=["id"])["id"].to_pylist()
    ]
    expected = {flag.id for flag in [*common, *(flag for flags in own for flag in flags)]}
    assert sorted(written) == sorted(expected)
    assert {record.id for record in ParquetStore(tmp_path).scan()} == expected


def test_a_reader_that_follows_misses_nothing(tmp_path):
    """
    Whoever scans on from mark to mark while others write has every record in the end.
    """
    flags = [make_flag(str(n)) for n in range(60)]

    def write(part):
        store = ParquetStore(tmp_path)
        for flag in part:
            store.append([flag])

    writers = [threading.Thread(target=write, args=(flags[n::3],)) for n in range(3)]
    for writer in writers:
        writer.start()
    reader = ParquetStore(tmp_path)
    seen, mark = set(), reader.cursor()
    assert mark.isdigit()
    seen.update(record.id for record in reader.scan())
    while any(writer.is_alive() for writer in writers):
        next_mark = reader.cursor()
        seen.update(record.id for record in reader.scan(mark))
        mark = next_mark
    for writer in writers:
        writer.join()
    seen.update(record.id for record in reader.scan(mark))

    assert seen == {flag.id for flag in flags}


def test_small_media_ride_in_their_shard(shards):
    """
    Pictures and sounds are in the shard alone, and come back byte for byte.
    """
    assert not (shards / "files").exists()
    for flag in list(open_store(f"parquet:{shards}").scan())[:2]:
        image, audio = flag.files()
        store = open_store(f"parquet:{shards}")
        with store.files.open(image) as file:
            assert file.read() == picture().read()
        with store.files.open(audio) as file:
            assert file.read() == sound().read()


@pytest.mark.parametrize("size", [0, SMALL, SMALL + 1], ids=["empty", "small", "large"])
@pytest.mark.parametrize("kind", ["image", "file"])
def test_files_of_every_size_come_back(tmp_path, size, kind):
    """
    A file that does not ride in a shard lies under its hash, and is read like any other.
    """
    store = open_store(f"parquet:{tmp_path}")
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    ref = store.files.put(io.BytesIO(content), name="a.bin", mime_type="image/png")
    store.append([make_flag(inputs={"f": Value(kind=kind, data=ref)})])

    with open_store(f"parquet:{tmp_path}").files.open(ref) as file:
        assert file.read() == content
    embedded = kind == "image" and size <= SMALL
    assert (tmp_path / "files" / ref.sha256[:2] / ref.sha256).is_file() is not embedded
    assert store.files.sweep({ref.sha256}, age=-1) == {}


@pytest.mark.parametrize("ended_by", ["nothing", "append", "doctor", "replace"])
def test_a_correction_that_was_cut_off_counts(tmp_path, ended_by):
    """
    Killed before the old shards were written anew, what is read is the correction, once; the next
    append, doctor or correction takes the old one away.
    """
    store = open_store(f"parquet:{tmp_path}")
    flags = [make_flag("one", comment="old text"), make_flag("other", user="bo")]
    store.append(flags)
    review = Review(flag_id=flags[0].id, note="said")
    store.append([review])
    before = (tmp_path / "000000000001.parquet").read_bytes()
    new = replace(flags[0], comment="new text")
    store.replace([new])
    assert "old text" not in str(pq.read_table(tmp_path / "000000000001.parquet").to_pylist())
    (tmp_path / "000000000001.parquet").write_bytes(before)

    store = open_store(f"parquet:{tmp_path}")
    added = make_flag("added")
    match ended_by:
        case "append":
            store.append([added])
        case "doctor":
            assert check_store(store).damage == ()
        case "replace":
            store.replace([new])

    records = [flags[1], review, new] + ([added] if ended_by == "append" else [])
    assert list(store.scan()) == records
    assert sorted(store.find(Query(order="oldest")), key=str) == sorted(
        (record for record in records if record is not review), key=str
    )
    assert store.count(Query(text="old text")) == 0
    assert store.state(new.id).flag == new
    assert [each.flag for each in store.reviewed(Query())] == [new]
    texts = str([pq.read_table(path).to_pylist() for path in tmp_path.glob("*.parquet")])
    assert ("old text" in texts) == (ended_by == "nothing")


def test_a_file_of_another_record_stays_when_one_is_erased(tmp_path):
    """
    A file embedded in an erased row is still there for a record that refers to it otherwise.
    """
    store = open_store(f"parquet:{tmp_path}")
    first = flag_with_media(store)
    store.append([first])
    image, audio = first.files()
    other = make_flag(inputs={"list": Value(kind="file", data=[image])})
    store.append([other])

    store.erase([first.id])

    again = open_store(f"parquet:{tmp_path}")
    assert list(again.scan()) == [other]
    assert again.files.has(image)
    assert not again.files.has(audio)


def test_erasure_is_seen_by_stores_that_are_open(tmp_path):
    """
    Another store on the same shards neither shows nor takes again what was erased.
    """
    store, other = ParquetStore(tmp_path), ParquetStore(tmp_path)
    flag, kept = make_flag(), make_flag("kept")
    other.append([flag, kept])
    assert list(store.scan()) == [flag, kept]

    store.erase([flag.id])

    assert list(other.scan()) == list(other.find()) == [kept]
    other.append([flag])
    assert list(other.scan()) == [kept]
    assert other.existing_ids([flag.id]) == {flag.id}


def test_what_a_crash_left_is_swept(shards):
    """
    Parts of shards and files that nothing needs go after a while; shards stay.
    """
    for name in (".part-1", "notes.txt", "files/ab/unneeded"):
        (shards / name).parent.mkdir(parents=True, exist_ok=True)
        (shards / name).write_bytes(b"left")
    store = open_store(f"parquet:{shards}")

    assert store.files.sweep(set(), age=60) == {}
    assert store.files.sweep(set(), age=-1) == {".part-1": 4, "unneeded": 4}

    left = {path.name for path in shards.rglob("*") if path.is_file()}
    assert left == {"000000000001.parquet", "000000000002.parquet", "notes.txt"}


def test_find_reads_only_the_columns_it_needs(shards, monkeypatch):
    """
    To count flags by app no record is read; to find some, only theirs.
    """
    asked = []
    store = open_store(f"parquet:{shards}")
    rows = store._rows
    monkeypatch.setattr(
        store, "_rows", lambda shard, columns: asked.append(set(columns)) or rows(shard, columns)
    )

    assert store.count(Query(app="digits", until=None)) == 3

    assert all("record" not in columns for columns in asked)


def test_a_column_has_the_same_type_in_every_shard(tmp_path):
    """
    Numbers whole or not, fields left empty: the type goes by the kind, so shards fit together.
    """
    store = open_store(f"parquet:{tmp_path}")
    kinds = ("number", "boolean", "text", "image", "json", "label")
    for number, data in enumerate([None, 7, 0.5, True, "text", {"label": "3"}]):
        given = {"number": 1 < number < 3, "boolean": number == 3, "text": number == 4}
        values = {
            kind: Value(kind=kind, data=data if given.get(kind, kind == "json") else None)
            for kind in kinds
        }
        store.append([make_flag(inputs=values)])

    schemas = [pq.read_schema(path) for path in sorted(tmp_path.glob("*.parquet"))]

    assert len(schemas) == 6
    assert {str(schema.remove_metadata()) for schema in schemas} == {
        str(schemas[0].remove_metadata())
    }
    assert schemas[0].field("inputs.number").type == pa.float64()


def test_a_value_that_is_not_of_its_kind_is_kept_as_text(tmp_path):
    """
    What a column of its type cannot hold is there as text, and exactly in the record.
    """
    store = open_store(f"parquet:{tmp_path}")
    odd = ["1.10", float("nan"), 10**400]
    flag = make_flag(inputs={str(n): Value(kind="number", data=x) for n, x in enumerate(odd)})
    store.append([flag])

    (row,) = pq.read_table(tmp_path / "000000000001.parquet").to_pylist()

    assert row["inputs.0"] == "1.10"
    assert row["inputs.1"] == '{"$float":"nan"}'
    assert [record.to_json() for record in store.scan()] == [flag.to_json()]


class TestOtherReaders:
    def test_duckdb(self, shards):
        """
        DuckDB reads fields as columns, whole records as JSON, and pictures as bytes.
        """
        found = duckdb.sql(
            'SELECT id, "inputs.text", "inputs.number", "outputs.label", record, '
            '"inputs.image".bytes AS png '
            f"FROM read_parquet('{shards}/*.parquet', union_by_name=true) "
            'WHERE "inputs.text" IS NOT NULL ORDER BY "inputs.text"'
        ).fetchall()

        assert [row[1:4] for row in found] == [("=other", 1.5, "3"), ("a digit", 1.5, "3")]
        assert all(json.loads(row[4])["id"] == row[0] for row in found)
        assert all(row[5] == picture().read() for row in found)

    def test_polars(self, shards):
        """
        Polars reads all shards at once.
        """
        frame = pl.concat(
            [pl.read_parquet(path) for path in sorted(shards.glob("*.parquet"))], how="diagonal"
        )

        assert frame["inputs.text"].to_list() == ["a digit", "=other", None]
        assert frame["inputs.image"][0]["path"] == "digit é.png"
        assert frame["created_at"].dtype == pl.Datetime("us", "UTC")

    def test_datasets(self, shards, tmp_path):
        """
        Hugging Face's datasets shows pictures as pictures, with their pixels, and sounds as sounds.
        """
        data = load_dataset(
            "parquet", data_files=str(shards / "*.parquet"), split="train",
            cache_dir=str(tmp_path / "cache"),
        )  # fmt: skip

        assert type(data.features["inputs.image"]).__name__ == "Image"
        assert type(data.features["inputs.audio"]).__name__ == "Audio"
        assert np.array_equal(np.asarray(data["inputs.image"][0]), SHADES)
        undecoded = data.cast_column("inputs.audio", Audio(decode=False))  # decoding wants torch
        assert undecoded["inputs.audio"][0] == {"bytes": sound().read(), "path": "voice.wav"}
        assert data["outputs.label"] == ["3", "3", "3"]


class TestBadInput:
    def test_a_damaged_shard_is_named(self, shards):
        """
        A shard that is no Parquet is named, by scan and by damage; the others are sound.
        """
        (shards / "000000000001.parquet").write_bytes(b"PAR1 nothing PAR1")
        store = open_store(f"parquet:{shards}")

        assert len(list(store.scan())) == 2
        ((where, _),) = store.skipped
        assert where == f"{shards}, shard 000000000001.parquet"
        (sentence,) = store.verify()
        assert "000000000001.parquet" in sentence

    def test_a_foreign_table_under_our_name_is_refused(self, shards):
        """
        A table of somebody else's is passed over, with what it lacks, and is left as it is.
        """
        path = shards / "000000000003.parquet"
        pl.DataFrame({"x": [1]}).write_parquet(path)
        before = path.read_bytes()

        store = open_store(f"parquet:{shards}")
        store.append([make_flag()])

        ((_, reason),) = store.skipped
        assert reason == "it has no column 'id'"
        assert path.read_bytes() == before

    def test_a_planted_row_without_a_moment_is_named(self, shards):
        """
        A row that lacks what every record has is passed over, whatever reads it.
        """
        path = shards / "000000000003.parquet"
        table = pq.read_table(shards / "000000000001.parquet").to_pylist()
        pq.write_table(
            pa.Table.from_pylist([table[0] | {"id": "planted", "created_at": None}]), path
        )

        store = open_store(f"parquet:{shards}")

        assert store.count() == 3
        ((where, _),) = store.skipped
        assert where == f"{shards}, shard 000000000003.parquet, id planted"

    def test_foreign_files_are_left_alone(self, shards):
        """
        What else lies in the directory is neither read nor touched.
        """
        (shards / "notes.parquet").write_bytes(b"mine")

        assert open_store(f"parquet:{shards}").count() == 3
        assert (shards / "notes.parquet").read_bytes() == b"mine"

    def test_an_unknown_protocol_is_no_store(self):
        """
        A URL that fsspec does not know is refused by a sentence.
        """
        with pytest.raises(UnknownStoreError, match="nosuch"):
            open_store("parquet:nosuch://bucket/flags")

    def test_a_medium_that_fails_keeps_nothing(self, tmp_path):
        """
        Where the directory cannot be made, the error names it.
        """
        (tmp_path / "file").write_text("in the way")

        with pytest.raises(StoreError, match=r"file/shards"):
            open_store(f"parquet:{tmp_path / 'file' / 'shards'}").append([make_flag()])


def test_any_file_system_of_fsspec_will_do():
    """
    The same records come back from a file system that is no directory.
    """
    url = "parquet:memory://flagstone-test/shards"
    store = open_store(url)
    flag = flag_with_media(store)
    large = store.files.put(io.BytesIO(b"x" * (SMALL + 1)), name="large")
    second = make_flag(inputs={"f": Value(kind="file", data=large)})
    store.append([flag, second])
    store.append([Review(flag_id=flag.id, verdict="accepted")])

    assert list(open_store(url).find(Query(verdict="accepted"))) == [flag]
    assert open_store(url).files.has(large)
    store.erase([second.id])
    assert not open_store(url).files.has(large)


def test_sync_from_sqlite_and_back(tmp_path):
    """
    Records and files that went through shards are what they were.
    """
    source = open_store(tmp_path / "flags.db")
    source.append([flag_with_media(source, str(n)) for n in range(30)])
    middle = open_store(f"parquet:{tmp_path / 'shards'}")

    done = sync(source, middle)
    with open_store(tmp_path / "back.db") as back:
        sync(middle, back)
        assert list(back.scan()) == list(source.scan())

    assert (done.copied, done.files) == (30, 2)
    assert sync(source, middle).copied == 0


class TestMerging:
    """
    Small shards become one, and a reader never notices.
    """

    @pytest.fixture(autouse=True)
    def _small_blocks(self, monkeypatch):
        monkeypatch.setattr("flagstone.stores.parquet.store._BLOCKS", (4, 16))

    def test_blocks_are_merged_and_read_the_same(self, tmp_path):
        """
        Every block becomes one shard, blocks of blocks again; records, files and queries stay.
        """
        store = open_store(f"parquet:{tmp_path}")
        flags = [flag_with_media(store, f"text {n}") for n in range(18)]
        for flag in flags:
            store.append([flag])
        names = sorted(path.name for path in tmp_path.glob("*.parquet"))
        assert names == [
            "000000000001-000000000016.parquet",
            "000000000017.parquet",
            "000000000018.parquet",
        ]
        fresh = open_store(f"parquet:{tmp_path}")
        for reader in (store, fresh):
            assert list(reader.scan()) == flags
            assert reader.count() == len(flags)
            assert {flag.id for flag in reader.find(Query(option=flags[0].option))} == {
                flag.id for flag in flags
            }
            with reader.files.open(flags[0].inputs["image"].data) as file:
                assert file.read() == picture().getvalue()

    @pytest.mark.parametrize("read_before", range(9))
    def test_a_mark_holds_when_its_shard_is_merged(self, tmp_path, read_before):
        """
        Whoever has read up to a number goes on behind it, also in the middle of a merged shard.
        """
        store = open_store(f"parquet:{tmp_path}")
        flags = [make_flag(f"{n}") for n in range(9)]
        for flag in flags[:read_before]:
            store.append([flag])
        mark = store.cursor()
        for flag in flags[read_before:]:
            store.append([flag])
        assert list(store.scan(mark)) == flags[read_before:]

    def test_a_reader_on_its_way_goes_on_in_the_merged_shard(self, tmp_path):
        """
        A scan whose shards are merged away under it gives each record once.
        """
        store, reader = (open_store(f"parquet:{tmp_path}") for _ in range(2))
        flags = [make_flag(f"{n}") for n in range(9)]
        store.append(flags[:2])
        store.append([flags[2]])
        store.append([flags[3]])
        rest = reader.scan()
        read = [next(rest), next(rest), next(rest)]
        for flag in flags[4:]:
            store.append([flag])
        read += rest
        assert read[:4] == flags[:4]
        assert len(read) == len({record.id for record in read})

    def test_what_is_erased_is_gone_from_merged_shards(self, tmp_path):
        """
        An erasure leaves nothing but the id, and marks still hold.
        """
        store = open_store(f"parquet:{tmp_path}")
        flags = [make_flag(f"secret {n}") for n in range(6)]
        for flag in flags:
            store.append([flag])
        store.erase([flags[1].id])
        tables = [pq.read_table(path).to_pylist() for path in tmp_path.glob("*.parquet")]
        assert "secret 1" not in str(tables)
        assert "secret 2" in str(tables)
        assert list(store.scan()) == [flags[0], *flags[2:]]
        assert list(store.scan("2")) == flags[2:]
        store.append([flags[1]])
        assert list(store.scan()) == [flags[0], *flags[2:]]

    def test_other_types_are_left_apart(self, tmp_path, caplog):
        """
        Shards whose columns have other types stay as they are, and the log says so.
        """
        store = open_store(f"parquet:{tmp_path}")
        for n in range(4):
            value = Value(kind="number", data=1.0) if n % 2 else Value(kind="text", data="one")
            store.append([make_flag(inputs={"either": value})])
        assert len(list(tmp_path.glob("*.parquet"))) == 4
        assert "not merged" in caplog.text
        assert store.count() == 4

    def test_what_a_crash_left_beside_a_merged_shard_is_passed_over(self, tmp_path):
        """
        A shard that a merged one stands for is read once.
        """
        store = open_store(f"parquet:{tmp_path}")
        flags = [make_flag(f"{n}") for n in range(4)]
        for flag in flags[:3]:
            store.append([flag])
        left = (tmp_path / "000000000002.parquet").read_bytes()
        store.append([flags[3]])
        (tmp_path / "000000000002.parquet").write_bytes(left)
        assert list(open_store(f"parquet:{tmp_path}").scan()) == flags
        store.erase([flags[1].id])
        assert [path.name for path in sorted(tmp_path.glob("*.parquet"))] == [
            "000000000001-000000000004.parquet",
            "000000000005.parquet",
        ]

    def test_writers_that_race_merge_once(self, tmp_path):
        """
        Many writers with small blocks lose nothing and keep nothing twice, while others read.
        """
        flags = [[make_flag(f"{w} {n}") for n in range(12)] for w in range(4)]
        seen = []

        def write(mine):
            store = open_store(f"parquet:{tmp_path}")
            for flag in mine:
                store.append([flag])
                seen.append(len({record.id for record in store.scan()}))

        threads = [threading.Thread(target=write, args=(mine,)) for mine in flags]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ids = [record.id for record in open_store(f"parquet:{tmp_path}").scan()]
        assert sorted(ids) == sorted(flag.id for mine in flags for flag in mine)
        assert len(seen) == len(ids)

    @pytest.mark.parametrize("behind", [1, 2, 3])
    def test_a_writer_that_comes_too_late_takes_a_new_number(self, tmp_path, behind):
        """
        Who takes a number that was merged away meanwhile loses nothing.
        """
        store, late = (open_store(f"parquet:{tmp_path}") for _ in range(2))
        flags = [make_flag(f"{n}") for n in range(4)]
        for flag in flags[:behind]:
            store.append([flag])
        mine, create = make_flag("late"), late._place.create

        def create_late(name, content):
            late._place.create = create
            for flag in flags[behind:]:
                store.append([flag])
            return create(name, content)

        late._place.create = create_late
        late.append([mine])
        assert {record.id for record in store.scan()} == {flag.id for flag in [*flags, mine]}
