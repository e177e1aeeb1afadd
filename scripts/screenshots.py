"""Make the pictures of the README from the real app, with Chromium.

    PYTHONPATH=. python scripts/screenshots.py

Starts a server of its own. ``docs/images/layers.webp`` moves: a word is pressed, then the layers
are slid through; the others stand still. Run it whenever a page looks different.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, Servers, settle
from tests.conftest import CHROMIUM_NAMES

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1366, 768
MOVING = 1_024  # pixels of width of what moves
WORD = 9  # the second "cat"
STILL = {
    "head": "/Head?text=cat-on-the-mat&layer=3&head=7&behaviour=induction",
    "predict": "/Predict?sheet=cat-twice&step=1",
    "cause": "/Cause?text=cat-on-the-mat&removed=L3.H1",
}


def shot(page: Page) -> Image.Image:
    """The window as it is."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def moving(page: Page, address: str) -> list[tuple[Image.Image, int]]:
    """The frames of the first picture, each with its milliseconds."""
    page.goto(f"{address}/Layers?text=cat-on-the-mat&layer=0")
    page.locator(".heads .head").first.wait_for()
    settle(page)
    frames = [(shot(page), 900)]
    page.locator(".strip .chip").nth(WORD).click()
    settle(page)
    frames.append((shot(page), 1_200))
    for layer in range(1, 12):
        page.locator("#layer").fill(str(layer))
        settle(page)
        frames.append((shot(page), 700 if layer != 3 else 1_500))
    return frames


def main() -> None:
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        servers = Servers(Path(folder))
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            address = servers(ROOT / "streamlit_app.py")
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(60_000)
            frames = moving(page, address)
            small = [image.resize((MOVING, MOVING * HEIGHT // WIDTH)) for image, _ in frames]
            small[0].save(
                FOLDER / "layers.webp",
                save_all=True,
                append_images=small[1:],
                duration=[milliseconds for _, milliseconds in frames],
                loop=0,
                quality=70,
                method=6,
            )
            for name, place in STILL.items():
                page.goto(address + place)
                page.get_by_role("heading", level=1).wait_for()
                settle(page)
                shot(page).save(FOLDER / f"{name}.webp", quality=85, method=6)
        finally:
            browser.close()
            servers.stop()
    for file in sorted(FOLDER.iterdir()):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
