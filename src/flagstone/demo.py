"""
The demo: draw or choose a digit, let a small real model classify it, and flag its mistakes.

The model is a logistic regression on scikit-learn's bundled digits (1,797 images of 8 by 8 pixels).
It is trained at start, in under a second, on two thirds of them; the examples are from the rest.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import flagstone.gradio as gr

_SIDE = 8  # pixels per side of a digit in the data set
_SHOWN = 200  # pixels per side of a digit on the page
_INK = 16.0  # the darkest value in the data set
_EXAMPLES = 12

Pixels = np.ndarray[Any, np.dtype[np.float64]]
Predict = Callable[[dict[str, Any] | None], dict[str, float]]


def build(flagging_dir: str | Path) -> gr.Interface:
    """Return the demo; flags are saved in `flags.db` in *flagging_dir*."""
    predict, examples = train()
    return gr.Interface(
        predict,
        gr.Sketchpad(
            label="digit",
            type="pil",
            canvas_size=(_SHOWN, _SHOWN),
            brush=gr.Brush(default_size=16, colors=["#000000"], color_mode="fixed"),
            layers=False,
            height=360,
        ),
        gr.Label(label="prediction", num_top_classes=3),
        examples=[[str(path)] for path in examples],
        examples_per_page=_EXAMPLES,
        cache_examples=False,
        title="Which digit is it?",
        description="Draw a digit from 0 to 9 with the brush, or choose an example below. If the "
        "prediction is wrong, or you are not sure, flag it and enter the right digit. The flag is "
        "saved with the drawing and the prediction, and can be reviewed later.",
        flagging_mode="manual",
        flag_options=[("Wrong", "wrong"), ("Not sure", "unsure")],
        flagging_comment=True,
        flagging_correction=True,
        flagging_callback=gr.FlagLogger(),
        flagging_dir=str(flagging_dir),
    )


def train() -> tuple[Predict, list[Path]]:
    """Return the model as a function of the sketchpad's value, and pictures of unseen digits."""
    images, labels = load_digits(return_X_y=True)
    images = np.stack([normalise(image.reshape(_SIDE, _SIDE)) for image in images])
    seen, unseen, seen_labels, unseen_labels = train_test_split(
        images, labels, test_size=1 / 3, random_state=0
    )
    model = LogisticRegression(C=0.01, max_iter=1000).fit(seen.reshape(len(seen), -1), seen_labels)

    def classify(sketch: dict[str, Any] | None) -> dict[str, float]:
        if sketch is None or sketch["composite"] is None:
            raise gr.Error("Draw a digit first, or choose an example below.")
        ink = normalise(ink_of(sketch["composite"]))
        chances = model.predict_proba(ink.reshape(1, -1))[0]
        return {str(digit): float(chance) for digit, chance in enumerate(chances)}

    wrong = model.predict(unseen.reshape(len(unseen), -1)) != unseen_labels
    chosen = [*np.flatnonzero(wrong)[: _EXAMPLES // 3], *np.flatnonzero(~wrong)]
    folder = Path(tempfile.mkdtemp(prefix="flagstone-digits-"))
    return classify, [_picture(unseen[n], folder / f"digit-{n}.png") for n in chosen[:_EXAMPLES]]


def ink_of(image: Image.Image) -> Pixels:
    """Return the darkness of *image* on white, from 0 to 1; shape (height, width)."""
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return np.subtract(1.0, np.asarray(paper.convert("L"), dtype=np.float64) / 255.0)


def normalise(
    ink: Pixels,
) -> Pixels:
    """Crop and centre the digit in *ink*, and scale it to the data set's size and range."""
    peak = ink.max()
    if peak <= 0:
        return np.zeros((_SIDE, _SIDE))
    rows, columns = np.nonzero(ink > 0.2 * peak)
    digit = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = digit.shape
    side = max(height, width)
    square = np.zeros((side, side))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = digit
    small = Image.fromarray(square.astype(np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    values: Pixels = np.asarray(small, dtype=np.float64)
    scaled: Pixels = values * (_INK / values.max())
    return scaled


def _picture(digit: Pixels, path: Path) -> Path:
    """Write a picture of *digit* to *path*: black on white, with a margin."""
    grey = Image.fromarray((255 - digit * (255 / _INK)).astype(np.uint8))
    paper = Image.new("L", (_SHOWN, _SHOWN), 255)
    inner = _SHOWN - 40
    paper.paste(grey.resize((inner, inner), Image.Resampling.BICUBIC), (20, 20))
    paper.save(path)
    return path
