"""Rooms of a class: who has handed in what, kept in a database until the room ends."""

from headlab.rooms.store import HOURS, Handed, Room, Store

__all__ = ["HOURS", "Handed", "Room", "Store"]
