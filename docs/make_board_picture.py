"""Draw docs/figures/board.png, the picture of the leaderboard in README.md.

    python docs/make_board_picture.py [--chromium /usr/bin/chromium]

Renders the committed leaderboard and takes a screenshot of the board of real test matrices.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from making import DOCS, LEADERBOARD
from precondbench.leaderboard import render_site

PICTURE = DOCS / "figures" / "board.png"
PAGE = "tracks/suitesparse-invk-1.0-tril-test.html"
# Wide enough for every column, tall enough for the first dozen rows.
WIDTH, HEIGHT = 1200, 1000


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found = os.environ.get("PRECONDBENCH_CHROMIUM") or shutil.which("chromium")
    parser.add_argument("--chromium", default=found)
    chromium = parser.parse_args().chromium
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Path(folder) / "site"
        render_site(LEADERBOARD, site)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((site / PAGE).as_uri())
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
