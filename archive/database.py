"""One database, SQLite or PostgreSQL: opened, brought up to date, read and committed to.

Everything that is written to an archive passes through `Database.commit`.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Select,
    Table,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from archive import locks
from archive.errors import ArchiveError, ConnectionLost, Misnamed
from archive.passwords import hidden_password
from archive.schema import VERSION

T = TypeVar("T")

# Called as ("before" | "after", name of the transaction) around every commit: for kill tests.
OnCommit = Callable[[str, str], None]

# How long a writer waits for another run's commit on the same SQLite file; a commit takes
# milliseconds, a checkpoint on a slow disk may take seconds.
BUSY_MS = 30_000

# Pages that a connection to SQLite keeps. Keys are hashes, so every insert falls on another page of
# some index: with SQLite's own 2 MiB a step cost three times as much at 346,000 steps as at 10,000.
CACHE_KIB = 64 * 1024

# A server that does not answer for this long is down.
CONNECT_S = 10

# After so long without a word both sides ask whether the other is still there, and half a minute
# later let go: the lock of a driver whose machine is gone, too.
KEEPALIVE_S = 10

# A connection that rested for longer is asked whether the server is still there before it is used.
PING_AFTER_S = 1.0

# Of PostgreSQL's advisory locks, the one under which an archive is created or migrated.
MIGRATION_LOCK = 0x65766F6C

# A PostgreSQL that is being restarted is back within this time, and has noticed by then that
# our old session, which still holds a lock, is dead.
RECONNECT_S = 60.0
RECONNECT_EVERY_S = 0.25

KEPT = "everything told is kept"
# Of a cell whose page is whole: no program saves what it held.
MEND = "the archive is damaged there: go back to a copy of it, or mend that row by hand"
DAMAGED = "the file is damaged: `sqlite3 FILE .recover` saves what can be read"
# (what the database says, what to do), the first that occurs in its message.
ADVICE = (
    ("no password supplied", "put it into ~/.pgpass, PGPASSFILE or PGPASSWORD"),
    (
        "password authentication failed",
        "is it the right one in ~/.pgpass, PGPASSFILE or PGPASSWORD?",
    ),
    ("no pg_hba.conf entry", "the server lets nobody in from here: its pg_hba.conf says who may"),
    ('" does not exist', "`createdb` makes a database, `createuser` a user"),
    ("disk is full", f"free some space, then `evolve resume`; {KEPT}"),
    ("No space left", f"free some space, then `evolve resume`; {KEPT}"),
    ("disk I/O error", f"is the disk full or failing? Mend it, then `evolve resume`; {KEPT}"),
    ("readonly database", "make the file and its folder writable, or use another --archive"),
    ("unable to open", "is its folder there, and may you read and write it?"),
    ("file is not a database", "this file is no archive: choose another with --archive"),
    ("malformed", DAMAGED),
    ("Could not decode to UTF-8", MEND),
    (
        "database is locked",
        f"another program holds the file; close it, then `evolve resume`; {KEPT}",
    ),
)


class Database:
    """The engine behind an archive.

    where: how messages name it, passwords hidden. lock_file: where the writers of a SQLite
    archive lock their runs; None on PostgreSQL, whose server holds the locks.
    """

    def __init__(
        self, engine: Engine, where: str, lock_file: Path | None, on_commit: OnCommit
    ) -> None:
        self.engine = engine
        self.where = where
        self.lock_file = lock_file
        self.on_commit = on_commit
        # A question is one statement, which needs no BEGIN around it to see one state. On a server
        # BEGIN and ROLLBACK would be two more journeys there and back.
        alone = {} if lock_file else {"isolation_level": "AUTOCOMMIT"}
        self._questions = engine.execution_options(question=True, **alone)
        self._single = engine.execution_options(**alone)
        self._inserts: dict[str, Any] = {}

    @classmethod
    def open(cls, place: str | Path, *, create: bool, on_commit: OnCommit) -> Database:
        """Open `place`, and bring its schema up to date. Raises: ArchiveError."""
        url, path = _locate(place)
        if path is None:
            engine, where = _postgres(url), _shown(url)
            database = cls(engine, where, None, on_commit)
        else:
            _check_path(path, create)
            lock_file = path.with_name(path.name + ".lock")
            database = cls(_sqlite(path), str(path), lock_file, on_commit)
        try:
            database._bring_up_to_date(create)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        self.engine.dispose()

    def insert(self, table: Table) -> Any:
        """Give an INSERT that knows ON CONFLICT, in the words of this database."""
        insert = sqlite.insert(table) if self.lock_file else self._insert_of_postgresql(table)
        # Without these SQLAlchemy asks for new ids, and does not say how many rows went in.
        return insert.inline().execution_options(preserve_rowcount=True)

    def insert_new(self, table: Table) -> Any:
        """Give an INSERT that leaves rows alone which exist; built once per table."""
        if table.name not in self._inserts:
            self._inserts[table.name] = self.insert(table).on_conflict_do_nothing()
        return self._inserts[table.name]

    def _insert_of_postgresql(self, table: Table) -> Any:
        from sqlalchemy.dialects import postgresql  # a tenth of the start of a command

        return postgresql.insert(table)

    def connect(self, engine: Engine | None = None) -> Connection:
        """Give a connection for writing. Raises: ArchiveError."""
        return self._connected(engine or self.engine).execution_options(immediate=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to read from; it keeps no writer waiting. Raises: ArchiveError.

        Each statement sees the archive as it is then: what belongs together is asked together.
        """
        with self._connected(self._questions) as connection, self.explained():
            yield connection

    def read(self, question: Executable, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Give all rows, from a server that may be restarted meanwhile. Raises: ArchiveError.

        values: of the question's parameters.
        """

        def work() -> list[Any]:
            with self.reading() as connection:
                return list(connection.execute(question, values).all())

        return self.patiently(work)

    def read_as(
        self,
        of: Callable[[Any], T],
        question: Select[Any],
        values: Mapping[str, Any] | None = None,
    ) -> list[T]:
        """Give what `of` makes of each row. Raises: ArchiveError, if it cannot, too."""
        found = self.read(question, values)
        with self.legible(question):
            return [of(row) for row in found]

    @contextmanager
    def legible(self, question: Select[Any]) -> Iterator[None]:
        """Around making records of a question's rows: one that no record can be made of is damaged."""
        try:
            yield
        except (ValueError, TypeError, KeyError) as error:  # no JSON, no status, no list
            tables = ", ".join(table.description for table in question.columns_clause_froms)
            raise ArchiveError(
                f"{self.where}: a row of {tables} cannot be read ({type(error).__name__}: {error}); {MEND}"
            ) from error

    def patiently(
        self, deed: Callable[[], T], *, through: tuple[type[ArchiveError], ...] = (ConnectionLost,)
    ) -> T:
        """Do what can be done twice, again if the server went away. Raises: ConnectionLost.

        through: what else may pass within `RECONNECT_S`.
        """
        deadline = time.monotonic() + RECONNECT_S
        while True:
            try:
                return deed()
            except through:
                if time.monotonic() > deadline:
                    raise
            time.sleep(RECONNECT_EVERY_S)

    def _connected(self, engine: Engine) -> Connection:
        try:
            return engine.connect()
        except UnicodeDecodeError as error:
            raise ArchiveError(f"{self.where}: {DAMAGED}") from error
        except DBAPIError as error:
            # A server that cannot be reached may be on its way back.
            raise self._explain(error, self.lock_file is None) from error

    def writer(self, run: int) -> str | None:
        """Say who is writing a run at this moment; None if it rests. Raises: ArchiveError."""
        if self.lock_file is not None:
            return locks.file_holder(self.lock_file, run)

        def work() -> str | None:
            with self.reading() as connection:
                return locks.session_holder(connection, run)

        return self.patiently(work)

    def writers(self, among: Iterable[int]) -> set[int]:
        """Give those of some runs that are being written at this moment. Raises: ArchiveError."""
        if self.lock_file is not None:
            return {run for run in among if locks.file_holder(self.lock_file, run) is not None}

        def work() -> set[int]:
            with self.reading() as connection:
                return set(locks.session_writers(connection).intersection(among))

        return self.patiently(work)

    def commit(self, connection: Connection, name: str, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction, all of it or nothing, on the caller's thread.

        name: of the transaction, for `on_commit`.
        Raises: ConnectionLost if the server went away; ArchiveError if the database cannot.
        """
        with self.explained(), connection.begin():
            result = work(connection)
            self.on_commit("before", name)
        self.on_commit("after", name)
        return result

    def write(self, name: str, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """Do one transaction that belongs to no run's writer and can be done twice.

        single: its first statement is all that it writes, so that a server needs no BEGIN around it.
        """
        engine = self._single if single else self.engine

        def deed() -> T:
            with self.connect(engine) as connection:
                return self.commit(connection, name, work)

        return self.patiently(deed)

    def maintain(self, statement: Executable) -> None:
        """Do what changes no row of an archive, outside of any transaction. Raises: ArchiveError."""

        def deed() -> None:
            with self._connected(self._single) as connection, self.explained():
                connection.execute(statement)

        self.patiently(deed)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the world does to a database into an ArchiveError; mistakes of ours pass."""
        try:
            yield
        except (IntegrityError, ProgrammingError, DataError, NotSupportedError):
            raise
        except DBAPIError as error:
            raise self._explain(error, error.connection_invalidated) from error
        except UnicodeDecodeError as error:  # SQLite's message quotes what is damaged
            raise ArchiveError(f"{self.where}: {DAMAGED}") from error

    def _explain(self, error: DBAPIError, lost: bool) -> ArchiveError:
        said = str(error.orig).strip()
        advice = next((what for words, what in ADVICE if words in said), None)
        if lost and advice is None:
            return ConnectionLost(
                f"{self.where}: no connection ({said}); is the address right? Else "
                f"start the server, then `evolve resume`; {KEPT}"
            )
        return ArchiveError(f"{self.where}: {said}; {advice or KEPT}")

    def _bring_up_to_date(self, create: bool) -> None:
        version = self._version()
        if version == VERSION:
            return
        if version is None and not create:
            raise Misnamed(f"{self.where}: is empty, no archive; `evolve run` makes one")
        if version is not None and version not in _revisions():
            raise ArchiveError(
                f"{self.where}: written by a newer evolve (schema {version}, known is {VERSION}); "
                "update evolve, or use another --archive"
            )
        if self.lock_file is None:
            self._migrate()
            return
        try:
            # Two processes may both want to create it: turning on WAL must happen alone.
            with self.explained(), locks.alone(self.lock_file):
                self._turn_on_wal()
                self._migrate()
        except OSError as error:
            raise ArchiveError(
                f"{self.lock_file}: {error.strerror}; make the folder writable, "
                "or use another --archive"
            ) from error

    def _version(self) -> str | None:
        """Give the schema's version, None for an empty database, in one query if there is one."""
        with self.reading() as connection:
            try:
                question = text("SELECT version_num FROM alembic_version")
                return str(connection.execute(question).scalar_one())
            except (OperationalError, ProgrammingError) as error:
                if "alembic_version" not in str(error.orig):
                    raise
        with self.reading() as connection:
            tables = inspect(connection).get_table_names()
        if "alembic_version" in tables:  # another process has just made it
            return self._version()
        if tables:
            raise ArchiveError(
                f"{self.where}: has tables of something else ({tables[0]}, ...), it is no archive; "
                "choose another with --archive"
            )
        return None

    def _turn_on_wal(self) -> None:
        """Let readers and the writer work at once; the file remembers it."""
        with self.engine.connect() as connection:
            connection.connection.cursor().execute("PRAGMA journal_mode = WAL")

    def _migrate(self) -> None:
        """Bring the schema to `VERSION` in one transaction; a second migrator finds it done."""
        from alembic import command  # a current archive never needs it, and it loads slowly
        from alembic.config import Config

        def upgrade(connection: Connection) -> None:
            if self.lock_file is None:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, VERSION)

        sqlite = self.lock_file is not None
        with self.connect() as connection, _references_unchecked(connection, sqlite):
            self.commit(connection, "migrate", upgrade)


@contextmanager
def _references_unchecked(connection: Connection, sqlite: bool) -> Iterator[None]:
    """Let SQLite rebuild a table that others refer to: it empties the old one first."""
    cursor = connection.connection.cursor()
    if sqlite:
        cursor.execute("PRAGMA foreign_keys = OFF")  # has no effect within a transaction
    try:
        yield
    finally:
        if sqlite:
            cursor.execute("PRAGMA foreign_keys = ON")


def _locate(place: str | Path) -> tuple[URL, Path | None]:
    """Give the URL and, for SQLite, the path of what a person wrote: a path or a URL."""
    if isinstance(place, Path) or "://" not in place:
        path = Path(place).expanduser()
        return URL.create("sqlite", database=str(path)), path
    try:
        url = make_url(place)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is no number
        shown = hidden_password(place)
        raise Misnamed(f"{shown}: not a database URL; write a path or {_FORMS}") from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return url, Path(url.database).expanduser()
    if backend == "postgresql":
        if "@" in (url.host or ""):
            raise Misnamed(f"{hidden_password(place)}: write an @ in a user or password as %40")
        return url.set(drivername="postgresql+psycopg"), None
    raise Misnamed(f"{_shown(url)}: not an archive's URL; write a path or {_FORMS}")


def _shown(url: URL) -> str:
    """Write a URL for messages. SQLAlchemy hides no password among the parameters."""
    return hidden_password(url.render_as_string(hide_password=True))


_FORMS = "sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"


def _check_path(path: Path, create: bool) -> None:
    if path.is_dir():
        raise Misnamed(f"{path}: is a folder; name a file in it")
    if not path.exists() and not create:
        raise Misnamed(f"{path}: no archive here; `evolve run` makes one, --archive names another")
    if not path.parent.is_dir():
        raise Misnamed(f"{path}: its folder does not exist; make it first")


def _sqlite(path: Path) -> Engine:
    url = URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query=_mode(path))
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The driver must not begin transactions by its own rules: `begin` below does.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        # With WAL, NORMAL loses nothing when a process dies; a power cut may cost the last
        # commits, and leaves a state that existed.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("question", False):
            return
        # A transaction that turns into a writer half-way can fail in ways that waiting cannot
        # mend, so writers are writers from the start.
        immediate = options.get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _mode(path: Path) -> dict[str, str]:
    """Choose how SQLite opens the file; an archive on a read-only disk can still be read."""
    if not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return {"uri": "true"}
    if path.with_name(path.name + "-wal").exists():
        return {"uri": "true", "mode": "ro"}
    return {"uri": "true", "mode": "ro", "immutable": "1"}


def _postgres(url: URL) -> Engine:
    options = {
        "application_name": f"evolve {os.getpid()} on {socket.gethostname()}",
        "connect_timeout": CONNECT_S,
        # A server whose machine is gone would be waited for for hours.
        "keepalives_idle": KEEPALIVE_S,
        "keepalives_interval": KEEPALIVE_S // 2,
        "keepalives_count": 4,
        "tcp_user_timeout": 3000 * KEEPALIVE_S,
    }
    try:
        engine = create_engine(url, connect_args=options)
    except ModuleNotFoundError as error:
        raise ArchiveError(
            f"{_shown(url)}: PostgreSQL needs the module psycopg; "
            "pip install 'evolve-search[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The server's side; on a socket of this machine it means nothing.
        with connection.cursor() as cursor:
            cursor.execute(f"SET tcp_keepalives_idle = {KEEPALIVE_S}")
            cursor.execute(f"SET tcp_keepalives_interval = {KEEPALIVE_S // 2}")
            cursor.execute("SET tcp_keepalives_count = 4")
        connection.commit()

    @event.listens_for(engine, "checkin")
    def rest(connection: Any, record: Any) -> None:
        record.info["since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def wake(connection: Any, record: Any, proxy: Any) -> None:
        if time.monotonic() - record.info.get("since", math.inf) < PING_AFTER_S:
            return
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # and a fresh one is taken

    return engine


def _revisions() -> set[str]:
    """Give all schema versions that this evolve knows how to bring up to date."""
    from alembic.script import ScriptDirectory

    folder = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    return {script.revision for script in folder.walk_revisions()}
