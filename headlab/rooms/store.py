"""The store of rooms, and nothing else that headlab keeps of people: see docs/SECURITY.md.

A room has a code, which learners have, and a secret, which its teacher has; of the secret only a
hash is stored. A learner is a random token of their own browser. What they hand in is their record,
whole each time, so that the last one to arrive holds everything. A room that has ended is deleted,
with the bytes it took.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
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
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from headlab.errors import HeadlabError
from headlab.exercises.record import MAX_BYTES

HOURS = 4  # a room is open
MOST_HOURS = 24 * 14
MOST_ROOMS = 100
MOST_LEARNERS = 300  # of a room
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that look alike
CODE = 10  # letters: 49 bits, which nobody guesses

_DATA = MetaData()
_ROOMS = Table(
    "rooms",
    _DATA,
    Column("code", String(CODE), primary_key=True),
    Column("secret", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("closes", Float, nullable=False),
    Column("held", Boolean, nullable=False),
)
_RECORDS = Table(
    "records",
    _DATA,
    Column("room", String(CODE), ForeignKey("rooms.code", ondelete="CASCADE"), primary_key=True),
    Column("learner", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("record", Text, nullable=False),
    Column("at", Float, nullable=False),
)


@dataclass(frozen=True)
class Room:
    """An open room. ``closes`` is when it ends, in seconds since 1970; ``held``: answers wait."""

    code: str
    title: str
    closes: float
    held: bool

    @property
    def minutes_left(self) -> int:
        """How long it is open yet."""
        return max(0, round((self.closes - time.time()) / 60))


@dataclass(frozen=True)
class Handed:
    """What one learner has handed in last: their number in the room, the record, when."""

    number: int
    record: str
    at: float


class Store:
    """The database behind all rooms of a server; several servers may share one file."""

    def __init__(self, place: str | Path) -> None:
        """Open the store, made where there is none; HeadlabError where that cannot be."""
        path = Path(place)
        with _told():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise HeadlabError(
                    f"{path.parent} cannot be made ({error.strerror}): name another file in "
                    "HEADLAB_STORE."
                ) from error
            self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})
            _listen(self._engine)
            _DATA.create_all(self._engine)

    def close(self) -> None:
        """Close every connection; what is asked afterwards opens a new one."""
        self._engine.dispose()

    def open(self, title: str = "", hours: float = HOURS) -> tuple[Room, str]:
        """A new room, and the secret that makes its teacher."""
        if not 0 < hours <= MOST_HOURS:
            raise HeadlabError(f"A room is open for up to {MOST_HOURS} hours: choose fewer.")
        self.forget_ended()
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE))
        secret, closes = secrets.token_urlsafe(24), time.time() + 3600 * hours
        with self._write() as db:
            if (db.scalar(select(func.count()).select_from(_ROOMS)) or 0) >= MOST_ROOMS:
                raise HeadlabError(f"{MOST_ROOMS} rooms are open on this server: end one first.")
            row = {"code": code, "secret": _hashed(secret), "title": title[:200]}
            db.execute(insert(_ROOMS).values(**row, closes=closes, held=False))
        return Room(code, title[:200], closes, False), secret

    def room(self, code: str) -> Room | None:
        """The room of this code while it is open, however the code is written."""
        with self._read() as db:
            return _room(db, tidy(code))

    def teaches(self, code: str, secret: str) -> Room | None:
        """The room, for who knows its secret."""
        with self._read() as db:
            found = db.scalar(select(_ROOMS.c.secret).where(_ROOMS.c.code == tidy(code)))
            if found is None or not hmac.compare_digest(found, _hashed(secret)):
                return None
            return _room(db, tidy(code))

    def hand_in(self, code: str, learner: str, record: str) -> int:
        """Keep a learner's record in place of the one before; their number in the room.

        Raises HeadlabError for a room that is full or has ended, and a record that is too long.
        """
        if len(record.encode()) > MAX_BYTES:
            raise HeadlabError("This record is too long to be handed in: download it instead.")
        code, who, now = tidy(code), _hashed(learner), time.time()
        mine = (_RECORDS.c.room == code) & (_RECORDS.c.learner == who)
        with self._write() as db:
            if _room(db, code) is None:
                raise HeadlabError("This room has ended: download your record if you want to.")
            kept = db.scalar(select(_RECORDS.c.number).where(mine))
            if kept is not None:
                db.execute(update(_RECORDS).where(mine).values(record=record, at=now))
                return int(kept)
            inside = _RECORDS.c.room == code
            last = db.scalar(select(func.max(_RECORDS.c.number)).where(inside)) or 0
            if last >= MOST_LEARNERS:
                raise HeadlabError(f"This room is full: it has {MOST_LEARNERS} learners.")
            row = {"room": code, "learner": who, "number": last + 1, "record": record, "at": now}
            db.execute(insert(_RECORDS).values(**row))
            return int(last + 1)

    def handed(self, code: str, learner: str) -> Handed | None:
        """What this learner has handed in last."""
        mine = (_RECORDS.c.room == tidy(code)) & (_RECORDS.c.learner == _hashed(learner))
        with self._read() as db:
            row = db.execute(select(_RECORDS).where(mine)).first()
        return None if row is None else Handed(row.number, row.record, row.at)

    def all_handed(self, code: str, secret: str) -> list[Handed]:
        """Everything handed in, by number, for the room's teacher; nothing for anybody else."""
        if self.teaches(code, secret) is None:
            return []
        inside = _RECORDS.c.room == tidy(code)
        with self._read() as db:
            rows = db.execute(select(_RECORDS).where(inside).order_by(_RECORDS.c.number))
            return [Handed(row.number, row.record, row.at) for row in rows]

    def hold(self, code: str, secret: str, held: bool) -> None:
        """Let answers wait until the teacher shows them, or show them."""
        if self.teaches(code, secret) is not None:
            with self._write() as db:
                chosen = _ROOMS.c.code == tidy(code)
                db.execute(update(_ROOMS).where(chosen).values(held=held))

    def end(self, code: str, secret: str) -> None:
        """Delete the room and everything handed in, for its teacher."""
        if self.teaches(code, secret) is not None:
            self._delete(_ROOMS.c.code == tidy(code))

    def forget_ended(self) -> None:
        """Delete rooms whose time is over."""
        self._delete(_ROOMS.c.closes <= time.time())

    def _delete(self, which: Any) -> None:
        """Delete rooms with their records, and the bytes from the file."""
        with self._write() as db:
            gone = db.execute(delete(_ROOMS).where(which)).rowcount
        if gone:
            with _told(), closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("VACUUM")  # outside of any transaction
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _told(), self._engine.begin() as db:
            yield db

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction that holds the one lock for writers from its beginning."""
        writing = self._engine.execution_options(writes=True)
        with _told(), writing.begin() as db:
            yield db


def tidy(code: str) -> str:
    """A code as it is stored, however somebody has typed it."""
    return "".join(letter for letter in code.upper() if letter in LETTERS)[:CODE]


def _room(db: Connection, code: str) -> Room | None:
    row = db.execute(select(_ROOMS).where(_ROOMS.c.code == code)).first()
    if row is None or row.closes <= time.time():
        return None
    return Room(row.code, row.title, row.closes, row.held)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


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


@contextmanager
def _told() -> Iterator[None]:
    """Whatever the database refuses becomes a sentence."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise HeadlabError(
            f"The store of rooms does not answer ({reason}). What was locked stays in its browser "
            "and is handed in with the next answer."
        ) from error
