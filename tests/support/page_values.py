"""
What a value comes to, in plain Python that can be compared and handed to another process.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import BaseModel


def seen(thing: Any) -> Any:  # noqa: C901, PLR0911 - a line a type
    """*thing* with files as their name and bytes, images as their pixels, arrays as numbers."""
    match thing:
        case BaseModel():
            return seen(thing.model_dump())
        case {"meta": {"_type": "gradio.FileData"}, "path": str(path), "orig_name": name}:
            return "file", name or Path(path).name, thing["mime_type"], Path(path).read_bytes()
        case Mapping():
            return {key: seen(part) for key, part in thing.items()}
        case list() | tuple():
            return type(thing)(map(seen, thing))
        case str() if thing.startswith("/") and Path(thing).is_file():
            return seen(Path(thing))
        case Path():
            return "path", thing.name, thing.read_bytes()
        case Image.Image():
            return "image", thing.mode, thing.size, thing.tobytes()
        case np.ndarray():
            return "array", str(thing.dtype), thing.shape, thing.tobytes()
        case pd.DataFrame():
            return "table", list(map(str, thing.columns)), str(thing.dtypes.tolist()), str(thing)
        case datetime() | bytes() | str() | bool() | int() | float() | None:
            return type(thing).__name__, thing
    return type(thing).__name__, str(thing)
