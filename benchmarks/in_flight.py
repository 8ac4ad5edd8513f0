"""
Measure predictions while flags are in flight, compared to Gradio's own flags; and the capture.

    python -m benchmarks.in_flight

Each demo runs in its own process. 120 users flag: all at once, over one second, or over the 2.4 s
that Gradio's own flags need, because each sleeps 0.8 s in one of 40 worker threads. Another process
sends the flags, so that it does not slow the one that predicts. In the fourth demo, the store takes
these 0.8 s. In the last one, flags do nothing: this is the cost of 120 requests to Gradio.
"""

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from importlib import import_module
from importlib.metadata import version as version_of
from typing import Any

from benchmarks.capture import compare_capture
from flagstone import open_store
from flagstone.core.records import Record
from flagstone.gradio.executor import unwrap
from flagstone.stores.base import StoreWrapper

SLOW = "ours, a store of 0.8 s"
DEMOS = (
    "Gradio, CSVLogger",
    "ours, CSVLogger",
    "ours, panel, FlagLogger",
    SLOW,
    "flags of nothing",
)
FLAGS = 120
SPREADS = (0.0, 1.0, 2.4)
"""Seconds over which the flags are sent; Gradio's 40 threads take 3 times 0.8 s for them."""
ROUNDS = 5
QUIET = 20
EVERY = 0.1
"""Seconds from one prediction to the next; Gradio answers the flags in about 3."""


# --- A demo in a process of its own ---------------------------------------------------------------


def predict(text: str) -> str:
    time.sleep(0.02)
    return text.upper()


class SlowStore(StoreWrapper):
    """A slow remote store: each append takes as long as Gradio's own flags sleep."""

    def __init__(self, folder: str) -> None:
        super().__init__(open_store(f"{folder}/flags.db"))

    def append(self, records: Iterable[Record]) -> None:
        time.sleep(0.8)
        self.store.append(records)


def make_demo(which: str, folder: str) -> Any:
    gr: Any = import_module("flagstone.gradio" if which.startswith("ours") else "gradio")
    interface = partial(gr.Interface, predict, "text", "text", flagging_dir=folder)
    if which == "ours, panel, FlagLogger":
        return interface(
            flagging_mode="manual", flagging_callback=gr.FlagLogger(), flagging_comment=True
        )
    if which == SLOW:
        return interface(flagging_mode="manual", flagging_callback=gr.FlagLogger(SlowStore(folder)))
    if which == "flags of nothing":
        with interface(flagging_mode="never") as demo:
            fields = demo.input_components + demo.output_components
            gr.Button().click(lambda *_: None, fields, None, preprocess=False, queue=False)
        return demo
    return interface(flagging_mode="manual", flagging_callback=gr.CSVLogger(verbose=False))


def index_of(demo: Any, name: str) -> int:
    """Return the index of the page's function with this name or class."""
    numbers: list[int] = [
        number
        for number, function in demo.fns.items()
        if name in {getattr(function.fn, "__name__", None), type(unwrap(function.fn)).__name__}
    ]
    return numbers[0]


def serve(which: str, folder: str) -> None:
    """In its own process: print where the demo is, and run it until the input ends."""
    demo = make_demo(which, folder)
    flag = {"ours, panel, FlagLogger": "_keep", "flags of nothing": "<lambda>"}.get(which)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    place = {
        "port": int(url.rstrip("/").rpartition(":")[2]),
        "predict": index_of(demo, "predict"),
        "flag": index_of(demo, flag or "FlagMethod"),
        "asked": 2 if flag == "_keep" else 0,
    }
    print(json.dumps(place), flush=True)
    sys.stdin.read()
    demo.close(verbose=False)


@contextmanager
def running(which: str, folder: str) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "benchmarks.in_flight", "--serve", which, folder]
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        while not (line := server.stdout.readline()).startswith("{"):
            assert line, f"no demo came up: {which}"
        try:
            yield json.loads(line)
        finally:
            server.terminate()


# --- Those who flag, in another -------------------------------------------------------------------


def body_of(index: int, data: list[Any], session: str) -> bytes:
    return json.dumps({"data": data, "fn_index": index, "session_hash": session}).encode()


def path_of_api() -> str:
    version = version_of("gradio")
    return "/run/predict" if version.startswith("4.") else "/gradio_api/run/predict"


def words_of(number: int) -> str:
    return f"what person {number} wrote"


def is_kept(reply: bytes) -> bool:
    return reply.startswith(b"HTTP/1.1 200") and b"Error!" not in reply and b"alert" not in reply


def send_flags(place: dict[str, int], spread: float) -> None:
    """In its own process: send all flags, as prepared bytes; print times and durations."""
    requests = []
    for number in range(FLAGS):
        words = words_of(number)
        asked = [None, "this is wrong"][: place["asked"]]
        body = body_of(place["flag"], [words, words.upper(), *asked], f"person{number}")
        head = (
            f"POST {path_of_api()} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    sockets = [socket.create_connection(("127.0.0.1", place["port"])) for _ in requests]
    waiting = selectors.DefaultSelector()
    sent, taken = 0, []
    start = time.monotonic()
    while sent < FLAGS or waiting.get_map():
        due = start + sent * spread / FLAGS
        if sent < FLAGS and time.monotonic() >= due:
            sockets[sent].sendall(requests[sent])
            waiting.register(sockets[sent], selectors.EVENT_READ, (time.monotonic(), bytearray()))
            sent += 1
            continue
        for key, _ in waiting.select(due - time.monotonic() if sent < FLAGS else None):
            since, reply = key.data
            reply += (part := key.fileobj.recv(65536))  # type: ignore[union-attr]
            if not part:
                taken.append(time.monotonic() - since)
                waiting.unregister(key.fileobj)
                assert is_kept(reply), reply
    end = time.monotonic()
    print(json.dumps({"start": start, "end": end, "taken": taken}))


# --- Who predicts meanwhile -----------------------------------------------------------------------


def predict_once(
    place: dict[str, int], words: str = "a prediction", session: str = "another"
) -> tuple[float, float]:
    """Return when it was sent, and the seconds until the answer."""
    connection = HTTPConnection("127.0.0.1", place["port"])
    start = time.monotonic()
    body = body_of(place["predict"], [words], session)
    connection.request("POST", path_of_api(), body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    seconds = time.monotonic() - start
    connection.close()
    assert response.status == 200, answer
    assert words.upper().encode() in answer, answer
    return start, seconds


def predict_regularly(
    place: dict[str, int], goes_on: Callable[[int], bool]
) -> list[tuple[float, float]]:
    """
    Predict at regular intervals, without waiting for earlier answers.

    A client that waits for each answer would measure a stalled demo only once, and a fast one many
    times.
    """
    with ThreadPoolExecutor(100) as pool:
        sent: list[Future[tuple[float, float]]] = []
        while goes_on(len(sent)):
            sent.append(pool.submit(predict_once, place))
            time.sleep(EVERY)
    return [each.result() for each in sent]


def measure_round(place: dict[str, int], spread: float) -> dict[str, Any]:
    quiet = predict_regularly(place, lambda number: number < QUIET)
    command = [sys.executable, "-m", "benchmarks.in_flight", "--send", json.dumps(place)]
    with subprocess.Popen([*command, str(spread)], stdout=subprocess.PIPE, text=True) as sender:
        taken = predict_regularly(place, lambda _: sender.poll() is None)
        assert sender.stdout is not None
        flags = json.loads(sender.stdout.read())
    return {
        "quiet": [seconds for _, seconds in quiet],
        "beside": [s for start, s in taken if flags["start"] <= start <= flags["end"]],
        "flags": flags,
    }


def compare_flags() -> None:
    found: dict[tuple[str, float], list[dict[str, Any]]] = {}
    with ExitStack() as stack:
        places = {}
        for which in DEMOS:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="flagstone-bench-"))
            places[which] = stack.enter_context(running(which, folder))
            for number in range(FLAGS):  # predictions to flag; this also creates the sessions
                predict_once(places[which], words_of(number), f"person{number}")
        for _ in range(ROUNDS):
            for spread in SPREADS:
                for which in DEMOS:
                    result = measure_round(places[which], spread)
                    found.setdefault((which, spread), []).append(result)
    print(f"## A prediction of 20 ms beside {FLAGS} flags; {ROUNDS} rounds, in turn\n")
    print("| flags sent over | demo | all answered in, s | in flight, mean | predict quiet, ms "
          "| beside flags: median, ms | worst, ms | median / quiet |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for spread in SPREADS:
        for which in DEMOS:
            print(row_of(which, spread, found[which, spread]))
    print()


def row_of(which: str, spread: float, rounds: list[dict[str, Any]]) -> str:
    lasted = [each["flags"]["end"] - each["flags"]["start"] for each in rounds]
    waited = sum(sum(each["flags"]["taken"]) for each in rounds)
    quiet = statistics.median(seconds for each in rounds for seconds in each["quiet"])
    beside = [seconds for each in rounds for seconds in each["beside"]]
    median = statistics.median(beside)
    when = f"{spread} s" if spread else "at once"
    return (
        f"| {when} | {which} | {statistics.median(lasted):.2f} | {waited / sum(lasted):.0f} "
        f"| {quiet * 1e3:.0f} | {median * 1e3:.0f} | {max(beside) * 1e3:.0f} "
        f"| {median / quiet:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--serve", "--send"):
        parser.add_argument(name, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
    elif arguments.send:
        send_flags(json.loads(arguments.send[0]), float(arguments.send[1]))
    else:
        compare_flags()
        compare_capture()


if __name__ == "__main__":
    main()
