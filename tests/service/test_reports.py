"""Reports are served as they stand, and nothing beside them; OpenAPI tells the whole service."""

import httpx
import pytest

from mlrag.settings import Settings
from service.app import create_app
from tests.support.serving import serving


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    run = root / "reports" / "dd3394011a"
    run.mkdir(parents=True)
    (run / "index.html").write_text("<h1>அறிக்கை</h1>", encoding="utf-8")
    (run / "தமிழ்.html").write_text("ta", encoding="utf-8")
    (run / ".hidden").write_text("x", encoding="utf-8")
    (root / "secret.txt").write_text("secret", encoding="utf-8")
    (run / "link.html").symlink_to(root / "secret.txt")
    app = create_app(Settings(data_dir=root))
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def test_reports_are_listed_and_served(client):
    (row,) = client.get("/reports").json()
    assert row["run"] == "dd3394011a"
    assert {"index.html", "தமிழ்.html"} <= set(row["files"])
    assert ".hidden" not in row["files"]
    for path in ("dd3394011a", "dd3394011a/", "dd3394011a/index.html"):
        reply = client.get(f"/reports/{path}")
        assert "அறிக்கை" in reply.text
        assert reply.headers["content-type"].startswith("text/html")
    assert client.get("/reports/dd3394011a/தமிழ்.html").text == "ta"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "dd3394011a/..%2f..%2fsecret.txt",
        "dd3394011a/.hidden",
        "dd3394011a/link.html",
        "%2fetc%2fpasswd",
        "nobody",
        "dd3394011a%00",
    ],
)
def test_nothing_else_is(client, path):
    reply = client.get(f"/reports/{path}")
    assert reply.status_code == 404
    assert "secret" not in reply.text.replace("secret.txt", "")


def test_no_report_is_an_empty_list(tmp_path):
    with serving(create_app(Settings(data_dir=tmp_path))) as address:
        assert httpx.get(f"{address}/reports").json() == []
