"""Rooms of a class: who has handed in what, kept in a database until the room ends."""

from headlab.rooms.store import FIRST, FREE, HOURS, SECOND, Handed, Room, Store

__all__ = ["FIRST", "FREE", "HOURS", "SECOND", "Handed", "Room", "Store"]
