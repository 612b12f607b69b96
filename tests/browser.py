"""Chromium for tests, driven by Playwright: it opens our pages, and nothing else.

    from browser import opened

    @pytest.mark.browser
    def test_it_counts(browser):  # a fixture of conftest.py: one Chromium for all tests
        with opened(browser, "<p id=n>1</p>", color_scheme="dark", width=390) as page:
            assert page.locator("#n").inner_text() == "1"

When its block ends well, `opened` fails if the page raised an error, wrote one to its console, or asked for anything outside.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OF_THE_PAGE = ("data:", "about:", "blob:")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The machine's Chromium or Chrome if there is one, otherwise Playwright's own; LookupError where there is neither."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise LookupError("no playwright: python -m pip install '.[browser]'") from None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    # Chromium's own sandbox refuses root, and containers that may make no namespaces.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=arguments)
        except Error as error:
            if found:
                raise
            advice = "install it, or run: python -m playwright install chromium"
            raise LookupError(f"no Chromium: {advice} ({str(error).splitlines()[0]})") from None
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a session."""
    with chromium() as started:
        yield started


@contextlib.contextmanager
def opened(
    browser: Any,
    document: str | Path,
    *,
    color_scheme: str = "light",
    width: int = 1280,
    height: int = 900,
    scale: float = 1.0,
    allowed: tuple[str, ...] = (),
    **options: Any,
) -> Iterator[Any]:
    """A page with `document` in it: HTML as text, a file's path, or the address of a server that is `allowed`.

    Args:
        color_scheme: what the reader's system asks for: "light" or "dark".
        width, height: of the window, in CSS pixels.
        scale: device pixels per CSS pixel.
        allowed: beginnings of addresses that the page may ask for, besides itself.
        options: more for Playwright's `new_context`, such as `has_touch=True` or `reduced_motion="reduce"`.
    """
    start = document.absolute().as_uri() if isinstance(document, Path) else document
    inside = (*OF_THE_PAGE, *allowed, *[start] * isinstance(document, Path))
    context = browser.new_context(
        color_scheme=color_scheme,
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        **options,
    )
    wrong: list[str] = []

    def answer(route: Any) -> None:
        if route.request.url.startswith(inside):
            route.continue_()
        else:
            wrong.append(f"asked for {route.request.url}")
            route.abort()

    try:
        context.route("**/*", answer)
        page = context.new_page()
        page.wrong = wrong  # what a test of these very checks reads
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda said: wrong.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("websocket", lambda socket: wrong.append(f"asked for {socket.url}") if not allowed else None)
        if start.startswith(inside):
            page.goto(start)
        else:
            page.set_content(start)
        yield page
        page.wait_for_timeout(50)  # what was on its way is there now
        assert not wrong, "\n".join(wrong)
    finally:
        context.close()
