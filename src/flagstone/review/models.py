"""
A 3D model of whoever flagged it, read in a process of its own, within limits of time and memory.

What reads it trusts what files say of their size. Whatever it comes to, the page goes on.
"""

import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from flagstone.codec import FileRef
from flagstone.review.libraries import has_library

_READER = Path(__file__).with_name("model_reader.py")
_FORMATS = frozenset(["glb", "gltf", "obj", "ply", "splat", "stl"])
_MOST_BYTES = 50_000_000
_MOST_SECONDS = 60
_ONE_AT_A_TIME = threading.Semaphore()  # each may take some memory


def is_model(ref: FileRef) -> bool:
    """Whether *ref* may be a 3D model that can be shown, as far as its name and size tell."""
    return format_of(ref) in _FORMATS and ref.size <= _MOST_BYTES


def can_show_models() -> bool:
    """Whether what reads models and what draws them is installed."""
    return find_spec("trimesh") is not None and has_library("plotly")


def format_of(ref: FileRef) -> str:
    """The format that the name of *ref* ends with, in small letters."""
    return ref.name.rpartition(".")[2].lower()


def figure_of(ref: FileRef, file: BinaryIO) -> str | None:
    """*file* as a figure of Plotly's, as JSON; None for what cannot be read within the limits."""
    if not (is_model(ref) and can_show_models()):
        return None
    with _ONE_AT_A_TIME:
        try:
            read = subprocess.run(  # noqa: S603 - a program of ours, and a word of ours
                [sys.executable, "-P", _READER, format_of(ref)],
                input=file.read(_MOST_BYTES), capture_output=True, timeout=_MOST_SECONDS,
                check=False,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread takes of the memory
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
    return read.stdout.decode() if read.returncode == 0 else None
