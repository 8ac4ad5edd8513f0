"""
Read every component case from a store, in a process of its own: `read_back.py STORE OUT`.
"""

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from component_cases import CASES, GRADIO
from page_values import seen

from flagstone import Flag, Store, open_store
from flagstone.gradio.payloads.convert import to_payload


def read_back(store: Store) -> dict[str, Mapping[str, Any]]:
    """What each flag comes to, by the name of its case, which is its option."""
    return {flag.option: _read(flag) for flag in store.scan() if isinstance(flag, Flag)}


def _read(flag: Flag) -> Mapping[str, Any]:
    case = CASES[flag.option]
    component = case.make()
    (value,) = (*flag.inputs.values(), *flag.outputs.values())
    payload = to_payload(value, component)
    return {
        "kind": value.kind,
        "class": value.component["class"],
        "payload": seen(payload),
        "python": seen(value.to_python()),
        "preprocessed": None if GRADIO in case.unread else seen(component.preprocess(payload)),
    }


if __name__ == "__main__":
    with open_store(sys.argv[1]) as opened:
        Path(sys.argv[2]).write_bytes(pickle.dumps(read_back(opened)))
