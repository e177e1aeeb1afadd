"""The tokenizer of a folder, also where it is a SentencePiece file alone.

transformers turns such a file into a tokenizer of its own kind. That the two split alike is proved
when it is opened; transformers 5 leaves out the space in front where no class is named.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, normalizers

from headlab.errors import HeadlabError
from headlab.models.hf import AutoTokenizer
from headlab.models.quiet import quiet_transformers

NAMES = ("tokenizer.model", "spm.model")
SAMPLE = "The cat's naïve idea: 2 + 2 = 4, isn't it?\nДа, 猫 🙂"
PACKAGE = "sentencepiece"


def read_tokenizer(folder: Path) -> tuple[Any, str]:
    """The tokenizer of ``folder``, and what is to be said about it, or nothing.

    Raises HeadlabError for one that cannot be read, with the package that is missing if that is
    the reason.
    """
    file = _sentencepiece_file(folder)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        if file is not None and find_spec(PACKAGE) is None:
            raise HeadlabError(
                f"The tokenizer in {folder} is a SentencePiece file ({file.name}), which takes one "
                f"more package: `python -m pip install 'headlab[{PACKAGE}]'`, and open the folder "
                "again."
            ) from error
        raise HeadlabError(
            f"The tokenizer in {folder} cannot be read: put the model's own tokenizer files "
            "(tokenizer.json) beside its weights."
        ) from error
    if file is None or not find_spec(PACKAGE):
        return tokenizer, ""
    return tokenizer, _as_file(tokenizer, file)


def _sentencepiece_file(folder: Path) -> Path | None:
    """The folder's SentencePiece file, where nothing else says how it tokenises."""
    if (folder / "tokenizer.json").exists():
        return None
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _as_file(tokenizer: Any, file: Path) -> str:
    """Make a tokenizer split as its SentencePiece file does; what is to be said if it does not."""
    from sentencepiece import SentencePieceProcessor

    try:
        theirs = SentencePieceProcessor(model_file=str(file)).encode(SAMPLE)
    except Exception:
        return ""  # of another kind, such as tiktoken's: transformers has read it
    if _split(tokenizer) == theirs:
        return ""
    backend = tokenizer.backend_tokenizer
    before = backend.normalizer, backend.decoder
    _put_space_in_front(backend)
    if _split(tokenizer) == theirs:
        return ""
    backend.normalizer, backend.decoder = before
    return f"Its tokenizer splits some texts otherwise than its file {file.name} says."


def _split(tokenizer: Any) -> list[int]:
    ids: list[int] = tokenizer(SAMPLE, add_special_tokens=False).input_ids
    return ids


def _put_space_in_front(backend: Tokenizer) -> None:
    """What SentencePiece calls the dummy prefix, and takes away again when it decodes."""
    old = [part for part in (backend.normalizer,) if part is not None]
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *old])
    back = [part for part in (backend.decoder,) if part is not None]
    backend.decoder = decoders.Sequence([*back, decoders.Strip(" ", 1, 0)])
