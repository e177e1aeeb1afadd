"""A model's profile: what is known of every head, with what the numbers are worth."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes, write_file
from headlab.heads import Head
from headlab.measuring.confidence import MIN_PROMPTS, UNCLASSIFIED, label_title
from headlab.measuring.notebook import InNotebook
from headlab.profiles.checks import check_facts, check_figures
from headlab.profiles.looks import Looks, words

SCHEMA = "headlab.profile/1"
TOP_CAP = 8
BY_BEHAVIOUR = ("score", "low", "high", "chance", "excess", "role_confidence")
_AS_THEY_ARE = (
    *("content_hash", "start_token", "start_text", "n_layers", "n_heads", "n_prompts", "n_rows"),
    *("n_variants", "false_positives", "controls", "untested", "provenance"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Profile(InNotebook):
    """All heads of a model on all behaviours.

    ``score``, ``low``, ``high``, ``chance``, ``excess`` and ``role_confidence`` map a behaviour to
    an array [layer, head]; NaN means "cannot be measured", and ``untested`` says why. ``label``,
    ``label_confidence``, ``stability``, ``holds_in`` and ``margin`` are [layer, head].
    ``prompt_scores`` keeps every prompt's own scores, behaviour -> probe -> [prompt, layer, head].
    ``looks`` is where heads look on ordinary sentences; None in a profile that lacks it.
    """

    model_name: str
    content_hash: str
    start_token: int | None
    start_text: str | None
    n_layers: int
    n_heads: int
    score: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    chance: dict[str, np.ndarray]
    excess: dict[str, np.ndarray]
    role_confidence: dict[str, np.ndarray]
    n_prompts: dict[str, int]
    n_rows: dict[str, int]
    label: np.ndarray
    label_confidence: np.ndarray
    stability: np.ndarray
    holds_in: np.ndarray
    n_variants: int
    margin: np.ndarray
    false_positives: dict[str, int]
    controls: int
    probe_scores: dict[str, dict[str, np.ndarray]]
    evidence: dict[str, np.ndarray]
    untested: dict[str, str]
    prompt_scores: dict[str, dict[str, np.ndarray]] = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    looks: Looks | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return (
            f"Profile({self.model_name!r}: {self.n_layers} layers of {self.n_heads} heads, start "
            f"token {self.start_token}; {self.labels_text})"
        )

    def plot(self, behaviour: str) -> Any:
        """Every head's score on a behaviour as a plotly figure: :func:`headlab.plot` of this."""
        import headlab  # its names stand to the right, and are only asked for here

        return headlab.plot(self, behaviour)

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Names of the behaviours measured, in label order."""
        return tuple(self.score)

    def value(self, behaviour: str) -> np.ndarray:
        """What is held against the threshold, [layer, head]: excess, or the raw score."""
        raw = get_behaviour(behaviour).scale == "raw"
        return (self.score if raw else self.excess)[behaviour]

    def roles(self, layer: int, head: int) -> list[str]:
        """Behaviours that the head shows at least from the value on at which they are shown."""
        return [
            name
            for name in self.behaviours
            if self.value(name)[layer, head] >= get_behaviour(name).shown_from
        ]

    def tags(self, layer: int, head: int) -> list[str]:
        """What the head does beside its label, such as "copies"."""
        passed = [name for name in self.behaviours if self._passes(name, layer, head)]
        tags = [(name, get_behaviour(name).tag) for name in passed]
        return [tag for name, tag in tags if tag and name != self.label[layer, head]]

    def _passes(self, behaviour: str, layer: int, head: int) -> bool:
        return bool(self.value(behaviour)[layer, head] >= get_behaviour(behaviour).threshold)

    def label_text(self, layer: int, head: int) -> str:
        """The label with its tags: "induction · copies", "induction pattern · suppresses names"."""
        label = str(self.label[layer, head])
        title = self.title(layer, head).lower()
        if self._runs_against(label, layer, head):
            title += " pattern"
        return " · ".join([title, *self.tags(layer, head)])

    def _runs_against(self, label: str, layer: int, head: int) -> bool:
        """Whether the head writes against what the pattern it is named after suggests."""
        if label == UNCLASSIFIED or get_behaviour(label).targets is None:
            return False
        return any(
            get_behaviour(name).contrary and self._passes(name, layer, head)
            for name in self.behaviours
        )

    def sentence(self, layer: int, head: int) -> str:
        """What the head does, in one sentence: "Mainly induction, also copies; rests on ..."."""
        label = str(self.label[layer, head])
        others = [get_behaviour(name) for name in self.roles(layer, head) if name != label]
        also = self.tags(layer, head)
        also += [f"shows {b.title.lower()}" for b in others if not b.does and not b.tag]
        if label != UNCLASSIFIED:
            main = get_behaviour(label).does or f"mainly {self.title(layer, head).lower()}"
            main += f", also {' and '.join(also)}" if also else ""
        elif also:
            main = f"no name fits what it does most, but it {' and '.join(also)}"
        else:
            main = "nothing that we have a name for"
        words = "; ".join([main, *(b.does for b in others if b.does)])
        return f"{words[0].upper()}{words[1:]}."

    def where_it_looks(self, layer: int, head: int) -> str:
        """Where the head looks on ordinary sentences, in a line (``looks.words``)."""
        return words(self, layer, head)

    def similar(self, layer: int, head: int, top: int = 5) -> pd.DataFrame:
        """The heads whose scores are most like this one's: name, similarity (1: the same), label.

        Similarity is one minus the root mean square difference of the scores of all behaviours
        measured on both heads.
        """
        scores = np.stack([self.score[name].reshape(-1) for name in self.behaviours])
        index = layer * self.n_heads + head
        with np.errstate(invalid="ignore"):
            difference = np.sqrt(np.nanmean((scores - scores[:, [index]]) ** 2, axis=0))
        difference[index] = np.nan
        nearest = np.argsort(difference, kind="stable")[:top]  # NaN comes last
        heads = [Head(*divmod(int(i), self.n_heads)) for i in nearest if i != index]
        return pd.DataFrame(
            {
                "name": [str(head) for head in heads],
                "similarity": [1 - difference[h.layer * self.n_heads + h.head] for h in heads],
                "label": [self.label_text(*head) for head in heads],
            }
        )

    def title(self, layer: int, head: int) -> str:
        """The label as learners read it."""
        return label_title(str(self.label[layer, head]))

    def confidence_text(self, layer: int, head: int) -> str:
        """The label's confidence in words: "stable 97 %, holds in 3 of 4"."""
        stability = self.stability[layer, head]
        if np.isnan(stability):
            stable = f"fewer than {MIN_PROMPTS} prompts, stability unknown"
        else:
            stable = f"stable {'>99' if stability > 0.99 else round(100 * stability)} %"
        if not self.n_variants:
            return stable
        return f"{stable}, holds in {int(self.holds_in[layer, head])} of {self.n_variants}"

    def label_counts(self) -> dict[str, int]:
        """How many heads carry each label, in label order; labels nobody carries are 0."""
        return {name: int((self.label == name).sum()) for name in (*self.behaviours, UNCLASSIFIED)}

    @property
    def labels_text(self) -> str:
        """The labels in a line: "5 induction, 105 first token, 13 unclassified"."""
        counts = self.label_counts().items()
        return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts if n)

    def ranking(
        self,
        behaviour: str,
        top: int | None = None,
        layers: Iterable[int] | None = None,
        minimum: float | None = None,
    ) -> pd.DataFrame:
        """Heads ranked by a behaviour's score, best first; heads it could not test are left out."""
        get_behaviour(behaviour)
        if behaviour not in self.score:
            raise HeadlabError(
                f"The profile of {self.model_name} does not hold {behaviour!r}: profile it again."
            )
        table = self.table()
        table = table[(table["behaviour"] == behaviour) & table["score"].notna()]
        if layers is not None:
            table = table[table["layer"].isin(list(layers))]
        if minimum is not None:
            table = table[table["score"] >= minimum]
        table = table.sort_values("score", ascending=False, kind="stable").head(top)
        names = [str(Head(row.layer, row.head)) for row in table.itertuples()]
        table.insert(0, "name", names)
        return table.drop(columns="behaviour").reset_index(drop=True)

    def table(self) -> pd.DataFrame:
        """Tidy table, one row for each head and behaviour."""
        columns = ("score", "low", "high", "chance", "excess", "role_confidence")
        layer, head = np.indices((self.n_layers, self.n_heads)).reshape(2, -1)
        parts = [
            pd.DataFrame(
                {"layer": layer, "head": head, "behaviour": name}
                | {column: getattr(self, column)[name].reshape(-1) for column in columns}
                | {"n_prompts": self.n_prompts[name], "n_rows": self.n_rows[name]}
            )
            for name in self.behaviours
        ]
        return pd.concat(parts, ignore_index=True)

    def heads_table(self) -> pd.DataFrame:
        """One row for each head: label, confidence, stability, variants, margin, roles, tags.

        Then where it looks on ordinary sentences, a column for each of ``budget.FIGURES``.
        """
        layer, head = np.indices((self.n_layers, self.n_heads)).reshape(2, -1)
        looks = {} if self.looks is None else self.looks.value
        columns = ("label", "label_confidence", "stability", "holds_in", "margin")
        return pd.DataFrame(
            {"name": [str(Head(int(a), int(b))) for a, b in zip(layer, head, strict=True)]}
            | {"layer": layer, "head": head}
            | {column: getattr(self, column).reshape(-1) for column in columns}
            | {"roles": [self.roles(a, b) for a, b in zip(layer, head, strict=True)]}
            | {"tags": [self.tags(a, b) for a, b in zip(layer, head, strict=True)]}
            | {name: array.reshape(-1) for name, array in looks.items()}
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each head, as ``heads_table``; ``table`` has one for each behaviour too."""
        return self.heads_table()

    @cached_property
    def top_heads(self) -> dict[str, list[dict[str, Any]]]:
        """Per behaviour the strongest heads past its threshold, at most 8.

        Where more than these pass and the strongest lie in one layer, the best of the others takes
        the last place.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        for name in self.behaviours:
            value = self.value(name)
            passing = [
                Head(*map(int, at)) for at in np.argwhere(value >= get_behaviour(name).threshold)
            ]
            ranked = sorted(passing, key=lambda head: -value[head])
            chosen, rest = ranked[:TOP_CAP], ranked[TOP_CAP:]
            elsewhere = [head for head in rest if head.layer != chosen[0].layer]
            if elsewhere and len({head.layer for head in chosen}) == 1:
                chosen[-1] = elsewhere[0]
            found[name] = [
                {"head": str(head), "score": round(float(self.score[name][head]), 4)}
                for head in chosen
            ]
        return found

    def save(self, path: str | Path) -> None:
        """Write the profile as JSON, schema ``headlab.profile/1``."""
        write_file(path, json.dumps(self.to_dict(), allow_nan=False), make_folder=True)

    def to_dict(self) -> dict[str, Any]:
        """The profile as JSON types; NaN becomes null."""
        arrays = {
            name: _plain(getattr(self, name), 6)
            for name in (*BY_BEHAVIOUR, "label_confidence", "stability", "margin", "evidence")
        }
        return {
            "schema": SCHEMA,
            "model": self.model_name,
            "content_hash": self.content_hash,
            "start_token": self.start_token,
            "start_text": self.start_text,
            "n_layers": self.n_layers,
            "n_heads": self.n_heads,
            "provenance": self.provenance,
            **arrays,
            "n_prompts": self.n_prompts,
            "n_rows": self.n_rows,
            "label": self.label.tolist(),
            "holds_in": self.holds_in.tolist(),
            "n_variants": self.n_variants,
            "top_heads": self.top_heads,
            "false_positives": self.false_positives,
            "controls": self.controls,
            "untested": self.untested,
            "probe_scores": _plain(self.probe_scores, 6),
            "prompt_scores": _plain(self.prompt_scores, 4),
            "looks": None if self.looks is None else self.looks.to_dict(),
        }

    @classmethod
    def load(cls, path: str | Path) -> "Profile":
        """Read a profile written by :meth:`save`."""
        raw = read_bytes(path)
        try:
            data = json.loads(decoded(raw))
        except (ValueError, RecursionError) as error:
            raise HeadlabError(f"{path} is damaged: make the profile again.") from error
        return cls.from_dict(data)

    @classmethod
    def from_json(cls, source: bytes | str) -> "Profile":
        """A profile from the bytes of a file that was handed in."""
        try:
            data = json.loads(decoded(source) if isinstance(source, bytes) else source)
        except (ValueError, RecursionError) as error:
            raise HeadlabError(
                "This file is no JSON: hand in a profile as `python -m headlab profile --out` or "
                "the Rankings page writes it."
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Any) -> "Profile":
        """A profile from its JSON types; a sentence for anything that is none."""
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise HeadlabError(
                f"This is no profile that this version reads (its schema is {_short(schema)}, not "
                f"{SCHEMA!r}): make it again with `python -m headlab profile`."
            )
        try:
            shape = (data["n_layers"], data["n_heads"])
            fields: dict[str, Any] = {name: data[name] for name in _AS_THEY_ARE}
            fields["provenance"] = dict(data["provenance"])
            for name in BY_BEHAVIOUR:
                fields[name] = {key: _array(value, shape) for key, value in data[name].items()}
            for name in fields["score"]:
                get_behaviour(name)
            for name in ("n_prompts", "n_rows"):
                fields[name] = {key: int(data[name][key]) for key in fields["score"]}
            for name in ("label_confidence", "stability", "margin", "holds_in"):
                fields[name] = _array(data[name], shape)
            fields["label"] = np.array(data["label"], dtype=str).reshape(shape)
            fields["evidence"] = {key: _array(value) for key, value in data["evidence"].items()}
            for name in ("probe_scores", "prompt_scores"):
                fields[name] = {
                    key: {probe: _array(value) for probe, value in by_probe.items()}
                    for key, by_probe in data[name].items()
                }
            if data.get("looks") is not None:
                fields["looks"] = Looks.from_dict(data["looks"], shape)
            profile = cls(model_name=data["model"], **fields)
            check_facts(profile)
            check_figures(profile)
            return profile
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise HeadlabError(
                "The profile is incomplete or was changed by hand "
                f"({_short(error)}): make it again."
            ) from error


def _short(value: Any) -> str:
    """What somebody else's file holds, cut to what fits a sentence."""
    words = str(value) if isinstance(value, Exception) else repr(value)
    return words if len(words) <= 200 else f"{words[:200]}…"


def _plain(value: Any, digits: int) -> Any:
    """Arrays, and dicts of them, as nested lists of rounded numbers and None for NaN."""
    if isinstance(value, dict):
        return {key: _plain(item, digits) for key, item in value.items()}
    rounded = np.round(np.asarray(value, dtype=float), digits)
    plain = np.array(rounded, dtype=object)
    plain[np.isnan(rounded)] = None
    return plain.tolist()


def _array(value: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.array(value, dtype=float)
    return array if shape is None else array.reshape(shape)
