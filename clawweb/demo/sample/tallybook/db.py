"""The database: one SQLite file, one connection, migrations applied at the start."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """A connection with nested transactions and the list of applied migrations."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA foreign_keys = ON")
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end of the outermost block, roll everything back on an error."""
        if self._depth == 0:
            self.connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield self.connection
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self.connection.execute("COMMIT")

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, if there is one."""
        row: sqlite3.Row | None = self.connection.execute(sql, values).fetchone()
        return row

    def migrate(self) -> list[str]:
        """Apply the migrations that this database has not seen; returns their names."""
        self.connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
        done = {row["name"] for row in self.all("SELECT name FROM migrations")}
        applied: list[str] = []
        for path in sorted(MIGRATIONS.glob("*.sql")):
            if path.name not in done:
                self.connection.executescript(path.read_text(encoding="utf-8"))
                self.connection.execute("INSERT INTO migrations VALUES (?)", (path.name,))
                applied.append(path.name)
        return applied


def open_database(path: str = ":memory:") -> Database:
    """A database that is ready for use."""
    database = Database(path)
    database.migrate()
    return database
