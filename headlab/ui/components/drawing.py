"""The script that every component which draws attention begins with: one drawing for all."""

from pathlib import Path

DRAWING = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
