"""The loaded model as exercises see it: readings, profile, and what removing heads does."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from headlab.errors import HeadlabError
from headlab.exercises.format import Question, Text
from headlab.exercises.prepared import PreparedQuestion
from headlab.heads import Head
from headlab.interventions import Intervention, ablate, mean_reference
from headlab.languages import spoken
from headlab.measuring.reading import Reading, read_text
from headlab.mechanisms import Circuit, Edge, Faithfulness, strongest_senders
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, find_in_text, resolve_start_token, token_text
from headlab.profiles.corpus import CorpusLooks, kept_corpus, passages
from headlab.profiles.profile import Profile
from headlab.profiles.profiling import profile_model


class CannotTell(HeadlabError):
    """The question makes sense for this model, but nothing can be measured that answers it."""


class CannotPose(HeadlabError):
    """The question names a head or layer that the loaded model lacks."""


@dataclass(frozen=True, eq=False)
class MeasurementContext:
    """A model under one start-token policy; what was measured once is kept.

    Who has caches of their own overrides ``reading``, ``profile``, ``removal``, ``senders`` and
    ``kept``.
    ``second`` is the profile of a second model, if there is one to compare with.
    """

    model: LoadedModel
    start_token: int | None
    second: Profile | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    _prepared: dict[tuple[str, Question], PreparedQuestion] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, model: LoadedModel, start_token: StartToken = "model") -> Self:
        """The context of a model, with its own start token unless another policy is asked for."""
        return cls(model, resolve_start_token(model, start_token))

    @property
    def model_name(self) -> str:
        """What the model is called."""
        return self.model.name

    @property
    def content_hash(self) -> str:
        """Which weights and tokenizer these are."""
        return self.model.content_hash

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return self.model.n_layers

    @property
    def n_heads(self) -> int:
        """Heads of one layer."""
        return self.model.n_heads

    @property
    def start_text(self) -> str | None:
        """The start token in words, None without one."""
        return None if self.start_token is None else token_text(self.model, self.start_token)

    def reading(self, text: Text) -> Reading:
        """A text's reading, with the patterns of every layer."""
        if text not in self._kept:
            self._kept[text] = read_text(
                self.model, text.words, start_token=self.start_token, entities=text.facts or None
            )
        kept: Reading = self._kept[text]
        return kept

    def profile(self) -> Profile:
        """The model's profile."""
        if "profile" not in self._kept:
            self._kept["profile"] = profile_model(self.model, start_token=self.start_token)
        kept: Profile = self._kept["profile"]
        return kept

    def find(self, words: str, begin: int, end: int) -> tuple[int, ...]:
        """The positions of the tokens that hold these characters of a text."""
        return find_in_text(self.model, words, begin, end, self.start_token)

    def removal(self, text: Text, heads: tuple[Head, ...], token: str | None) -> Intervention:
        """The text with and without some heads, each replaced by its mean.

        ``token`` is the next token that is followed; None: the one expected most.
        """
        key = (text, heads, token)
        if key not in self._kept:
            if "means" not in self._kept:
                self._kept["means"] = mean_reference(self.model, start_token=self.start_token)
            self._kept[key] = ablate(
                self.model,
                text.words,
                heads,
                "mean",
                self._kept["means"],
                watch=token,
                start_token=self.start_token,
            )
        kept: Intervention = self._kept[key]
        return kept

    def senders(self, text: Text, other: str, head: Head, query: int, key: int) -> tuple[Edge, ...]:
        """Which earlier heads tell a head where to look, told apart by another text."""
        asked = (text, other, head, query, key)
        if asked not in self._kept:
            self._kept[asked] = strongest_senders(
                self.model,
                text.words,
                other,
                head,
                query=query,
                key=key,
                start_token=self.start_token,
            )
        kept: tuple[Edge, ...] = self._kept[asked]
        return kept

    def kept(
        self, text: Text, other: str, heads: tuple[Head, ...], end: Head, query: int, key: int
    ) -> Faithfulness:
        """What of a head's look some heads carry alone, all others as on another text."""
        asked = (text, other, heads, end, query, key)
        if asked not in self._kept:
            self._kept[asked] = Circuit(heads).faithfulness(
                self.model,
                text.words,
                head=end,
                query=query,
                key=key,
                mode="text",
                reference=other,
                start_token=self.start_token,
            )
        kept: Faithfulness = self._kept[asked]
        return kept

    def corpus(self) -> CorpusLooks:
        """What every head does over headlab's passages; CannotTell where they were not read yet."""
        if "corpus" not in self._kept:
            ready = kept_corpus(self.model, passages(), start_token=self.start_token)
            if ready is None:
                raise CannotTell(
                    f"The corpus was not read with {self.model_name} yet: do so on the Head page, "
                    "under “Over a corpus”, or with `headlab corpus`."
                )
            self._kept["corpus"] = ready
        kept: CorpusLooks = self._kept["corpus"]
        return kept

    def prepared(
        self, question: Question, make: Callable[[], PreparedQuestion]
    ) -> PreparedQuestion:
        """What ``make`` prepares of a question, in the language spoken, once."""
        asked = (spoken(), question)
        if asked not in self._prepared:
            self._prepared[asked] = make()
        return self._prepared[asked]

    def beside(self, second: Profile) -> Self:
        """The same with a second model; records tell what was answered about which pair."""
        both = replace(self, second=second)
        both._kept.update(self._kept)
        return both

    def second_profile(self) -> Profile:
        """The second model's profile; CannotPose, with what to do, if there is none."""
        if self.second is None:
            raise CannotPose(
                "This question compares two models: choose a second one on the Compare page first."
            )
        return self.second

    def all_heads(self) -> list[Head]:
        """Every head of the model, layer by layer."""
        return [Head(layer, head) for layer in range(self.n_layers) for head in range(self.n_heads)]
