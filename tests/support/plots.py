"""
Plots and models as Gradio keeps them, for flags to hold.
"""

import io
from typing import Any

import gradio as gr
import numpy as np
import trimesh

from flagstone import Flag, Value
from flagstone.stores.memory import MemoryStore

RED = [220, 20, 20, 255]


def plotly() -> Any:
    import plotly.graph_objects as go

    return go.Figure(go.Bar(x=["a", "b"], y=[3, 1]), layout={"title": "Two bars"})


def bokeh() -> Any:
    from bokeh.plotting import figure

    plot = figure(title="A line")
    plot.line([1, 2], [3, 1], line_width=8, color="red")
    return plot


def altair() -> Any:
    import altair as alt

    data = alt.Data(values=[{"x": "a", "y": 3}, {"x": "b", "y": 1}])
    return alt.Chart(data).mark_bar().encode(x="x:N", y="y:Q")


PLOTS = {"plotly": plotly, "bokeh": bokeh, "altair": altair}


def models() -> dict[str, bytes]:
    """A red torus, in every format that can be shown."""
    torus = trimesh.creation.torus(1, 0.4)
    torus.visual.vertex_colors = RED
    splats = np.zeros(len(torus.vertices), [("place", "<f4", 3), ("scale", "<f4", 3),
                                            ("color", "u1", 4), ("rotation", "u1", 4)])  # fmt: skip
    splats["place"], splats["color"] = torus.vertices, RED
    cloud = trimesh.PointCloud(torus.vertices, colors=np.tile(RED, (len(torus.vertices), 1)))
    return {
        "torus.glb": torus.export(file_type="glb"),
        "torus.obj": torus.export(file_type="obj").encode(),
        "torus.ply": torus.export(file_type="ply"),
        "torus.stl": torus.export(file_type="stl"),
        "cloud.ply": cloud.export(file_type="ply"),
        "torus.splat": splats.tobytes(),
    }


def plot_value(plot: Any) -> Value:
    shown = gr.Plot().postprocess(plot)
    assert shown is not None
    return Value(kind="plot", data=shown.model_dump())


def model_value(store: MemoryStore, name: str, content: bytes) -> Value:
    return Value(kind="model3d", data=store.files.put(io.BytesIO(content), name=name))


def flag_with(store: MemoryStore, **outputs: Value) -> Flag:
    flag = Flag(inputs={"asked": Value(kind="text", data=" ".join(outputs))}, outputs=outputs)
    store.append([flag])
    return flag
