"""The pages: in every language, nothing from elsewhere, nothing of a document taken for markup."""

import re

import httpx
import pytest

from mlrag.languages import languages
from mlrag.settings import Settings
from service.app import create_app
from tests.support.serving import serving

PAGES = ("/", "/documents", "/health", "/reports")
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def client(settings):
    with serving(create_app(settings)) as address, httpx.Client(base_url=address, timeout=30, headers=HTML) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("code", list(languages()))
def test_every_page_speaks_every_language(client, path, code):
    pack = languages()[code]
    reply = client.get(path, params={"lang": code})
    assert reply.status_code == 200, reply.text
    assert f'lang="{code}"' in reply.text
    assert f'dir="{pack.direction}"' in reply.text
    assert pack.ui["documents"] in reply.text


@pytest.mark.parametrize("path", PAGES)
def test_nothing_comes_from_elsewhere_and_every_script_is_ours(client, path):
    reply = client.get(path)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', reply.text)
    assert "innerHTML" not in reply.text
    nonce = re.search(r"'nonce-([^']+)'", reply.headers["content-security-policy"]).group(1)
    for tag in re.findall(r"<script[^>]*>", reply.text):
        assert f'nonce="{nonce}"' in tag or "application/json" in tag
    assert not re.search(r"<[^>]+ style=", reply.text)


def test_a_page_of_no_language_is_told(client):
    assert client.get("/", params={"lang": "xx"}).status_code in (200, 404, 422)
    assert client.get("/", params={"lang": "<script>"}).text.count("<script>") == 0


def test_a_local_ollama_is_not_called_forbidden(tmp_path):
    app = create_app(Settings(data_dir=tmp_path, private=True, ollama_host="http://127.0.0.1:9"))
    with serving(app) as address:
        assert "forbidden by private" not in httpx.get(f"{address}/health", headers=HTML).text


def test_reports_stay_json_for_programs(client):
    assert client.get("/reports", headers={"Accept": "application/json"}).json() == []


def test_the_reference_loads_nothing_from_elsewhere(client):
    reply = client.get("/docs")
    assert reply.status_code == 200 and not re.findall(r"https?://(?!testserver|127)", reply.text)
    for path in re.findall(r'(?:src|href)="(/docs/[^"]+)"', reply.text):
        assert client.get(path).status_code == 200
    assert client.get("/docs/nothing").status_code == 404
    assert "unsafe-inline" not in reply.headers["content-security-policy"].split("style-src")[0]
