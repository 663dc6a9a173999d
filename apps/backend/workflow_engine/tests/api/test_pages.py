"""The editor's files as browsers get them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from workflow_engine.api.middleware import HANDLERS
from workflow_engine.api.pages import routes

PAGE = "<!doctype html><title>Editor</title>"
SCRIPT = "console.log('here');" * 100
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "identity"}


@pytest.fixture
def browser(tmp_path: Path) -> TestClient:
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (assets / "main-abc.js").write_text(SCRIPT)
    (assets / "main-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    return TestClient(Starlette(routes=routes(tmp_path), exception_handlers=HANDLERS), headers=BROWSER)


def test_every_address_inside_the_editor_is_its_page_asked_for_anew(browser: TestClient) -> None:
    for path in ("/", "/workflows/wf_1", "/executions?workflow=wf_1"):
        page = browser.get(path)
        assert (page.status_code, page.text) == (200, PAGE)
        assert page.headers["cache-control"] == "no-cache"
        assert "script-src 'self'" in page.headers["content-security-policy"]
    again = browser.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304


def test_built_files_are_kept_for_ever_and_come_compressed(browser: TestClient) -> None:
    script = browser.get("/assets/main-abc.js", headers={"accept-encoding": "gzip"})
    assert script.text == SCRIPT
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert "content-encoding" not in browser.get("/assets/main-abc.js").headers


def test_programs_learn_that_there_is_nothing(browser: TestClient) -> None:
    for path in ("/v1/nowhere", "/assets/main-old.js", "/../pages.py"):
        missing = browser.get(path, headers={"accept": "*/*"})
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"


def test_without_a_build_the_page_says_what_to_do(tmp_path: Path) -> None:
    page = TestClient(Starlette(routes=routes(tmp_path / "none"))).get("/", headers=BROWSER)
    assert page.status_code == 503
    assert "make ui" in page.text


def test_the_front_page_is_for_everyone(browser: TestClient) -> None:
    page = browser.get("/", headers={"accept": "*/*"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
