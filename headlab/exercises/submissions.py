"""What a class handed in: single files, or the zip that a learning platform makes of them."""

import io
import zipfile
from collections.abc import Iterator

from headlab.errors import HeadlabError

MOST_FILES, MOST_BYTES = 500, 20_000_000  # of a zip; a record has some kilobytes, a report one MB
ENDINGS = (".json", ".html")


def submissions(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The files that ``content`` is or holds, as (name, content).

    Of a zip those that end like a record or a report, at most ``MOST_FILES`` of ``MOST_BYTES``
    together; anything wrong with it is left to whoever reads the file, who says so.
    """
    if not name.lower().endswith(".zip"):
        yield name, content
        return
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            inside = [
                one
                for one in packed.infolist()
                if one.filename.lower().endswith(ENDINGS) and "__MACOSX" not in one.filename
            ]
            for one in inside[:MOST_FILES]:
                with packed.open(one) as file:
                    raw = file.read(left + 1)
                left -= len(raw)
                if left < 0:
                    raise HeadlabError(f"{name} holds more than {MOST_BYTES:,} bytes.")
                yield one.filename, raw
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError, HeadlabError):
        yield name, b""  # no record: it is listed as left out
