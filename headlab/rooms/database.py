"""The database that rooms are kept in: its tables, how it is opened, how bytes are forgotten.

SQLite in a file, or PostgreSQL at an address. Its tables are made, and brought up to date, by the
steps in ``migrations``.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from headlab.errors import HeadlabError

CODE = 10  # letters of a room's code
POSTGRESQL = ("postgresql", "postgres")
_MIGRATIONS = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME = 0x6865_6164  # of several servers that bring one database up to date

DATA = MetaData()
ROOMS = Table(
    "rooms",
    DATA,
    Column("code", String(CODE), primary_key=True),
    Column("secret", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("sheets", Text, nullable=False),
    Column("closes", Float, nullable=False),
    Column("phase", String(10), nullable=False),
    Column("shown_at", Float),
    Column("steps", Integer),
)
RECORDS = Table(
    "records",
    DATA,
    Column("room", String(CODE), ForeignKey("rooms.code", ondelete="CASCADE"), primary_key=True),
    Column("learner", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("record", Text, nullable=False),
    Column("at", Float, nullable=False),
)


def open_database(place: str | Path, wait: float = 10) -> Engine:
    """The database in this file or at this address, its tables up to date.

    ``wait`` is for a lock or a connection, in seconds. Raises HeadlabError with what to do.
    """
    with told():
        if "://" in str(place):
            engine = _postgresql(str(place), wait)
        else:
            engine = _sqlite(Path(place), wait)
        try:
            _bring_up_to_date(engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


def writing(engine: Engine) -> Engine:
    """The engine whose transactions hold SQLite's one lock for writers from their beginning."""
    return engine.execution_options(writes=True)


def forget_bytes(engine: Engine) -> None:
    """Let nothing of what was deleted stay in the database's files."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as raw:
            raw.cursor().execute("VACUUM")  # outside of any transaction
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
            db.execute(text(f"VACUUM FULL {RECORDS.name}, {ROOMS.name}"))


@contextmanager
def told() -> Iterator[None]:
    """Whatever the database refuses becomes a sentence."""
    try:
        yield
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or type(error).__name__)
        raise HeadlabError(
            f"The store of rooms does not answer ({said.strip().splitlines()[0]}). What was locked "
            "stays in its browser and is handed in with the next answer."
        ) from error


def _sqlite(path: Path, wait: float) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HeadlabError(
            f"{path.parent} cannot be made ({error.strerror}): name another file in HEADLAB_STORE."
        ) from error
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": wait})
    _listen(engine)
    return engine


def _postgresql(address: str, wait: float) -> Engine:
    try:
        url = make_url(address)
        if url.drivername not in POSTGRESQL:
            raise ArgumentError
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": max(1, round(wait))},
            pool_pre_ping=True,  # a server that was gone is found again
            max_overflow=30,
        )
    except ArgumentError as error:
        raise HeadlabError(
            "HEADLAB_STORE is no address of a PostgreSQL database: write it as "
            "postgresql://user:password@host/database."
        ) from error
    except ImportError as error:
        raise HeadlabError(
            "A store in PostgreSQL needs one more package: pip install 'headlab[postgres]'."
        ) from error


def _listen(engine: Engine) -> None:
    """SQLite so that readers and a writer do not wait for each other, and what is deleted is gone.

    Transactions are begun by us: Python's driver would begin them late, when others have written.
    """

    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for line in ("journal_mode=WAL", "secure_delete=ON", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {line}").close()

    def begin(db: Connection) -> None:
        writes = db.get_execution_options().get("writes", False)
        db.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)


def _bring_up_to_date(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with writing(engine).begin() as db:
        if engine.dialect.name != "sqlite":
            db.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
        config.attributes["connection"] = db
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise HeadlabError(
                "The store of rooms was made by another version of headlab: name another one in "
                "HEADLAB_STORE, or use the version that made it."
            ) from error
