"""
A log that a spreadsheet saved in its own way is read, or refused by name.
"""

import csv
import io

import pytest

from flagstone import open_store
from flagstone.testing import make_flag


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_log_saved_again_is_read_exactly(tmp_path, encoding, line_end, delimiter, quoting):
    """
    Whatever parts its cells and lines, each flag is what it was, and no other is there.
    """
    texts = ["one", "two\nlines; and, more\tthan é", '=quoted "text"']
    flags = [make_flag(text) for text in texts]
    with open_store(f"csv:{tmp_path}") as store:
        store.append(flags)
    path = tmp_path / "dataset1.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))

    with open_store(f"csv:{tmp_path}") as store:
        read = list(store.scan())
        assert (read, list(store.skipped)) == (flags, [])
        assert list(store.verify()) == []
