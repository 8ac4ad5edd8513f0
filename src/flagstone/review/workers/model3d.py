"""
Convert a 3D model to a Plotly figure.

It runs in a process with limits (`worker.py`), which may be killed at any time. Any error means
that the model cannot be shown. It imports nothing from Flagstone and reads nothing but the model.
"""

import base64
import io
import json
from typing import Any

import numpy as np
import trimesh

_MAX_TRIANGLES = 200_000
_MAX_POINTS = 100_000
_SPLAT = np.dtype(
    [("place", "<f4", 3), ("scale", "<f4", 3), ("color", "u1", 4), ("rotation", "u1", 4)]
)
_COLOR = (160, 168, 184)
_LIGHT = {
    "lighting": {"ambient": 0.6, "diffuse": 0.6, "specular": 0.1, "roughness": 0.8, "fresnel": 0},
    "lightposition": {"x": 20_000, "y": 50_000, "z": 80_000},
}


def prepare(argument: str) -> None:
    """Do nothing: importing this module has loaded the libraries."""


def read(argument: str, content: bytes) -> bytes:
    """Return *content*, a model in the format *argument*, as JSON. May raise any error."""
    is_splat = argument == "splat"
    figure = splat_figure(content) if is_splat else model_figure(content, argument)
    return json.dumps(figure).encode()


def model_figure(content: bytes, file_type: str) -> dict[str, Any]:
    """Return a figure of the meshes or points of a model; external files are not read."""
    scene = trimesh.load_scene(io.BytesIO(content), file_type=file_type, resolver={})
    parts = scene.dump()
    meshes = [part for part in parts if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    if not meshes:
        clouds = [part for part in parts if isinstance(part, trimesh.PointCloud)]
        places = np.concatenate([cloud.vertices for cloud in clouds])
        colors = np.concatenate([_cloud_colors(cloud) for cloud in clouds])
        return _figure(places, _points(places, colors))
    colors = np.concatenate([_mesh_colors(mesh) for mesh in meshes])
    places = np.concatenate([mesh.vertices for mesh in meshes])
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    corners = np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=True)])
    if len(corners) > _MAX_TRIANGLES:
        said = f"Too many triangles ({len(corners):,}):<br>only some of their corners are shown."
        return _figure(places, _points(places, colors), said)
    return _figure(places, _mesh(places, corners, colors))


def splat_figure(content: bytes) -> dict[str, Any]:
    """Return a figure of the centres of Gaussian splats, 32 bytes each, with y pointing down."""
    splats = np.frombuffer(content, _SPLAT)
    places = splats["place"]
    return _figure(places, _points(places, splats["color"]), up=-1)


def _mesh_colors(mesh: Any) -> Any:
    """Return a colour for each vertex of *mesh*, from its texture if it has one."""
    visual = mesh.visual
    if visual.kind == "face":  # split vertices that have several colours
        mesh.unmerge_vertices()
        return np.repeat(visual.face_colors, 3, axis=0)
    if visual.kind == "texture":
        visual = visual.to_color()
    colors = visual.vertex_colors if visual.kind == "vertex" else [*_COLOR, 255]
    return np.broadcast_to(colors, (len(mesh.vertices), 4))


def _cloud_colors(cloud: Any) -> Any:
    colors = cloud.colors if len(cloud.colors) else [*_COLOR, 255]
    return np.broadcast_to(colors, (len(cloud.vertices), 4))


def _mesh(places: Any, corners: Any, colors: Any) -> dict[str, Any]:
    if not 0 <= corners.min() <= corners.max() < len(places):
        raise ValueError("a triangle refers to a missing vertex")
    trace = {"type": "mesh3d", "hoverinfo": "skip", "flatshading": True, **_LIGHT,
             **_columns(places, "xyz", "f4"), **_columns(corners, "ijk", "i4")}  # fmt: skip
    if (colors == colors[0]).all():
        return trace | {"color": _spelled(colors[:1])[0]}
    return trace | {"vertexcolor": _spelled(colors)}


def _points(places: Any, colors: Any) -> dict[str, Any]:
    """Return a trace of at most `_MAX_POINTS` points, evenly chosen."""
    step = -(-len(places) // _MAX_POINTS)
    marker = {"size": 2, "color": _spelled(colors[::step])}
    return {"type": "scatter3d", "mode": "markers", "hoverinfo": "skip", "marker": marker,
            **_columns(places[::step], "xyz", "f4")}  # fmt: skip


def _columns(rows: Any, names: str, kind: str) -> dict[str, Any]:
    """Return the columns of *rows* as typed arrays of Plotly: bytes in base 64."""
    return {
        name: {
            "dtype": kind,
            "bdata": base64.b64encode(column.astype(f"<{kind}").tobytes()).decode(),
        }
        for name, column in zip(names, np.asarray(rows).T, strict=True)
    }


def _spelled(colors: Any) -> list[str]:
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.asarray(colors, np.uint8)[:, :3].tolist()]


def _figure(places: Any, trace: dict[str, Any], said: str = "", up: int = 1) -> dict[str, Any]:
    """Return a figure of *trace*, seen from the front and slightly above; y is up, as in glTF."""
    sides = np.ptp(np.asarray(places, np.float32), axis=0)
    if not np.isfinite(sides).all():
        raise ValueError("its size is not finite")
    shape = dict(zip("xyz", np.maximum(sides / (sides.max() or 1), 0.01).tolist(), strict=True))
    camera = {"up": {"x": 0, "y": up, "z": 0}, "eye": {"x": 0.7, "y": 0.6 * up, "z": 1.6 * up}}
    axes = {f"{name}axis": {"visible": False} for name in "xyz"}
    scene = {"aspectratio": shape, "dragmode": "orbit", "camera": camera, **axes}
    layout: dict[str, Any] = {"scene": scene, "margin": dict.fromkeys("lrb", 0) | {"t": 0}}
    if said:
        layout["title"] = {"text": said, "font": {"size": 12}, "y": 0.94}
    return {"data": [trace], "layout": layout}
