"""
A repository of `datasets` on the disk: Parquet files and a card, to be loaded from there or pushed.
"""

from pathlib import Path

from flagstone.exporters.parquet import write_parquet
from flagstone.exporters.source import FlagsInOrder

_DATA = "data/train-00000-of-00001.parquet"
_CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
tags:
- flagstone
---

# Flags

{rows:,} flag{s}: what people flagged in a demo, exported by Flagstone. A row is a flag, with what
was decided about it until then: `inputs.*` is what went in, `outputs.*` what came out, and
`correction.*` what should have. `manifest.json` says which flags were asked for, and the version
of this dataset.
"""


def write_repository(flags: FlagsInOrder, folder: Path) -> int:
    """Write *flags* to *folder*; says how many rows that are."""
    (folder / _DATA).parent.mkdir(exist_ok=True)
    rows = write_parquet(flags, folder, _DATA)
    card = _CARD.format(rows=rows, s="s" * (rows != 1))
    (folder / "README.md").write_text(card, encoding="utf-8")
    return rows
