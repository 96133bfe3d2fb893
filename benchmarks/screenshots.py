"""python -m benchmarks.screenshots: the README's pictures, docs/images/*.png, in the machine's own Chromium.

1. The ask page with an answer in Tamil and its passage opened, from the starter documents.
2. The tier table of a run, the newest in var/reports or --report.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from mlrag.documents.readers import read_documents
from mlrag.errors import SettingsError
from mlrag.factory import make_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.settings import Settings
from service.app import create_app
from tests.support.serving import serving

QUESTION = {"lang": "ta", "q": "சிகிரியா பாறை எவ்வளவு உயரம்?"}
SIZE = {"width": 860, "height": 1060}
NARROW = 460  # a report of one variant
EDGE = 8  # pixels above and below what is shown of the report
HOUSE = Path(__file__).parent.parent


@contextmanager
def tamil_service() -> Iterator[str]:
    """Serve the Tamil starter documents; yields the address."""
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), cache_answers=0)
        documents = read_documents([settings.corpora / "ta"], "ta")
        index_documents(documents, FolderIndexes(settings.index_dir), make_embedder(settings))
        with serving(create_app(settings)) as url:
            yield url


def newest(reports: Path) -> Path:
    """The report written last. Raises SettingsError where there is none."""
    found = sorted(reports.glob("*/index.html"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SettingsError(f"no report in {reports}", "make one: python -m eval.tiers")
    return found[-1]


def ask_page(page: Any, address: str, out: Path) -> None:
    page.goto(f"{address}/?{urlencode(QUESTION)}")
    page.locator("#out .cite").first.click()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.screenshot(path=out / "ask.png")


def tier_table(page: Any, report: Path, out: Path) -> None:
    page.set_viewport_size(SIZE | {"width": NARROW})
    page.goto(report.resolve().as_uri())
    top, table = page.locator("h2").first.bounding_box()["y"], page.locator("table").first.bounding_box()
    box = {"x": 0, "y": top - EDGE, "width": NARROW, "height": table["y"] + table["height"] - top + 2 * EDGE}
    page.screenshot(path=out / "tiers.png", clip=box, full_page=True)


def main(
    report: Annotated[Path | None, typer.Option(help="A report's index.html; the newest in var/reports.")] = None,
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = HOUSE / "docs" / "images",
) -> None:
    from playwright.sync_api import sync_playwright

    report = report or newest(Settings().data_dir / "reports")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    out.mkdir(parents=True, exist_ok=True)
    with tamil_service() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-lcd-text"]
        )
        page = browser.new_page(viewport=SIZE, device_scale_factor=1.15)
        ask_page(page, address, out)
        tier_table(page, report, out)
        browser.close()
    for picture in sorted(out.glob("*.png")):
        print(f"{picture}  {picture.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
