"""
How far one flag and one review decision go through the code: calls, files, and switches.

    python -m benchmarks.path_length

A call is one of a function of ours; a switch is a call from a function in another file of ours.
The second time counts: the first makes logs and tables.
"""

import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import gradio

import flagstone
import flagstone.gradio as gr
from flagstone import open_store
from flagstone.review import Person
from flagstone.review.decisions import Decider, read_decision
from flagstone.review.uploads import Uploads
from flagstone.stores import with_index
from flagstone.testing import make_flag

SOURCE = str(Path(flagstone.__file__).parent)


def measure(do: Callable[[], Any]) -> tuple[int, int, int]:
    """Calls, files and switches while *do* runs."""
    files: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(SOURCE):
            files.append(name)

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    switches = sum(one != other for one, other in pairwise(files))
    return len(files), len(set(files)), switches


def flag_once(logger: Any, folder: Path) -> Callable[[], Any]:
    """Flag a text and a label through *logger*, as a press of the button does."""
    components = [gradio.Textbox(label="text"), gradio.Label(label="label")]
    logger.setup(components, folder, outputs=components[1:])
    payloads = ["a digit", {"label": "3", "confidences": [{"label": "3", "confidence": 0.7}]}]
    return lambda: logger.flag(payloads, "wrong", "ana")


def decide_once(folder: Path) -> Callable[[], Any]:
    """Accept a flag, as the review page does once it has read what a browser posted."""
    store = with_index(open_store(folder / "flags.db"))
    flags = [make_flag(str(number)) for number in range(2)]
    store.append(flags)
    decider = Decider(store, Uploads())
    person = Person(name="bo", role="reviewer")
    return lambda: decider.decide(
        read_decision({"flags": {flags.pop().id: ""}, "verdict": "accepted"}), person
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = {
            "one flag to CSV": flag_once(gr.CSVLogger(), folder / "csv"),
            "one flag to SQLite": flag_once(gr.FlagLogger(), folder / "sqlite"),
            "one review decision": decide_once(folder),
        }
        print("| | calls | files | switches |\n|---|---|---|---|")
        for way, do in ways.items():
            do()
            print(f"| {way} |", " | ".join(map(str, measure(do))), "|")


if __name__ == "__main__":
    main()
