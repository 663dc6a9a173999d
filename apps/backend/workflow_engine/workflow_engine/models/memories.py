"""What is asked of the database about memories; implements nodes.context.Memories.

Passages are found by exact search over the vectors of one space: with pgvector where PostgreSQL has it, with sqlite-vec
where Python's SQLite can load it, and otherwise here, with NumPy. All three give the same passages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import JSON, Connection, Float, String, Text, and_, delete, func, insert, or_, select, text
from sqlalchemy.exc import DBAPIError

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models.memory import MemoryDocument, MemoryFact, MemoryPassage, MemoryTurn, MemoryValue
from workflow_engine.models.store import Store

log = get_logger(__name__)
T = TypeVar("T")
PGVECTOR, SQLITE_VEC, EXACT = "pgvector", "sqlite-vec", "exact"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:space, 7))"


class Memories:
    """One serves all nodes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._search: str | None = None

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self._store.reading() as connection:
                return query(connection)

        return await asyncio.to_thread(read)

    # conversations

    async def turns(self, space: str, limit: int) -> list[tuple[int, str, str]]:
        """The last turns, oldest first: number, role, text."""
        query = select(MemoryTurn.number, MemoryTurn.role, MemoryTurn.text).where(MemoryTurn.space == space)
        query = query.order_by(MemoryTurn.number.desc()).limit(limit)
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [(row.number, row.role, row.text) for row in reversed(rows)]

    async def add_turns(self, space: str, turns: Sequence[tuple[str, str]], key: str) -> None:
        """Adds (role, text), once for each `key`."""

        def change(connection: Connection) -> None:
            _lock(connection, space)
            mine = and_(MemoryTurn.space == space, MemoryTurn.key == key)
            if connection.execute(select(MemoryTurn.number).where(mine).limit(1)).first() is not None:
                return
            last = connection.scalar(select(func.max(MemoryTurn.number)).where(MemoryTurn.space == space)) or 0
            rows = [
                {"space": space, "number": last + place, "role": role, "text": said, "key": key}
                for place, (role, said) in enumerate(turns, 1)
            ]
            connection.execute(insert(MemoryTurn), rows)

        await self._store.change(change)

    async def fold_turns(self, space: str, upto: int, summary: str) -> None:
        """Puts `summary` in the place of all turns up to number `upto`."""

        def change(connection: Connection) -> None:
            _lock(connection, space)
            folded = and_(MemoryTurn.space == space, MemoryTurn.number <= upto)
            if connection.execute(delete(MemoryTurn).where(folded)).rowcount:
                row = {"space": space, "number": upto, "role": "summary", "text": summary, "key": ""}
                connection.execute(insert(MemoryTurn).values(row))

        await self._store.change(change)

    async def forget_turns(self, space: str) -> int:
        """Returns how many there were."""
        return await self._delete(delete(MemoryTurn).where(MemoryTurn.space == space))

    # values

    async def value(self, space: str, key: str) -> tuple[Any] | None:
        """The value, as a tuple of one; None when there is none."""
        query = select(MemoryValue.value).where(MemoryValue.space == space, MemoryValue.key == key)
        row = await self._read(lambda connection: connection.execute(query).first())
        return (row.value,) if row is not None else None

    async def values(self, space: str, prefix: str, limit: int) -> list[tuple[str, Any]]:
        """Keys that begin with `prefix`, in order, and their values."""
        query = select(MemoryValue.key, MemoryValue.value).where(MemoryValue.space == space)
        if prefix:
            query = query.where(func.substr(MemoryValue.key, 1, len(prefix)) == prefix)
        rows = await self._read(
            lambda connection: connection.execute(query.order_by(MemoryValue.key).limit(limit)).all()
        )
        return [(row.key, row.value) for row in rows]

    async def put_value(self, space: str, key: str, value: Any) -> None:
        where = and_(MemoryValue.space == space, MemoryValue.key == key)
        await self._replace(
            where, MemoryValue, [{"space": space, "key": key, "value": value, "updated_at": self._now()}]
        )

    async def delete_value(self, space: str, key: str) -> bool:
        return bool(await self._delete(delete(MemoryValue).where(MemoryValue.space == space, MemoryValue.key == key)))

    # documents

    async def document(self, space: str, id: str) -> dict[str, Any] | None:
        query = select(MemoryDocument).where(MemoryDocument.space == space, MemoryDocument.id == id)
        row = await self._read(lambda connection: connection.execute(query.with_only_columns(*_DOCUMENT)).first())
        return {"id": row.id, "text": row.text, "details": row.details} if row is not None else None

    async def documents(self, space: str, limit: int) -> list[dict[str, Any]]:
        """Without their text, by id."""
        query = select(MemoryDocument.id, MemoryDocument.details).where(MemoryDocument.space == space)
        rows = await self._read(
            lambda connection: connection.execute(query.order_by(MemoryDocument.id).limit(limit)).all()
        )
        return [{"id": row.id, "details": row.details} for row in rows]

    async def put_document(self, space: str, id: str, said: str, details: Mapping[str, Any]) -> None:
        where = and_(MemoryDocument.space == space, MemoryDocument.id == id)
        row = {"space": space, "id": id, "text": said, "details": dict(details), "updated_at": self._now()}
        await self._replace(where, MemoryDocument, [row])

    async def delete_document(self, space: str, id: str) -> bool:
        where = and_(MemoryDocument.space == space, MemoryDocument.id == id)
        return bool(await self._delete(delete(MemoryDocument).where(where)))

    # passages

    async def put_passages(
        self, space: str, document: str, model: str, passages: Sequence[tuple[str, Mapping[str, Any], Sequence[float]]]
    ) -> None:
        """Replaces all passages of a document by these: text, details, vector."""
        encode = _array if self._is_postgres else _bytes
        rows = [
            {
                "space": space,
                "document": document,
                "number": number,
                "text": said,
                "details": dict(details),
                "dimensions": len(vector),
                "model": model,
                "embedding": encode(vector),
            }
            for number, (said, details, vector) in enumerate(passages)
        ]
        where = and_(MemoryPassage.space == space, MemoryPassage.document == document)
        await self._replace(where, MemoryPassage, rows)

    async def delete_passages(self, space: str, document: str) -> int:
        """All of a document, or of the whole space when `document` is empty; returns how many there were."""
        where = MemoryPassage.space == space
        if document:
            where = and_(where, MemoryPassage.document == document)
        return await self._delete(delete(MemoryPassage).where(where))

    async def nearest(
        self, space: str, model: str, vector: Sequence[float], limit: int
    ) -> list[tuple[str, str, dict[str, Any], float]]:
        """The passages nearest to `vector`, nearest first: document, text, details, cosine similarity."""
        search = await self._kind_of_search()

        def read(connection: Connection) -> list[Any]:
            if search == EXACT:
                return _nearest(connection, space, model, vector, limit)
            query = _BY_PGVECTOR if search == PGVECTOR else _BY_SQLITE_VEC
            asked = str(list(map(float, vector))) if search == PGVECTOR else _bytes(vector)
            if search == SQLITE_VEC:
                _load_sqlite_vec(connection)
            values = {"space": space, "model": model, "dimensions": len(vector), "vector": asked, "limit": limit}
            return [
                (row.document, row.text, row.details, float(row.score)) for row in connection.execute(query, values)
            ]

        return await self._read(read)

    async def _kind_of_search(self) -> str:
        if self._search is None:
            kind = await (self._postgres_search() if self._is_postgres else self._sqlite_search())
            log.info("vector_search", kind=kind)
            self._search = kind
        return self._search

    async def _postgres_search(self) -> str:
        def change(connection: Connection) -> None:
            with connection.begin_nested():
                connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))

        def has(connection: Connection) -> bool:
            return connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")) is not None

        if not await self._read(has):
            try:
                await self._store.change(change)
            except Exception as error:
                log.info("no_pgvector", error=str(error))
                return EXACT
        return PGVECTOR

    async def _sqlite_search(self) -> str:
        try:
            await self._read(_load_sqlite_vec)
        except (AttributeError, ImportError, DBAPIError, OSError) as error:
            # Some builds of Python have no way to load an extension.
            log.info("no_sqlite_vec", error=str(error))
            return EXACT
        return SQLITE_VEC

    # facts

    async def put_facts(self, space: str, facts: Sequence[tuple[str, str, str, Mapping[str, Any]]]) -> None:
        """Adds edges: subject, relation, object, details. One that is there gets the new details."""
        now = self._now()

        def change(connection: Connection) -> None:
            for subject, relation, other, details in facts:
                row = {"space": space, "subject": subject, "relation": relation, "object": other}
                connection.execute(delete(MemoryFact).where(*(getattr(MemoryFact, name) == row[name] for name in row)))
                connection.execute(insert(MemoryFact).values(**row, details=dict(details), updated_at=now))

        await self._store.change(change)

    async def facts(
        self, space: str, *, subject: str = "", relation: str = "", object: str = "", about: str = "", limit: int
    ) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Edges that fit all that is given; `about` is either end."""
        query = select(MemoryFact.subject, MemoryFact.relation, MemoryFact.object, MemoryFact.details)
        query = query.where(MemoryFact.space == space)
        for column, wanted in (("subject", subject), ("relation", relation), ("object", object)):
            if wanted:
                query = query.where(getattr(MemoryFact, column) == wanted)
        if about:
            query = query.where(or_(MemoryFact.subject == about, MemoryFact.object == about))
        query = query.order_by(MemoryFact.subject, MemoryFact.relation, MemoryFact.object).limit(limit)
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [(row.subject, row.relation, row.object, row.details) for row in rows]

    async def delete_facts(self, space: str, subject: str, relation: str, object: str) -> int:
        """Those that fit all that is given."""
        where = [MemoryFact.space == space]
        for column, wanted in (("subject", subject), ("relation", relation), ("object", object)):
            if wanted:
                where.append(getattr(MemoryFact, column) == wanted)
        return await self._delete(delete(MemoryFact).where(*where))

    # all of them

    @property
    def _is_postgres(self) -> bool:
        return self._store.url.get_backend_name() == "postgresql"

    def _now(self) -> int:
        return self._clock.now_ms()

    async def _replace(self, where: Any, table: Any, rows: list[dict[str, Any]]) -> None:
        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(where))
            if rows:
                connection.execute(insert(table), rows)

        await self._store.change(change)

    async def _delete(self, statement: Any) -> int:
        return await self._store.change(lambda connection: int(connection.execute(statement).rowcount))


_DOCUMENT = (MemoryDocument.id, MemoryDocument.text, MemoryDocument.details)
_FOUND: dict[str, Any] = {"document": String(), "text": Text(), "details": JSON(), "score": Float()}
_NEAREST = (
    "SELECT document, text, details, 1 - ({distance}) AS score FROM memory_passage "
    "WHERE space = :space AND model = :model AND dimensions = :dimensions "
    "ORDER BY score DESC, document, number LIMIT :limit"
)
_BY_PGVECTOR = text(_NEAREST.format(distance="embedding::vector <=> CAST(:vector AS vector)")).columns(**_FOUND)
_BY_SQLITE_VEC = text(_NEAREST.format(distance="vec_distance_cosine(embedding, :vector)")).columns(**_FOUND)


def _lock(connection: Connection, space: str) -> None:
    """Turns of one space are numbered one writer after the other; SQLite has only one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(_LOCK), {"space": space})


def _load_sqlite_vec(connection: Connection) -> None:
    import sqlite_vec

    raw = connection.connection.driver_connection
    assert raw is not None
    raw.enable_load_extension(True)
    sqlite_vec.load(raw)
    raw.enable_load_extension(False)


def _nearest(connection: Connection, space: str, model: str, vector: Sequence[float], limit: int) -> list[Any]:
    """Every vector of the space is looked at, here."""
    import numpy as np

    key = (MemoryPassage.document, MemoryPassage.number)
    query = select(*key, MemoryPassage.embedding).where(
        MemoryPassage.space == space, MemoryPassage.model == model, MemoryPassage.dimensions == len(vector)
    )
    rows = connection.execute(query.order_by(*key)).all()
    if not rows:
        return []
    is_bytes = isinstance(rows[0].embedding, bytes)
    matrix = np.array([np.frombuffer(row.embedding, "<f4") if is_bytes else row.embedding for row in rows], "f4")
    asked = np.asarray(vector, "f4")
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(asked)
    scores = matrix @ asked / np.where(lengths == 0, 1, lengths)
    best = np.argsort(-scores, kind="stable")[:limit]
    found = []
    for place in best:
        document, number, _ = rows[place]
        where = and_(MemoryPassage.space == space, MemoryPassage.document == document, MemoryPassage.number == number)
        row = connection.execute(select(MemoryPassage.text, MemoryPassage.details).where(where)).one()
        found.append((document, row.text, row.details, float(scores[place])))
    return found


def _array(vector: Sequence[float]) -> list[float]:
    return [float(each) for each in vector]


def _bytes(vector: Sequence[float]) -> bytes:
    import numpy as np

    return np.asarray(vector, "<f4").tobytes()
