"""`hft bench zeromq`: the real engine with its journal on, asked from another process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import zmq
from numpy.typing import NDArray

from engine import frames
from engine.answers import in_records
from engine.client import Client
from engine.words import FrameKind, Reason
from infra.bench.figures import Figure, Result, quantiles
from infra.bench.order_frames import OrderFrames, open_accounts
from infra.bench.published import Published, wait_until
from infra.bench.sandbox import Sandbox, sandbox
from infra.process import Program

IN_FLIGHT: Final = 8
"""Frames that one client has sent and not heard of."""
SUSTAINED_FRAME: Final = 512
"""Commands a frame where everything is published."""
MOST_BEHIND: Final = 20_000
"""Commands that the publisher may be behind before the client waits."""
LIMIT_S: Final = 120.0
BLOCK: Final = 500
"""Commands one at a time, then as many echoes, and so on: both see the same machine."""
WARM_UP: Final = 200


def run(seconds: float, frame: int, singles: int, sustained_seconds: float, say: Callable[[str], None]) -> Result:
    """`seconds` of the burst, `frame` commands a message, `singles` commands one at a time; `sustained_seconds` 0: the
    part that needs Kafka is left out."""
    figures = []
    with sandbox(kafka=False) as place:
        place.start(place.engine())
        client = place.client()
        open_accounts(client)
        say(f"one command at a time: {singles}")
        figures += _one_at_a_time(place, client, singles)
        say(f"burst: {seconds:g} s")
        figures += _burst(client, seconds, frame)
    if sustained_seconds:
        with sandbox(kafka=True) as place:
            place.start(place.engine())
            client = place.client()
            open_accounts(client)
            place.start(place.publisher())
            say(f"sustained, everything published: {sustained_seconds:g} s")
            figures += _sustained(place, client, sustained_seconds)
    sizes = {
        "burst, seconds": seconds,
        "burst, commands a frame": frame,
        "frames in flight": IN_FLIGHT,
        "one at a time, commands": singles,
        "sustained, seconds": sustained_seconds,
        "clients": 1,
    }
    return Result("Through ZeroMQ (ipc), journal on", sizes, figures)


def keep_in_flight(client: Client, made: OrderFrames, may_send: Callable[[], bool], until: float) -> tuple[int, int]:
    """Keeps frames in flight until then; how many commands were answered, and how many of them `busy`."""
    sent = heard = answered = busy = 0
    while True:
        over = time.perf_counter() >= until
        if sent == heard and over:
            return answered, busy
        if not over and sent - heard < IN_FLIGHT and may_send():
            client.send_records(made.next())
            sent += 1
            continue
        if heard < sent:
            received = in_records(client.receive()[1])
            answered += len(received)
            busy += int(np.count_nonzero(received["reason"] == int(Reason.BUSY)))
            heard += 1


def _burst(client: Client, seconds: float, frame: int) -> list[Figure]:
    made = OrderFrames(client, frame)
    client.submit_records(made.next())
    started = time.perf_counter()
    answered, busy = keep_in_flight(client, made, lambda: True, started + seconds)
    took = time.perf_counter() - started
    return [
        Figure("burst, one client: no command refused as busy", busy == 0),
        Figure("burst, one client: commands journaled, applied and answered", answered / took, "/s"),
    ]


def _sustained(place: Sandbox, client: Client, seconds: float) -> list[Figure]:
    """The client waits while the publisher is more than MOST_BEHIND commands behind."""
    published = Published(place.settings.bootstrap)
    place.stack.callback(published.close)
    made = OrderFrames(client, SUSTAINED_FRAME)
    ahead = first = client.ping()
    wait_until(lambda: published.commands >= first, "the publisher", LIMIT_S)
    events = published.events
    seen = [first, 0.0]

    def may_send() -> bool:
        nonlocal ahead
        if ahead - seen[0] >= MOST_BEHIND:
            if time.perf_counter() - seen[1] > 0.01:
                seen[:] = [published.commands, time.perf_counter()]
            else:
                time.sleep(0.001)
        if ahead - seen[0] >= MOST_BEHIND:
            return False
        ahead += SUSTAINED_FRAME
        return True

    started = time.perf_counter()
    answered, busy = keep_in_flight(client, made, may_send, started + seconds)
    wait_until(lambda: published.commands >= first + answered, "publishing the last commands", LIMIT_S)
    took = time.perf_counter() - started
    return [
        Figure("sustained, every event published: no command refused as busy", busy == 0),
        Figure("sustained, every event published: commands", answered / took, "/s"),
        Figure("sustained, every event published: events", (published.events - events) / took, "/s"),
    ]


def _echo(place: Sandbox) -> tuple[Program, str]:
    address = f"ipc://{place.folders.var / 'echo.ipc'}"
    mark = place.folders.mark("echo")
    command = (sys.executable, "-m", "infra.bench.echo", address, str(mark))
    return Program(name="echo", command=command, log=place.folders.log("echo"), probe=mark.exists), address


def round_trips(socket: Any, payloads: list[bytes]) -> list[int]:
    """Nanoseconds of each."""
    took = []
    for number, payload in enumerate(payloads):
        started = time.perf_counter_ns()
        socket.send_multipart([number.to_bytes(8, "little"), payload])
        socket.recv_multipart()
        took.append(time.perf_counter_ns() - started)
    return took


def _one_at_a_time(place: Sandbox, client: Client, count: int) -> list[Figure]:
    """Both sides by the same bare socket calls, so that the difference is the engine's."""
    program, echo_address = _echo(place)
    place.start(program)
    made = OrderFrames(client, 2)
    context = place.stack.enter_context(zmq.Context())
    sockets = []
    for address in (place.address, echo_address):
        socket = place.stack.enter_context(context.socket(zmq.DEALER))
        socket.connect(address)
        sockets.append(socket)
    engine, echo = sockets
    engine.send_multipart([bytes(8), b'{"type":"login","token":"%s"}' % place.token.encode()])
    engine.recv_multipart()

    def payloads(number: int) -> list[bytes]:
        """A new order and its cancel, in turns."""
        pairs = (made.next().copy() for _ in range((number + 1) // 2))
        return [frames.encode(FrameKind.COMMANDS, pair[k : k + 1]) for pair in pairs for k in (0, 1)][:number]

    round_trips(engine, payloads(WARM_UP))
    round_trips(echo, payloads(WARM_UP))
    ours: list[int] = []
    bare: list[int] = []
    for _ in range(0, count, BLOCK):
        block = payloads(min(BLOCK, count - len(ours)))
        ours += round_trips(engine, block)
        bare += round_trips(echo, block)
    return _compared("one command at a time over ipc", np.array(ours) / 1000, np.array(bare) / 1000)


def _compared(name: str, ours: NDArray[Any], bare: NDArray[Any]) -> list[Figure]:
    """Both in microseconds."""
    own, echo = quantiles(f"{name}:", ours, "µs"), quantiles("bare pyzmq echo:", bare, "µs")
    ratios = [
        Figure(f"{name}: {part} to the echo's", float(mine.value) / float(other.value), "×")
        for part, mine, other in zip(("p50", "p99", "p99.9"), own, echo, strict=True)
    ]
    return [*own, *echo, *ratios]
