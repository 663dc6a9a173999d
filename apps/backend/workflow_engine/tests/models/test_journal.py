"""Executions and their journals: what is stored is what comes back; on each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, event

from tests.models.rows import birth, execution, submit
from workflow_engine.models import retention
from workflow_engine.models.store import (
    Append,
    ExecutionFilter,
    Status,
    Store,
    StoreUnavailable,
    WriteRefused,
)


async def test_an_execution_and_its_events_come_back_as_they_were_stored(store: Store) -> None:
    row = execution(store, idempotency_key="k", parent_pk=7, parent_address="loop[3]", wake_at=2**42)

    await submit(store, birth(row, b"\x00\xff", b""))

    assert store.execution(row.id) == row
    assert store.execution_by_pk(row.pk) == row
    assert store.execution_by_key("wf_1", "k") == row
    assert store.read_events(row.pk, 1, 10) == [(1, b"\x00\xff"), (2, b"")]
    assert store.execution("exec_unknown") is None


async def test_a_journal_is_read_from_any_place_in_bounded_steps(store: Store) -> None:
    row = execution(store)
    await submit(store, birth(row, *(b"%d" % n for n in range(1, 11))))

    assert store.read_events(row.pk, 4, 3) == [(4, b"4"), (5, b"5"), (6, b"6")]
    assert store.read_events(row.pk, 11, 3) == []


async def test_the_row_follows_the_journal(store: Store) -> None:
    row = execution(store)
    await submit(store, birth(row))

    row.status, row.ended_at, row.failure_summary = Status.ERROR, 9_000, "no route to \0host"
    await submit(store, [Append(row.pk, 2, [b"ended"], row)])

    found = store.execution(row.id)
    assert found is not None
    assert (found.status, found.ended_at) == (Status.ERROR, 9_000)
    assert found.failure_summary == "no route to \ufffdhost"  # PostgreSQL holds no NUL in a text


async def test_an_event_never_takes_the_place_of_another_one(store: Store) -> None:
    row = execution(store)
    await submit(store, birth(row, b"first", b"second"))
    row.status = Status.SUCCESS

    with pytest.raises(WriteRefused):
        await submit(store, [Append(row.pk, 3, [b"third"], row), Append(row.pk, 2, [b"another second"])])

    # Nothing of the submission is stored, neither the event that was free nor the row.
    assert store.read_events(row.pk, 1, 10) == [(1, b"first"), (2, b"second")]
    found = store.execution(row.id)
    assert found is not None
    assert found.status is Status.RUNNING


async def test_what_can_not_be_stored_fails_alone_in_a_busy_commit(store: Store) -> None:
    """Fifty executions arrive together; of some the database will never take the row."""
    rows = [execution(store) for _ in range(50)]
    rows[7].id = rows[6].id
    rows[20].mode = 2**40  # PostgreSQL refuses it, SQLite holds any integer
    rows[33].triggered_by = "\ud800"
    bad = {7, 33} | ({20} if "postgres" in store.description else set())

    futures = [submit(store, birth(row)) for row in rows]
    answers = await asyncio.gather(*futures, return_exceptions=True)

    assert {n for n, answer in enumerate(answers) if answer is not None} == bad
    assert all(isinstance(answers[n], WriteRefused) for n in bad)
    stored = {row.pk for row in store.busy_executions(0, 100)}
    assert stored == {row.pk for n, row in enumerate(rows) if n not in bad}
    assert all(store.read_events(rows[n].pk, 1, 1) == [] for n in bad)


async def test_one_key_starts_one_execution_of_a_workflow(store: Store) -> None:
    rows = [execution(store, idempotency_key="k") for _ in range(20)]
    elsewhere = execution(store, idempotency_key="k", workflow_id="wf_2")
    keyless = [execution(store), execution(store)]

    answers = await asyncio.gather(
        *(submit(store, birth(row)) for row in [*rows, elsewhere, *keyless]), return_exceptions=True
    )

    assert [answer for answer in answers[:20] if answer is None] == [None]
    assert answers[20:] == [None] * 3
    assert store.execution_by_key("wf_1", "k") is not None


async def test_history_is_listed_newest_first_and_paged_by_key(store: Store) -> None:
    rows = [execution(store, user_id="ada" if n % 2 else "bob") for n in range(10)]
    rows[3].status = Status.ERROR
    await submit(store, [write for row in rows for write in birth(row)])
    pks = [row.pk for row in reversed(rows)]

    first = store.executions(ExecutionFilter(workflow_id="wf_1"), limit=4)
    second = store.executions(ExecutionFilter(workflow_id="wf_1"), limit=4, before=first[-1].pk)

    assert [row.pk for row in first + second] == pks[:8]
    assert [row.pk for row in store.executions(ExecutionFilter(), limit=3, offset=8)] == pks[8:]
    wanted = ExecutionFilter(user_id="ada", statuses=(Status.ERROR,))
    assert [row.pk for row in store.executions(wanted, limit=10)] == [rows[3].pk]
    assert store.count_executions(ExecutionFilter(since=rows[2].created_at, until=rows[6].created_at)) == 4


async def test_recovery_finds_what_has_not_ended_and_pks_go_on_from_there(store: Store, database_url: str) -> None:
    rows = [execution(store, status=status) for status in Status]
    await submit(store, [write for row in rows for write in birth(row)])
    store.close()

    again = Store.open(database_url)
    assert again.acquire_ownership()
    try:
        busy = again.busy_executions(0, 1) + again.busy_executions(1, 3)
        assert [row.status for row in busy] == [Status.NEW, Status.RUNNING]
        [digest] = again.digests_asleep()
        asleep = again.executions_asleep(digest, 0, 1) + again.executions_asleep(digest, 3, 3)
        assert [row.status for row in asleep] == [Status.WAITING, Status.PAUSED]
        assert again.next_execution_pk() == rows[-1].pk + 1
    finally:
        again.close()


async def test_who_is_due_is_found_in_order_and_page_by_page(store: Store) -> None:
    times = [300, 100, None, 200, 200, 400]
    rows = [execution(store, status=Status.WAITING, wake_at=at) for at in times]
    rows.append(execution(store, status=Status.RUNNING, wake_at=150))
    await submit(store, [write for row in rows for write in birth(row)])
    in_order = [(100, rows[1].pk), (200, rows[3].pk), (200, rows[4].pk), (300, rows[0].pk)]

    assert store.due((0, 0), 300, 10) == in_order
    assert store.due(in_order[1], 300, 1) == [in_order[2]]
    assert store.due((101, 0), 199, 10) == []
    assert store.next_due(300) == 400
    assert store.next_due(400) is None


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: store.busy_executions(0, 10), "execution_busy"),
        (lambda store: store.executions_asleep("d", 0, 10), "execution_open"),
        (lambda store: store.digests_asleep(), "execution_open"),
        (lambda store: store.due((0, 0), 10, 10), "execution_timed"),
        (lambda store: store.next_due(0), "execution_timed"),
        (lambda store: store.ended_children_of_open(), "execution_by_parent"),
        (lambda store: store.executions(ExecutionFilter(statuses=(6, 7)), limit=10), "execution_failed"),
        (lambda store: store.executions(ExecutionFilter("wf", statuses=(6,)), limit=10), "failed_by_workflow"),
        (lambda store: store.executions(ExecutionFilter(statuses=(2,)), limit=10), "execution_busy"),
        (lambda store: store.executions(ExecutionFilter(statuses=(1, 3)), limit=10), "execution_open"),
        (lambda store: retention.ended_before(store, "wf", 1, 10), "execution_ended"),
    ],
)
def test_what_is_asked_often_does_not_read_the_whole_history(
    sqlite_url: str, ask: Callable[[Store], object], index: str
) -> None:
    """A million executions that have ended must not slow a start down."""
    store = Store.open(sqlite_url)
    statements: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    ask(store)
    store.close()

    engine = create_engine(sqlite_url)
    with engine.connect() as connection:
        statement, parameters = statements[-1]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()  # type: ignore[arg-type]
    engine.dispose()
    assert index in str(plan)


async def test_a_count_does_not_go_on_for_ever(store: Store) -> None:
    await submit(store, [write for _ in range(7) for write in birth(execution(store))])
    assert store.count_executions(ExecutionFilter(), most=5) == 5
    assert store.count_executions(ExecutionFilter(), most=10) == 7


async def test_closing_stores_what_was_submitted_and_takes_nothing_after(store: Store, database_url: str) -> None:
    rows = [execution(store) for _ in range(100)]
    futures = [submit(store, birth(row)) for row in rows]
    store.close()

    await asyncio.gather(*futures)
    with pytest.raises(StoreUnavailable, match="closed"):
        await submit(store, birth(execution(store)))
    reader = Store.open(database_url)
    assert reader.count_executions(ExecutionFilter()) == 100
    reader.close()


async def test_one_careless_callback_does_not_silence_the_others(store: Store) -> None:
    def careless(_: Exception | None) -> None:
        raise RuntimeError("a mistake in a callback")

    rows = [execution(store), execution(store)]
    store.submit(birth(rows[0]), careless)
    await submit(store, birth(rows[1]))

    assert store.count_executions(ExecutionFilter()) == 2
