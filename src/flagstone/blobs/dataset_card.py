"""
The card of a dataset on the Hub: its content and how to load it, beside the text of its owner.
"""

import re
from collections.abc import Mapping
from typing import Any

from huggingface_hub import DatasetCard

from flagstone.blobs.base import Contents

CARD = "README.md"

_BEGIN = "<!-- flagstone: written anew with each commit -->"
_END = "<!-- /flagstone -->"
_SECTION = re.compile(rf"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_DATA_FILES = "data/*.parquet"


def card_of(before: bytes | None, contents: Contents, repo_id: str) -> bytes:
    """Return the card *before* with the section of Flagstone updated to *contents*."""
    card = _card(before, repo_id)
    features = [_yaml_of(name, feature) for name, feature in contents.features.items()]
    card.data["configs"] = [{"config_name": "default", "data_files": _DATA_FILES}]
    card.data["dataset_info"] = {"features": features}
    section = _section(contents, repo_id)
    if _SECTION.search(card.text):
        card.text = _SECTION.sub(lambda _: section, card.text, count=1)
    else:
        card.text = f"{card.text.rstrip()}\n\n{section}\n"
    return str(card).encode()


def with_configs(before: bytes | None, configs: Mapping[str, str], repo_id: str) -> bytes:
    """Return the card *before* with these *configs*, a mapping of names to data file paths."""
    card = _card(before, repo_id)
    card.data["configs"] = [
        {"config_name": name, "data_files": [{"split": "train", "path": path}]}
        for name, path in configs.items()
    ]
    return str(card).encode()


def _card(before: bytes | None, repo_id: str) -> DatasetCard:
    text = _new(repo_id) if before is None else before.decode(errors="replace")
    return DatasetCard(text, ignore_metadata_errors=True)


def _new(repo_id: str) -> str:
    return f"---\ntags:\n- flagstone\n---\n\n# {repo_id.rpartition('/')[2]}\n"


def _section(contents: Contents, repo_id: str) -> str:
    return f"""{_BEGIN}
{contents.flags:,} flag{"s" * (contents.flags != 1)}: flagged by the users of a demo and
saved by Flagstone. A row is a flag or a review (`type`).

```python
from datasets import load_dataset

rows = load_dataset("{repo_id}", split="train")
flags = rows.filter(lambda row: row["type"] == "flag")
```
{_END}"""


def _yaml_of(name: str, feature: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a feature from the form in Parquet metadata to the form in a card."""
    match feature:
        case {"_type": "Value", "dtype": dtype}:
            return {"name": name, "dtype": dtype}
        case {"_type": "List", "feature": inner}:
            return {"name": name, "list": [_yaml_of(key, inner[key]) for key in inner]}
    return {"name": name, "dtype": str(feature["_type"]).lower()}
