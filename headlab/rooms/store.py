"""The store of rooms, and nothing else that headlab keeps of people: see docs/SECURITY.md.

A room has a code, which learners have, and a secret, which its teacher has; of the secret only a
hash is stored. A learner is a random token of their own browser. What they hand in is their record,
whole each time, so that the last one to arrive holds everything. A room that has ended is deleted,
with the bytes it took.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from headlab.errors import HeadlabError
from headlab.exercises.record import MAX_BYTES
from headlab.rooms.database import (
    CODE,
    RECORDS,
    ROOMS,
    forget_bytes,
    open_database,
    told,
    writing,
)

HOURS = 4  # a room is open
MOST_HOURS = 24 * 14
MOST_ROOMS = 100
MOST_LEARNERS = 300  # of a room
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that look alike: a code has 49 bits

FREE, FIRST, SECOND = PHASES = ("free", "first", "second")  # what learners may see and do


@dataclass(frozen=True)
class Room:
    """An open room.

    ``closes`` is when it ends, and ``shown_at`` when its answers are shown without the teacher, in
    seconds since 1970. ``sheets`` are those of the lesson (none: all), and only steps up to
    ``steps`` are open (None: all).
    """

    code: str
    title: str
    closes: float
    chosen_phase: str = FREE
    shown_at: float | None = None
    steps: int | None = None
    sheets: tuple[str, ...] = ()

    @property
    def phase(self) -> str:
        """Answers are shown at once (FREE), wait (FIRST), or wait for a second vote (SECOND)."""
        is_over = self.shown_at is not None and self.shown_at <= time.time()
        return FREE if is_over else self.chosen_phase

    @property
    def held(self) -> bool:
        """Whether answers wait until the teacher shows them."""
        return self.phase != FREE

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
    """The database behind all rooms of a server; several servers may share one."""

    def __init__(self, place: str | Path) -> None:
        """Open the store, made where there is none; HeadlabError where that cannot be."""
        self._engine = open_database(place)
        self._closed = threading.Event()

    def close(self) -> None:
        """Close every connection; what is asked afterwards opens a new one."""
        self._closed.set()
        self._engine.dispose()

    def forget_from_now_on(self, every: float = 60) -> None:
        """Delete rooms as they end, looking every so many seconds, until the store is closed."""

        def look() -> None:
            while not self._closed.wait(every):
                with suppress(HeadlabError):  # it does not answer: the next time
                    self.forget_ended()

        self.forget_ended()
        threading.Thread(target=look, name="rooms that end", daemon=True).start()

    def open(
        self, title: str = "", hours: float = HOURS, sheets: Sequence[str] = ()
    ) -> tuple[Room, str]:
        """A new room, and the secret that makes its teacher."""
        if not 0 < hours <= MOST_HOURS:
            raise HeadlabError(f"A room is open for up to {MOST_HOURS} hours: choose fewer.")
        self.forget_ended()
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE))
        secret, closes = secrets.token_urlsafe(24), time.time() + 3600 * hours
        with self._write() as db:
            if (db.scalar(select(func.count()).select_from(ROOMS)) or 0) >= MOST_ROOMS:
                raise HeadlabError(f"{MOST_ROOMS} rooms are open on this server: end one first.")
            row = {"code": code, "secret": _hashed(secret), "title": title[:200], "closes": closes}
            db.execute(insert(ROOMS).values(**row, phase=FREE, sheets="\n".join(sheets)))
        return Room(code, title[:200], closes, sheets=tuple(sheets)), secret

    def room(self, code: str) -> Room | None:
        """The room of this code while it is open, however the code is written."""
        with self._read() as db:
            return _room(db, tidy(code))

    def teaches(self, code: str, secret: str) -> Room | None:
        """The room, for who knows its secret."""
        with self._read() as db:
            found = db.scalar(select(ROOMS.c.secret).where(ROOMS.c.code == tidy(code)))
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
        mine = (RECORDS.c.room == code) & (RECORDS.c.learner == who)
        with self._write() as db:
            if _room(db, code, alone=True) is None:
                raise HeadlabError("This room has ended: download your record if you want to.")
            kept = db.scalar(select(RECORDS.c.number).where(mine))
            if kept is not None:
                db.execute(update(RECORDS).where(mine).values(record=record, at=now))
                return int(kept)
            inside = RECORDS.c.room == code
            last = db.scalar(select(func.max(RECORDS.c.number)).where(inside)) or 0
            if last >= MOST_LEARNERS:
                raise HeadlabError(f"This room is full: it has {MOST_LEARNERS} learners.")
            row = {"room": code, "learner": who, "number": last + 1, "record": record, "at": now}
            db.execute(insert(RECORDS).values(**row))
            return int(last + 1)

    def handed(self, code: str, learner: str) -> Handed | None:
        """What this learner has handed in last."""
        mine = (RECORDS.c.room == tidy(code)) & (RECORDS.c.learner == _hashed(learner))
        with self._read() as db:
            row = db.execute(select(RECORDS).where(mine)).first()
        return None if row is None else Handed(row.number, row.record, row.at)

    def all_handed(self, code: str, secret: str) -> list[Handed]:
        """Everything handed in, by number, for the room's teacher; nothing for anybody else."""
        if self.teaches(code, secret) is None:
            return []
        inside = RECORDS.c.room == tidy(code)
        with self._read() as db:
            rows = db.execute(select(RECORDS).where(inside).order_by(RECORDS.c.number))
            return [Handed(row.number, row.record, row.at) for row in rows]

    def hold(self, code: str, secret: str, phase: str, minutes: float | None = None) -> None:
        """Begin a phase, for the room's teacher; after ``minutes`` answers are shown anyway."""
        if phase not in PHASES:
            raise HeadlabError(f"A room has no phase {phase!r}: choose one of {', '.join(PHASES)}.")
        shown_at = None if minutes is None else time.time() + 60 * minutes
        self._conduct(code, secret, phase=phase, shown_at=shown_at)

    def open_steps(self, code: str, secret: str, steps: int | None) -> None:
        """Open the steps of every sheet up to this one (None: all), for the room's teacher."""
        self._conduct(code, secret, steps=steps)

    def _conduct(self, code: str, secret: str, **changes: Any) -> None:
        if self.teaches(code, secret) is not None:
            with self._write() as db:
                db.execute(update(ROOMS).where(ROOMS.c.code == tidy(code)).values(**changes))

    def end(self, code: str, secret: str) -> None:
        """Delete the room and everything handed in, for its teacher."""
        if self.teaches(code, secret) is not None:
            self._delete(ROOMS.c.code == tidy(code))

    def forget_ended(self) -> None:
        """Delete rooms whose time is over."""
        self._delete(ROOMS.c.closes <= time.time())

    def _delete(self, which: Any) -> None:
        """Delete rooms with their records, and the bytes from the file."""
        with self._write() as db:
            gone = db.execute(delete(ROOMS).where(which)).rowcount
        if gone:
            with told():
                forget_bytes(self._engine)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with told(), self._engine.begin() as db:
            yield db

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction that holds the one lock for writers from its beginning."""
        with told(), writing(self._engine).begin() as db:
            yield db


def tidy(code: str) -> str:
    """A code as it is stored, however somebody has typed it."""
    return "".join(letter for letter in code.upper() if letter in LETTERS)[:CODE]


def _room(db: Connection, code: str, alone: bool = False) -> Room | None:
    """The room while it is open; ``alone``: until the transaction ends nobody else may."""
    asked = select(ROOMS).where(ROOMS.c.code == code)
    row = db.execute(asked.with_for_update() if alone else asked).first()
    if row is None or row.closes <= time.time():
        return None
    sheets = tuple(row.sheets.split("\n")) if row.sheets else ()
    return Room(row.code, row.title, row.closes, row.phase, row.shown_at, row.steps, sheets)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
