"""What a report says: everything measured and written, as JSON types.

The HTML is drawn from these data and from nothing else, so it cannot show another number.
"""

import base64
import platform
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

from headlab.__version__ import __version__
from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.evidence.ladder import Removals
from headlab.evidence.published import marks
from headlab.heads import Head, HeadName
from headlab.measuring.pictures import pooled
from headlab.measuring.reading import ACTIVE, TOO_LITTLE, Reading, strongest_pairs
from headlab.profiles.profile import Profile
from headlab.report.again import command, is_enough
from headlab.report.causes import check_removals, every_head, ladder, removed_heads
from headlab.report.compared import compared
from headlab.report.inputs import ReportInput, report_date
from headlab.report.mechanisms import mechanisms
from headlab.report.numbers import mean_known, number, numbers
from headlab.report.on_corpus import on_corpus

SCHEMA = "headlab.report/1"
MAX_LINE = 200  # characters of a title, a name, a course
MAX_NOTES = 100_000
MAX_PATTERNS = 1_500_000  # bytes; patterns of longer texts are pooled until they fit
MAX_CARDS = 32
PAIRS = 5
PACKAGES = ("numpy", "torch", "transformers", "jinja2", "markdown-it-py")


def report_data(given: ReportInput) -> dict[str, Any]:
    """The data of a report; see :func:`headlab.report.make_report`."""
    reading, profile, sections = given.reading, given.profile, given.chosen_sections()
    if reading is not None:
        _check_match(reading, profile)
    check_removals(profile, given.removals)
    side_by_side = compared(profile, given.comparison, given.second)
    profile = Profile.from_dict(replace(profile, prompt_scores={}).to_dict())
    wanted = {get_behaviour(name).name for name in given.behaviours or profile.behaviours}
    names = [name for name in profile.behaviours if name in wanted]
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "title": _line("title", given.title) or _usual_title(reading, profile, side_by_side),
        "name": _line("name", given.name),
        "course": _line("course", given.course),
        "date": report_date(given.date),
        "sections": sections,
        "behaviours": names,
        "model": {
            "name": profile.model_name if reading is None else reading.model_name,
            "asked_for": given.model or (reading or profile).model_name,
            "is_sandbox": profile.model_name == "mini",
            "content_hash": profile.content_hash,
            "n_layers": profile.n_layers,
            "n_heads": profile.n_heads,
            "n_all": profile.n_layers * profile.n_heads,
        },
        "start_token": profile.start_token,
        "start_text": profile.start_text if reading is None else reading.start_text,
        "special_tokens": reading is not None and reading.special_tokens,
        "entities": [list(pair) for pair in given.entities],
        "versions": _versions(),
        "statistics": _statistics(profile),
        "heads": _heads(profile),
        "profile": profile.to_dict(),
        "notes": _checked("notes", given.notes, MAX_NOTES) if "notes" in sections else "",
        "record": given.record.to_dict() if given.record and "record" in sections else None,
        "comparison": side_by_side if "comparison" in sections else None,
        **_NO_TEXT,
    }
    if reading is not None:
        chosen = _cards_for(profile, names, given.heads)
        data |= {
            **_text(reading),
            "summary": _summary(reading, profile, names),
            "layers": [_layer(reading, profile, names, i) for i in range(profile.n_layers)],
            "cards": [_card(reading, profile, names, head, given.removals) for head in chosen],
            "reading": _reading(reading),
            "patterns": _patterns(reading),
        }
        if "corpus" in sections and given.corpus is not None:
            data["corpus"] = on_corpus(given.corpus, profile, chosen)
    if "interventions" in sections and reading is not None:
        data["interventions"] = removed_heads(reading, given.interventions)
        data["sweep"] = every_head(reading, given.sweep)
    if "mechanisms" in sections and reading is not None:
        data["mechanisms"] = mechanisms(reading, given.explanations, given.told, given.kept)
    return data | {"command": command(data), "again": is_enough(data) and not given.removals}


_NO_TEXT: dict[str, Any] = {
    "text": "",
    "n_tokens": 0,
    "tokens": [],
    "token_texts": [],
    "written": None,
    "spans": None,
    "summary": None,
    "layers": [],
    "cards": [],
    "reading": None,
    "patterns": None,
    "interventions": [],
    "sweep": None,
    "mechanisms": None,
    "corpus": None,
}


def unpack_patterns(packed: dict[str, Any]) -> np.ndarray:
    """The patterns of a report's data, float16 [layer, head, query, key]."""
    n_layers, n_heads, side = packed["n_layers"], packed["n_heads"], packed["side"]
    cells = np.frombuffer(base64.b64decode(packed["base64"]), dtype="<f2")
    cells = cells.reshape(n_layers, n_heads, side * (side + 1) // 2)
    square = np.zeros((n_layers, n_heads, side, side), dtype=np.float16)
    rows, columns = np.tril_indices(side)
    square[..., rows, columns] = cells
    return square


def _check_match(reading: Reading, profile: Profile) -> None:
    ours = (reading.n_layers, reading.n_heads, reading.start_token)
    if ours != (profile.n_layers, profile.n_heads, profile.start_token):
        raise HeadlabError(
            f"The text was read on {reading.model_name} and the profile belongs to another model "
            f"({profile.model_name}) or start token: use the same for both."
        )
    if reading.layers != tuple(range(reading.n_layers)):
        raise HeadlabError("A report needs the patterns of every layer: read the text with all.")


def _cards_for(
    profile: Profile, names: Sequence[str], heads: Iterable[HeadName] | None
) -> list[Head]:
    """The heads asked for, or the first of each behaviour that any head shows."""
    if heads is None:
        best = [profile.top_heads[name][:1] for name in names]
        heads = [Head.parse(top[0]["head"]) for top in best if top]
    chosen = list(dict.fromkeys(Head.of(head) for head in heads))
    for head in chosen:
        if head.layer >= profile.n_layers or head.head >= profile.n_heads:
            raise HeadlabError(
                f"{profile.model_name} has no head {head}: its layers run from 0 to "
                f"{profile.n_layers - 1}, its heads from 0 to {profile.n_heads - 1}."
            )
    if len(chosen) > MAX_CARDS:
        raise HeadlabError(
            f"{len(chosen)} heads do not fit one report: choose at most {MAX_CARDS}."
        )
    return chosen


def _line(what: str, words: str) -> str:
    return " ".join(_checked(what, words, MAX_LINE).split())


def _checked(what: str, words: str, longest: int) -> str:
    """What a learner wrote, if it can be kept faithfully."""
    words = words.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(words) > longest:
        raise HeadlabError(
            f"The {what} have {len(words):,} characters, a report takes {longest:,}: shorten them."
            if what == "notes"
            else f"The {what} has more than {longest:,} characters: shorten it."
        )
    for place, character in enumerate(words, 1):
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\n\t"):
            raise HeadlabError(
                f"Character {place:,} of the {what} cannot be written "
                f"(U+{ord(character):04X}): delete it."
            )
    return words


def _usual_title(
    reading: Reading | None, profile: Profile, side_by_side: dict[str, Any] | None
) -> str:
    if reading is None and side_by_side is not None:
        return " and ".join(side_by_side["names"])
    name = profile.model_name if reading is None else reading.model_name
    return f"What attention heads do in {name}"


def _text(reading: Reading) -> dict[str, Any]:
    return {
        "text": reading.text,
        "n_tokens": len(reading.tokens),
        "tokens": list(reading.tokens),
        "token_texts": list(reading.token_texts),
        "written": _written(reading),
        "spans": _spans(reading),
    }


def _written(reading: Reading) -> dict[str, Any] | None:
    """What the model wrote itself, and how to have it written again."""
    made = reading.continuation
    if made is None or not made.n_written:
        return None
    return {"after": made.text, "tokens": made.n_written, "seed": made.seed}


def _spans(reading: Reading) -> dict[str, list[int]] | None:
    spans = reading.spans
    if spans is None:
        return None
    return {"attribute": list(spans.attribute), "others": list(spans.others)}


def _versions() -> dict[str, str]:
    ours = {"headlab": __version__, "python": platform.python_version()}
    return ours | {package: version(package) for package in PACKAGES}


def _reading(reading: Reading) -> dict[str, Any]:
    layers, heads = range(reading.n_layers), range(reading.n_heads)
    return {
        "scores": {name: numbers(scores) for name, scores in reading.scores.items()},
        "chance": {name: numbers(chance) for name, chance in reading.chance.items()},
        "rows": dict(reading.rows),
        "status": {name: status.tolist() for name, status in reading.status.items()},
        "shapes": [[str(reading.hint(layer, head)) for head in heads] for layer in layers],
    }


def _patterns(reading: Reading) -> dict[str, Any]:
    """Every head's pattern as float16; where that is too much, pooled until it fits."""
    n, n_heads = len(reading.tokens), reading.n_layers * reading.n_heads
    pool = 1
    while n_heads * (side := -(-n // pool)) * (side + 1) > MAX_PATTERNS:
        pool += 1
    rows, columns = np.tril_indices(side)
    cells = pooled(reading.patterns, pool)[..., rows, columns].astype("<f2")
    return {
        "format": "base64 of float16, little-endian: [layer, head, cell], lower triangles by rows",
        "n_layers": reading.n_layers,
        "n_heads": reading.n_heads,
        "side": side,
        "pool": pool,
        "base64": base64.b64encode(cells.tobytes()).decode(),
    }


def _summary(reading: Reading, profile: Profile, names: Sequence[str]) -> dict[str, Any]:
    """What the first section says in plain words."""
    known = {name: [top["head"] for top in profile.top_heads[name]] for name in names}
    on_text = []
    for name in names:
        if name not in reading.scores:
            continue
        active = reading.status[name] == ACTIVE
        score = np.where(active, reading.scores[name], -1.0)
        best = Head(*map(int, np.unravel_index(score.argmax(), score.shape)))
        on_text.append(
            {
                "behaviour": name,
                "rows": reading.rows[name],
                "status": TOO_LITTLE if (reading.status[name] == TOO_LITTLE).any() else "",
                "active": int(active.sum()),
                "best": str(best) if active.any() else None,
                "score": number(reading.scores[name][best]) if active.any() else None,
            }
        )
    return {"known": known, "on_text": on_text}


def _sinks(profile: Profile) -> np.ndarray:
    """Which heads [layer, head] rest on the first token, whatever their label."""
    if "first_token" not in profile.score:
        return np.zeros(profile.label.shape, dtype=bool)
    return profile.value("first_token") >= get_behaviour("first_token").threshold


def _statistics(profile: Profile) -> dict[str, Any]:
    counts = profile.label_counts()
    sinks = _sinks(profile)
    return {
        "labels": [
            {
                "label": name,
                "n_heads": count,
                "share": number(count / profile.label.size),
                "mean_confidence": mean_known(profile.label_confidence[profile.label == name]),
            }
            for name, count in counts.items()
        ],
        "mean_confidence": mean_known(profile.label_confidence),
        "specific": sum(
            counts[name] for name in profile.behaviours if not get_behaviour(name).resting
        ),
        "sinks": [int(count) for count in sinks.sum(axis=1)],
        "control_heads": profile.controls * profile.label.size,
        "false_positives": sum(profile.false_positives.values()),
    }


def _layer(reading: Reading, profile: Profile, names: Sequence[str], layer: int) -> dict[str, Any]:
    """One layer: its labels, its sinks, its strongest specific head, what is active on the text."""
    labels = profile.label[layer]
    present = {name: int((labels == name).sum()) for name in profile.label_counts()}
    specific = [name for name in names if not get_behaviour(name).resting]
    values = {name: np.nan_to_num(profile.value(name)[layer], nan=-1.0) for name in specific}
    strongest = max(specific, key=lambda name: values[name].max(), default=None)
    best = None if strongest is None else Head(layer, int(values[strongest].argmax()))
    active = [
        any(not get_behaviour(name).resting for name in reading.active(layer, head))
        for head in range(profile.n_heads)
    ]
    return {
        "layer": layer,
        "labels": {name: count for name, count in present.items() if count},
        "mean_confidence": mean_known(profile.label_confidence[layer]),
        "sinks": int(_sinks(profile)[layer].sum()),
        "strongest": None
        if best is None
        else {
            "head": str(best),
            "behaviour": strongest,
            "score": number(profile.score[str(strongest)][best]),
        },
        "active": sum(active),
    }


def _heads(profile: Profile) -> list[dict[str, Any]]:
    """Every head in a line; its numbers stand in the profile."""
    return [
        {
            "head": str(Head(layer, head)),
            "label": profile.label_text(layer, head),
            "roles": profile.roles(layer, head),
        }
        for layer in range(profile.n_layers)
        for head in range(profile.n_heads)
    ]


def _card(
    reading: Reading,
    profile: Profile,
    names: Sequence[str],
    head: Head,
    removals: Sequence[Removals],
) -> dict[str, Any]:
    """The passport of one head; scores stand in profile and reading."""
    pattern = reading.pattern(*head).astype(np.float16).astype(np.float64)
    pairs = strongest_pairs(pattern, reading.token_texts, PAIRS)
    roles = profile.roles(*head)
    active = [name for name in reading.active(*head) if name in profile.score]
    shown = [name for name in names if name in roles or name in active]
    return {
        "head": str(head),
        "layer": head.layer,
        "index": head.head,
        "label": profile.label_text(*head),
        "sentence": profile.sentence(*head),
        "looks": "" if profile.looks is None else profile.where_it_looks(*head),
        "confidence": profile.confidence_text(*head),
        "roles": roles,
        "rows": shown or _nearest(profile, names, head),
        "shape": str(reading.hint(head.layer, head.head)),
        "pairs": [
            {
                "query": int(row["query"]),
                "query_token": row["query token"],
                "key": int(row["key"]),
                "key_token": row["key token"],
                "attention": number(row["attention"]),
            }
            for row in pairs.to_dict("records")
        ],
        "ladder": ladder(reading, profile, head, removals),
        "published": [
            {"text": mark.text, "source": mark.source} for mark in marks(reading.model_name, head)
        ],
    }


def _nearest(profile: Profile, names: Sequence[str], head: Head) -> list[str]:
    """The behaviour that a head without a role comes nearest to."""
    above = {name: profile.value(name)[head] - get_behaviour(name).threshold for name in names}
    known = [name for name in names if not np.isnan(above[name])]
    return [max(known, key=lambda name: above[name])] if known else []
