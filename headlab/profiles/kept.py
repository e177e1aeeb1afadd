"""Which profile belongs to which model, settings and code; where it is kept and found again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headlab import log
from headlab.behaviours import Behaviour, behaviours, code_digest, code_of
from headlab.errors import HeadlabError
from headlab.measuring import budget, confidence, probe_sentences, probes
from headlab.models.catalogue import shipped_profiles
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token
from headlab.places import cache_folder
from headlab.profiles.profile import SCHEMA, Profile

SEED = 0


def kept_profile(model: LoadedModel, *, start_token: StartToken = "model") -> Profile | None:
    """The profile that :func:`profile_model` would find ready, or None: nothing is measured."""
    start = resolve_start_token(model, start_token)
    return kept(model, profile_key(model, start, True, 3, behaviours()))


def thresholds(order: Mapping[str, Behaviour]) -> dict[str, dict[str, Any]]:
    return {
        name: {"threshold": b.threshold, "scale": b.scale, "shown_from": b.shown_from}
        for name, b in order.items()
    }


def measures(order: Mapping[str, Behaviour]) -> list[Any]:
    """What is measured, and how: everything that figures depend on beside model and settings."""
    return [
        *(SEED, budget.VERSION, confidence.N_RESAMPLES, thresholds(order)),
        *(code_digest(), code_of(probes), code_of(probe_sentences)),
    ]


def profile_key(
    model: LoadedModel,
    start: int | None,
    variants: bool,
    controls: int,
    order: Mapping[str, Behaviour],
) -> str:
    """Everything that a profile's figures depend on, hashed."""
    facts = [SCHEMA, model.content_hash, start, variants, controls, *measures(order)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def kept(model: LoadedModel, key: str) -> Profile | None:
    """The kept profile with this key; a damaged or foreign file counts as none."""
    places = [cache_folder() / "profiles" / f"{key}.json"]
    for folder in filter(None, (model.folder, shipped_profiles(model.name))):
        places += sorted(folder.glob("profile*.json"))
    for place in places:
        if place.is_file():
            try:
                profile = Profile.load(place)
            except HeadlabError:
                continue
            if profile.provenance.get("key") == key:
                return replace(profile, model_name=model.name)
    return None


def keep(profile: Profile, key: str) -> None:
    """Keep a profile in the cache folder, where that can be written; it is only a cache."""
    try:
        profile.save(cache_folder() / "profiles" / f"{key}.json")
    except HeadlabError as error:
        log.LOG.warning(f"the profile is not kept for next time: {error}")
