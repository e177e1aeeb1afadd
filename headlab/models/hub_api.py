"""What the hub has, asked only when somebody wants it: which revisions, and the files of one.

Also the one sentence for what can go wrong between here and there.
"""

import errno
import logging
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import filelock
import httpx2
from huggingface_hub import get_session, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RevisionNotFoundError
from huggingface_hub.utils import hf_raise_for_status

from headlab.__version__ import __version__
from headlab.errors import HeadlabError
from headlab.models.catalogue import CATALOGUE, ModelEntry
from headlab.models.hub import COMMIT, FORMATS, TOKENIZERS, Settings, settings
from headlab.units import gigabytes

_LOG = logging.getLogger("headlab")

_SMALL = {
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model",
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """A file as the hub announces it; size and checksum are None where it does not."""

    name: str
    size: int | None
    sha256: str | None
    git: str | None  # the checksum of files that are not stored as LFS


def _ask(name: str, question: Callable[[Settings, str], Any]) -> Any:
    """The answer to a question about a model's repository; HeadlabError for what goes wrong."""
    where, entry = settings(), CATALOGUE.get(name)
    try:
        return question(where, entry.hub if entry else name)
    except HeadlabError:
        raise
    except Exception as error:
        raise HeadlabError(sentence(error, name, where)) from error


def list_revisions(name: str) -> list[str]:
    """The branches and tags of a model on the hub; HeadlabError where it cannot be asked."""

    def question(where: Settings, repository: str) -> list[str]:
        answer = _answer(where, f"{repository}/refs")
        try:
            return [str(ref["name"]) for kind in ("branches", "tags") for ref in answer[kind]]
        except (KeyError, TypeError) as error:
            raise _no_hub(where) from error

    return list(_ask(name, question))


def published(name: str, revision: str = "") -> tuple[int, dict[str, Any]]:
    """Bytes to fetch for a model of the hub at a revision, and its config.json.

    HeadlabError where the hub cannot be asked.
    """

    def question(where: Settings, repository: str) -> tuple[int, dict[str, Any]]:
        commit, small, weights = announced(repository, CATALOGUE.get(name), where, revision)
        url = f"{where.endpoint}/{repository}/resolve/{commit}/config.json"
        response = get_session().get(
            url, headers=headers(), timeout=where.timeout, follow_redirects=True
        )
        hf_raise_for_status(response)
        config = response.json()
        if not isinstance(config, dict):
            raise _no_hub(where)
        return sum(file.size or 0 for file in [*small, *weights]), config

    found: tuple[int, dict[str, Any]] = _ask(name, question)
    return found


def announced(
    repository: str, entry: ModelEntry | None, where: Settings, asked: str = ""
) -> tuple[str, list[File], list[File]]:
    """The commit, and the files that make the model: small ones, and weights."""
    revision = asked or (entry.revision if entry else "main")
    path = f"{repository}/revision/{quote(revision, safe='')}"
    answer = _answer(where, path, blobs="true")
    try:
        commit = str(answer["sha"])
        files = [_file(sibling) for sibling in answer["siblings"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_hub(where) from error
    if not COMMIT.fullmatch(commit) or (entry and not asked and commit != revision):
        raise HeadlabError(
            f"{where.endpoint} answers with another revision of {repository} than the one asked "
            "for: check HF_ENDPOINT."
        )
    small = [file for file in files if file.name in _SMALL]
    names = {file.name for file in small}
    weights = next((w for w in (_weights(files, *form) for form in FORMATS) if w), [])
    if not ("config.json" in names and weights and any(need <= names for need in TOKENIZERS)):
        raise HeadlabError(
            f"{repository} holds no model that headlab can read (config.json, a tokenizer and "
            "weights): choose another model."
        )
    return commit, small, weights


def _weights(files: list[File], single: str, pattern: re.Pattern[str]) -> list[File]:
    """A repository's weights in one format: the single file, else index and parts."""
    found = sorted(
        (file for file in files if pattern.fullmatch(file.name)),
        key=lambda file: (not file.name.endswith(".json"), file.name),
    )
    return [file for file in found if file.name == single] or found


def _file(sibling: dict[str, Any]) -> File:
    lfs = sibling.get("lfs") or {}
    return File(
        name=str(sibling["rfilename"]),
        size=lfs.get("size") or sibling.get("size"),
        sha256=lfs.get("sha256"),
        git=None if lfs else sibling.get("blobId"),
    )


def headers() -> dict[str, str]:
    """Who asks, and the person's own token where they have one; no statistics."""
    token = get_token()
    headers = {"User-Agent": f"headlab/{__version__}", "Accept-Encoding": "identity"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _answer(where: Settings, path: str, **params: str) -> Any:
    """What the hub says of a model, as JSON types."""
    if where.offline:
        raise OfflineModeIsEnabled
    response = get_session().get(
        f"{where.endpoint}/api/models/{path}",
        params=params,
        headers=headers(),
        timeout=where.timeout,
    )
    hf_raise_for_status(response)
    try:
        return response.json()
    except ValueError as error:
        raise _no_hub(where) from error


def _no_hub(where: Settings) -> HeadlabError:
    return HeadlabError(
        f"{where.endpoint} does not answer as the hub does: check HF_ENDPOINT, and whether "
        "this network wants you to log in first."
    )


def sentence(
    error: Exception, name: str, where: Settings, arrived: tuple[int, int] = (0, 0)
) -> str:
    """The one sentence for what can go wrong between here and the hub.

    ``arrived``: how many bytes had come, of how many.
    """
    host = where.endpoint
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f"Downloads are switched off (HF_HUB_OFFLINE): unset it, or copy {name} into "
            f"{where.cache} from a machine that has it."
        )
    if isinstance(error, HfHubHTTPError):
        return _sentence_for_status(error, name, where)
    if isinstance(error, filelock.Timeout):
        return f"Another program is downloading {name}: wait until it has finished."
    if isinstance(error, httpx2.TimeoutException):
        return (
            f"{host} did not answer within {where.timeout:g} s: check the network and start the "
            "download again; what has arrived is kept."
        )
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return f"{host} is no web address: correct HF_ENDPOINT."
    if isinstance(error, httpx2.ProxyError):
        return "The proxy refuses the connection: check HTTPS_PROXY and HTTP_PROXY."
    if isinstance(error, httpx2.ConnectError):
        if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
            return (
                f"The address {host} is not known on this network: check that you are online, and "
                "HF_ENDPOINT if you have set it."
            )
        return (
            f"{host} cannot be reached: check the network, and ask whether it needs a proxy "
            "(HTTPS_PROXY) or a mirror (HF_ENDPOINT)."
        )
    if isinstance(error, httpx2.TransportError):
        return (
            f"The connection broke off after {gigabytes(arrived[0])} of "
            f"{gigabytes(arrived[1])}: start the download again, and it goes on from there."
        )
    if isinstance(error, OSError):
        return _sentence_for_disk(error, name, where)
    _LOG.exception("a download failed", exc_info=error)
    return (
        f"The download of {name} failed for a reason we did not expect "
        f"({type(error).__name__}): start it again, and if it fails again, report it."
    )


def _sentence_for_status(error: HfHubHTTPError, name: str, where: Settings) -> str:
    status = error.response.status_code
    page = f"{where.endpoint}/{name}"
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{where.endpoint} does not have the revision of {name} that headlab uses: set "
            "HF_ENDPOINT to a mirror that does, or unset it."
        )
    if status in (401, 403):
        return (
            f"{where.endpoint} does not give {name} to everybody: check the name, accept its terms "
            f"on {page}, and set HF_TOKEN to an access token of yours."
        )
    if status == 404:
        return f"{where.endpoint} has no model {name}: check the spelling."
    if status == 429:
        wait = error.response.headers.get("Retry-After", "")
        when = f"in {wait} s" if wait.isdigit() else "in some minutes"
        return (
            f"{where.endpoint} answers nobody on this network for now (too many requests): start "
            f"the download again {when}."
        )
    if status >= 500:
        return (
            f"{where.endpoint} has trouble of its own (error {status}): start the download again "
            "in some minutes."
        )
    return f"{where.endpoint} refuses the download of {name} (error {status}): check HF_ENDPOINT."


def _sentence_for_disk(error: OSError, name: str, where: Settings) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        detail = f" ({error.strerror})" if error.strerror and "needed" in error.strerror else ""
        return (
            f"The disk that holds {where.cache} is full{detail}: free some space, or set HF_HOME "
            "to a folder with more."
        )
    return (
        f"{where.cache} cannot be written to ({error.strerror or type(error).__name__}): set "
        "HF_HOME to a folder of yours."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
