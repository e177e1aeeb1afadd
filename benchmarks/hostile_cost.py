"""What one hostile input may cost: the longest time and the most memory of any single one.

    PYTHONPATH=. python benchmarks/hostile_cost.py

Sends the generated inputs of `tests/hostile_input.py` through what pages and command line call with
them, one after another in one process (Linux only). Memory is the peak of the whole process above
where it stood before the input.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.memory import forget_peak, memory
from headlab import HeadlabError, LoadedModel, Profile, load_model, profile_model, read_text
from headlab.exercises import (
    Entry,
    MeasurementContext,
    Record,
    parse_record,
    prepare,
    read_sheet,
    sheets,
)
from headlab.measuring.pictures import draw_pictures
from headlab.ui.services import state
from tests import hostile_input as hostile

SHEET = Path(__file__).resolve().parents[1] / "prompts" / "sheets" / "cat-twice.toml"


def cost(what: str, work: Callable[[Any], object], inputs: Iterable[Any]) -> None:
    """Print how many inputs were taken and refused, and the dearest one."""
    taken = refused = 0
    seconds = growth = 0.0
    for each in inputs:
        before = memory("VmRSS")
        forget_peak()
        begin = time.perf_counter()
        try:
            work(each)
            taken += 1
        except HeadlabError:
            refused += 1
        seconds = max(seconds, time.perf_counter() - begin)
        growth = max(growth, memory("VmHWM") - before)
    print(
        f"{what:<10} {taken:>4} taken {refused:>4} refused   at most {seconds:6.2f} s "
        f"and {growth / 1e6:6.1f} MB"
    )


def show_text(model: LoadedModel) -> Callable[[str], None]:
    """A text as the Layers page takes it."""

    def show(text: str) -> None:
        read_text(model, text, layers=())
        draw_pictures(model, text)

    return show


def answer_sheet(model: LoadedModel) -> Callable[[bytes], None]:
    """An uploaded sheet with the keys of its first step."""
    lab = MeasurementContext.of(model)

    def answer(source: bytes) -> None:
        prepare(read_sheet(source).steps[0].question, lab)

    return answer


def load_profile(source: bytes) -> None:
    try:
        data = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise HeadlabError("This is no JSON: choose another file.") from error
    Profile.from_dict(data)


def main() -> None:
    mini = load_model("mini")
    read_text(mini, "The cat sat on the mat.")  # what is made once
    profile = profile_model(mini)
    lab, sheet = MeasurementContext.of(mini), sheets()["cat-twice"]
    entry = Entry.start(sheet, 1, prepare(sheet.steps[0].question, lab), lab)
    record = json.loads(Record.new().with_entry(entry).to_json())
    names = [part.name for part in state._PARTS]
    cost("texts", show_text(mini), hostile.texts(300))
    cost("addresses", state.parse, hostile.addresses(200, names))
    cost("models", load_model, hostile.model_names(100))
    cost("sheets", answer_sheet(mini), hostile.damaged_text(SHEET.read_text(encoding="utf-8"), 150))
    cost("records", parse_record, hostile.damaged_json(record, 150))
    cost("profiles", load_profile, hostile.damaged_json(profile.to_dict(), 100))


if __name__ == "__main__":
    main()
