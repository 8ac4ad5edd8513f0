"""
What of a store an address asks for; what no record of the flag has is 404.
"""

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request

from flagstone.codec import FileRef
from flagstone.errors import UnknownFlagError
from flagstone.record import Record
from flagstone.review.plots import Plot, plot_in
from flagstone.store import State, Store


def state_of(store: Store, request: Request, argument: str = "flag") -> State:
    """The flag that the *argument* names, with all that was said about it."""
    try:
        return store.state(request.query_params.get(argument, ""))
    except UnknownFlagError as error:
        raise HTTPException(404) from error


def file_of(store: Store, request: Request) -> FileRef:
    """The file of the flag that has the hash `sha256`."""
    wanted = request.query_params.get("sha256", "")
    for record in records_of(state_of(store, request)):
        for ref in record.files():
            if ref.sha256 == wanted:
                return ref
    raise HTTPException(404)


def plot_of(store: Store, request: Request) -> Plot:
    """The plot of the flag whose text has the hash `sha256`."""
    wanted = request.query_params.get("sha256", "")
    for record in records_of(state_of(store, request)):
        for value in record.values():
            plot = plot_in(value.data)
            if plot is not None and plot.sha256 == wanted:
                return plot
    raise HTTPException(404)


def records_of(state: State) -> Iterable[Record]:
    """The flag, its reviews and its outcomes."""
    return (state.flag, *state.reviews, *state.outcomes)
