"""One cell of a sweep, from model to profile: what every engine runs, on whatever machine."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from headlab.errors import HeadlabError
from headlab.models.catalogue import CATALOGUE
from headlab.models.download import start_download
from headlab.models.loading import folder_named, load_model
from headlab.profiles.profiling import profile_model
from headlab.sweeps.plan import Cell


@dataclass(frozen=True)
class Measured:
    """What came of a cell: its profile, as the text of a file, or a sentence why there is none."""

    profile: str = ""
    sentence: str = ""


def measure(cell: Cell, key: str, delete_weights: bool = False, device: str = "cpu") -> Measured:
    """Measure one cell; ``key`` is what it is called where its file will be written."""
    if cell.key != key:
        return Measured(
            sentence="the machine that measures has other behaviours or another version of headlab "
            "than the one that writes: install the same on both."
        )
    fetched: Path | None = None
    try:
        source: str | Path = cell.model
        if cell.revision:
            home = folder_named(cell.model)
            if home is not None and cell.model not in CATALOGUE:
                source = home / cell.revision
            else:
                source = fetched = _fetch(cell)
        profile = profile_model(
            load_model(source, device=device),
            start_token="model" if cell.start_token else None,
            variants=not cell.quick,
            controls=0 if cell.quick else 3,
            cache=False,
        )
        return Measured(json.dumps(profile.to_dict(), allow_nan=False))
    except HeadlabError as error:
        return Measured(sentence=str(error))
    except OSError as error:
        return Measured(
            sentence=f"the system refuses ({error.strerror or error}): look after the disk and try "
            "again."
        )
    finally:
        if fetched is not None and delete_weights:
            shutil.rmtree(fetched, ignore_errors=True)


def _fetch(cell: Cell) -> Path:
    """The folder of a revision from the hub, fetched where it is missing."""
    # another worker may be fetching another revision of the same model
    download = start_download(cell.model, cell.revision, waits=True)
    download.wait()
    if download.error is not None:
        raise HeadlabError(download.error)
    assert download.folder is not None
    return download.folder
