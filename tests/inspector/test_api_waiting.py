"""Who waits at the API holds no database connection, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from memory.client import ClawWeb, event

WAITING = 90  # requests; the tests' cluster takes 60 connections


def used(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        row = connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0]) - 1


@pytest.mark.integration
@pytest.mark.postgres
async def test_more_wait_than_the_database_takes_connections(
    live_site: Callable[..., Any], postgres_url: str
) -> None:
    server = live_site(worker=False, DATABASE_URL=postgres_url)
    secret = server.site.manage("token", "create", "test").strip().splitlines()[-1]

    def start() -> str:
        with ClawWeb(server.url, secret) as claw:
            session = claw.session("run", harness="test", started={"budget": 2000})
            session.append([event("noted", what="here")])
            return str(session.id)

    session_id = await asyncio.to_thread(start)
    headers = {"Authorization": f"Bearer {secret}"}
    limits = httpx.Limits(max_connections=WAITING + 10)
    async with httpx.AsyncClient(base_url=server.url, headers=headers, limits=limits, timeout=60) as client:
        path = f"/api/v1/sessions/{session_id}"

        async def wait(number: int) -> int:
            return (await client.get(f"{path}/prompts/r{number}?wait_ms=20000")).status_code

        waiting = []
        for start_at in range(0, WAITING, 10):
            waiting += [asyncio.create_task(wait(start_at + n)) for n in range(10)]
            await client.get(path)  # goes behind them
        others = [(await client.get(path)).status_code for _ in range(5)]
        held = min([await asyncio.to_thread(used, postgres_url) for _ in range(5)])
        assert not any(task.done() for task in waiting), [t.result() for t in waiting if t.done()]
        assert others == [200] * 5
        assert held < 20, f"{held} connections for {WAITING} waiting requests"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
