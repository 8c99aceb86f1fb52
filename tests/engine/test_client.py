"""The Python client while the engine is away: nothing that was given up is delivered later."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import zmq.asyncio

from engine import frames
from engine.client import MOST_UNSENT, AsyncClient, Client
from engine.layout import COMMAND
from engine.messages import NewOrder
from engine.refusal import Refusal
from engine.words import FrameKind
from tests.engine.doors import define, free_address, logged_in, open_engine, token


def order(client_order_id: str) -> NewOrder:
    return NewOrder(
        account="demo",
        symbol="AAPL",
        side="buy",
        quantity=Decimal(1),
        limit_price=Decimal(190),
        client_order_id=client_order_id,
    )


def test_an_order_that_was_not_sent_never_arrives(tmp_path: Path) -> None:
    address = free_address()
    with closing(Client(address, token())) as client:
        with open_engine(tmp_path, address=address):
            define(client, "demo")
            client.connect()
        client._timeout_s = 0.3
        for k in range(3):
            with pytest.raises(TimeoutError):
                client.submit([order(f"late{k}")])
        with pytest.raises(TimeoutError, match="not sent"):
            client.ping()
        with open_engine(tmp_path, address=address), logged_in(address) as other:
            time.sleep(1.2)  # longer than the client waits before it tries to connect again
            assert client.submit([order("new")])[0].outcome == "accepted"
            assert [other.status("demo", client_order_id=f"late{k}") for k in range(3)] == [None] * 3


def test_a_client_that_finds_nobody_is_closed() -> None:
    async def enter(client: AsyncClient) -> None:
        async with client:
            pass

    client = Client(free_address(), token(), timeout_s=0.01)
    with pytest.raises(TimeoutError), client:
        pass
    assert client._context.closed

    async def find_nobody() -> bool:
        other = AsyncClient(free_address(), token(), timeout_s=0.01)
        with pytest.raises(TimeoutError):
            await enter(other)
        return other._context.closed

    assert asyncio.run(find_nobody())


def test_the_async_client_sends_nothing_late_either(tmp_path: Path) -> None:
    async def submit_to_nobody(address: str, folder: Path) -> bool:
        with open_engine(folder, address=address):
            client = AsyncClient(address, token(), timeout_s=0.3)
            await client.connect()
        for k in range(3):
            with pytest.raises(TimeoutError):
                await client.submit([order(f"late{k}")])
        with open_engine(folder, address=address), logged_in(address) as other:
            await asyncio.sleep(1.2)
            [reply] = await client.submit([order("new")])
            assert reply.outcome == "accepted"
            found = [other.status("demo", client_order_id=f"late{k}") for k in range(3)]
        await client.close()
        return found == [None] * 3

    address = free_address()
    with open_engine(tmp_path, address=address), logged_in(address) as admin:
        define(admin, "demo")
    assert asyncio.run(submit_to_nobody(address, tmp_path))


def test_a_late_frame_is_answered_busy(tmp_path: Path) -> None:
    """An order that went out and lay in the engine's queue when its sender had long given up."""
    with open_engine(tmp_path) as (_, address), logged_in(address) as client:
        define(client, "demo")
        records = np.zeros(1, COMMAND)
        records["type"], records["account"] = 4, 1
        payload = frames.encode(FrameKind.COMMANDS, records, second=int(time.time()) - 2)
        number = client.send(payload)
        answered, answer = client.receive()
        assert answered == number
        assert b'"busy"' in answer


def test_only_so_many_wait_for_the_connection(tmp_path: Path) -> None:
    async def crowd() -> list[BaseException | int]:
        client = AsyncClient("tcp://127.0.0.1:9", token(), timeout_s=0.5)
        found = await asyncio.gather(*(client.ping() for _ in range(MOST_UNSENT + 5)), return_exceptions=True)
        await client.close()
        return found

    found = asyncio.run(crowd())
    assert sum(isinstance(error, Refusal) for error in found) == 5
    assert sum(isinstance(error, TimeoutError) for error in found) == MOST_UNSENT


def test_a_late_reply_is_no_answer_to_the_next_request(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (server, address), logged_in(address) as client:
        define(client, "demo")
        step, client._timeout_s = server.step, 0.2
        server.step = lambda: time.sleep(0.01)  # type: ignore[method-assign]
        time.sleep(0.1)  # the round under way comes to its end
        with pytest.raises(TimeoutError, match="did not answer"):
            client.depth("AAPL")
        server.step, client._timeout_s = step, 5.0  # type: ignore[method-assign]
        assert client.ping() == 2
        assert client._early == {}
        assert client._abandoned == set()


def test_who_waits_to_send_while_another_closes_the_client_goes_on() -> None:
    """pyzmq cancels what waits on a socket that is closed: the task that waited must get an error, not its end."""

    async def ping_while_it_is_closed() -> str:
        client = AsyncClient("tcp://127.0.0.1:9", token(), timeout_s=5)

        async def ping() -> str:
            try:
                await client.ping()
            except TimeoutError as error:
                return str(error)
            return "answered"

        waiting = asyncio.create_task(ping())
        await asyncio.sleep(0.1)
        await client.close()
        return await waiting

    assert "not sent" in asyncio.run(ping_while_it_is_closed())


def test_who_waits_for_an_answer_while_another_closes_the_client_goes_on() -> None:
    """The engine has the request and says nothing; the client is closed long before its time is up."""

    async def answer(address: str, engine: zmq.asyncio.Socket) -> None:
        client = AsyncClient(address, token(), timeout_s=600)
        asking = asyncio.ensure_future(client.ping())
        await engine.recv_multipart()
        await client.close()
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError, match="did not answer"):
                await asking

    async def served() -> None:
        address = free_address()
        with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as engine:
            engine.bind(address)
            await answer(address, engine)

    asyncio.run(served())


def test_every_request_of_many_at_once_is_answered(tmp_path: Path) -> None:
    """The socket's descriptor tells of a change once: nobody may be forgotten who asks in that very moment."""

    async def ask(address: str) -> int:
        async with AsyncClient(address, token(), timeout_s=30) as client:

            async def one_after_another() -> int:
                return sum([await client.ping() >= 0 for _ in range(20)])

            return sum(await asyncio.gather(*(one_after_another() for _ in range(100))))

    with open_engine(tmp_path) as (_, address):
        assert asyncio.run(ask(address)) == 2000
