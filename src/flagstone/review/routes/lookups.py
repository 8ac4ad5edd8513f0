"""
Look up what an address names in the store; anything that no record of the flag has is a 404.
"""

from typing import BinaryIO

from starlette.exceptions import HTTPException
from starlette.requests import Request

from flagstone.core.codec import FileRef
from flagstone.core.query import State
from flagstone.errors import UnknownFlagError
from flagstone.review.values.js_plots import Plot, plot_in
from flagstone.stores.base import Store


def state_of(store: Store, request: Request, argument: str = "flag") -> State:
    """Return the flag named by *argument*, with its reviews."""
    try:
        return store.state(request.query_params.get(argument, ""))
    except UnknownFlagError as error:
        raise HTTPException(404) from error


def file_of(store: Store, request: Request) -> tuple[FileRef, BinaryIO]:
    """Return the flag's file with the hash `sha256`, and its content."""
    ref = ref_of(store, request)
    return ref, open_file(store, ref)


def ref_of(store: Store, request: Request) -> FileRef:
    """Return the flag's file with the hash `sha256`."""
    wanted = request.query_params.get("sha256", "")
    refs = (ref for record in state_of(store, request).records for ref in record.files())
    for ref in refs:
        if ref.sha256 == wanted:
            return ref
    raise HTTPException(404)


def open_file(store: Store, ref: FileRef) -> BinaryIO:
    """Return the content of the file."""
    try:
        return store.files.open(ref)
    except FileNotFoundError as error:
        raise HTTPException(404) from error


def plot_of(store: Store, request: Request) -> Plot:
    """Return the flag's plot whose text has the hash `sha256`."""
    wanted = request.query_params.get("sha256", "")
    for record in state_of(store, request).records:
        for value in record.values():
            plot = plot_in(value.data)
            if plot is not None and plot.sha256 == wanted:
                return plot
    raise HTTPException(404)
