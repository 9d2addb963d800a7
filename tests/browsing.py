"""A browser for tests of pages.

A Chromium is looked for in PRECONDBENCH_CHROMIUM and on the path. Without one, or without
playwright, tests that need it are skipped, unless PRECONDBENCH_REQUIRE_BROWSER=1.
"""

import os
import shutil

import pytest


def missing(reason):
    if os.environ.get("PRECONDBENCH_REQUIRE_BROWSER") == "1":
        pytest.fail(f"PRECONDBENCH_REQUIRE_BROWSER is set, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("PRECONDBENCH_CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )
    if path is None:
        missing("there is no Chromium; name one in PRECONDBENCH_CHROMIUM")
    with sync_playwright() as playwright:
        # Root in a container has no sandbox; the pages are our own.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def violations():
    """What axe finds on a page: rule and element of each violation."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-playwright-python is not installed")

    def found(page, contrast_alone=False):
        # Styles are asked of the browser; axe need not fetch them, which the pages forbid.
        options = {"preload": False}
        if contrast_alone:
            options["runOnly"] = ["color-contrast"]
        return [
            f"{violation['id']}: {node['html']}"
            for violation in Axe().run(page, options=options).response["violations"]
            for node in violation["nodes"]
        ]

    return found
