"""How far each kind of looking has come, so that none is begun anew after a restart."""

__all__ = ["AlertMarks"]

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.stores.alert_keys import Place
from gateway.stores.alert_tables import alert_marks
from gateway.stores.sql_engine import read_rows, write_transaction


class AlertMarks:
    """Every method raises StoreError when the database cannot answer.

    A mark spares work and nothing else: what is looked at twice, because a node was killed before it
    had noted how far it was or because two walk at once, is told once all the same.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def read(self) -> dict[str, Place]:
        """All of them, by their names."""
        rows = await read_rows(self._engine, "read marks", select(alert_marks))
        return {row.name: Place(row.at, row.place) for row in rows}

    async def note(self, name: str, place: Place) -> None:
        """Remember that a walk has come so far."""
        is_postgresql = self._engine.dialect.name == "postgresql"
        adding = (postgresql if is_postgresql else sqlite).insert(alert_marks)
        async with write_transaction(self._engine, "note marks") as connection:
            await connection.execute(
                adding.values(name=name, at=place.at, place=place.id).on_conflict_do_update(
                    index_elements=[alert_marks.c.name],
                    set_={"at": adding.excluded.at, "place": adding.excluded.place},
                )
            )

    async def begin(self, name: str, at: int) -> Place:
        """The mark of that name; the first that asks for it sets it to `at`."""
        is_postgresql = self._engine.dialect.name == "postgresql"
        adding = (postgresql if is_postgresql else sqlite).insert(alert_marks)
        async with write_transaction(self._engine, "begin a mark") as connection:
            await connection.execute(
                adding.values(name=name, at=at, place="").on_conflict_do_nothing()
            )
            chosen = select(alert_marks).where(alert_marks.c.name == name)
            row = (await connection.execute(chosen)).one()
        return Place(row.at, row.place)
