"""The models that headlab offers by name."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelEntry:
    """What a person needs to know before choosing a model."""

    name: str
    title: str
    summary: str
    licence: str
    folder: Path


CATALOGUE: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="mini",
            title="mini, the sandbox",
            summary="A small GPT-2 trained by this project; it ships with headlab.",
            licence="MIT",
            folder=Path(__file__).parent / "mini",
        ),
    )
}
