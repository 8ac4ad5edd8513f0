"""
A `datasets` repository on disk: Parquet files and a card, to load or push to the Hub.
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

{rows:,} flag{s} from a demo, exported by Flagstone. Each row is a flag with its state at the time
of the export: `inputs.*` are the inputs of the model, `outputs.*` its outputs, and `correction.*`
the corrected outputs. `manifest.json` has the query and the version of this dataset.
"""


def write_repository(flags: FlagsInOrder, folder: Path) -> int:
    """Write *flags* to *folder*; return the number of rows."""
    (folder / _DATA).parent.mkdir(exist_ok=True)
    rows = write_parquet(flags, folder, _DATA)
    card = _CARD.format(rows=rows, s="s" * (rows != 1))
    (folder / "README.md").write_text(card, encoding="utf-8")
    return rows
