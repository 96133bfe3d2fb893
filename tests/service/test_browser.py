"""The pages in a real Chromium: typed, clicked, tabbed and uploaded as a person does; nothing asked of other hosts."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import regex

from mlrag.languages import languages
from mlrag.settings import Settings
from service.app import create_app
from tests.support.files import POPPLER, TAMIL_FONT
from tests.support.serving import serving

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium on the path: apt-get install chromium"),
]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1000, "height": 800}
ASKED = {
    "ta": ("டெங்கு கொசு எப்போது கடிக்கும்?", "Tamil"),
    "si": ("සීගිරිය පර්වතයේ උස කොපමණද?", "Sinhala"),
    "ar": ("متى تلسع بعوضة حمى الضنك؟", "Arabic"),
    "zh": ("登革热的蚊子什么时候叮人？", "Han"),
    "hi": ("डेंगू का मच्छर कब काटता है?", "Devanagari"),
    "en": ("When does the dengue mosquito bite?", "Latin"),
}
# A museum that no starter document knows.
PAPER = """<!doctype html><html lang="ta"><meta charset="utf-8"><style>body { font: 16px "Noto Sans Tamil"; }</style>
<h1>வெண்மணல் அருங்காட்சியகம்</h1>
<p>வெண்மணல் அருங்காட்சியகம் காலை ஒன்பது மணிக்குத் திறக்கும். நுழைவுக் கட்டணம் முப்பது ரூபாய்.</p>
<p>அங்கே பழைய படகுகளும் மீன்பிடி வலைகளும் வைக்கப்பட்டுள்ளன.</p></html>"""


@pytest.fixture(scope="module")
def address(indexed, tmp_path_factory):
    """A service over a copy of the index: documents come and go."""
    folder = tmp_path_factory.mktemp("browsed")
    shutil.copytree(indexed / "index", folder / "index")
    with serving(create_app(Settings(data_dir=folder, cache_answers=0, ollama_host="http://127.0.0.1:9"))) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    # Not of the session: as long as it runs, this thread has a running event loop, and asyncio.run refuses.
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Opens pages; afterwards nothing may stand in their consoles, and nobody else may have been asked."""
    contexts, wrong = [], []

    def watched(request):
        if urlsplit(request.url).netloc != urlsplit(address).netloc and urlsplit(request.url).scheme != "data":
            wrong.append(request.url)

    def opened(path, size=DESK, **options):
        context = browser.new_context(viewport=size, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        context.on("request", watched)
        page.goto(address + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def ask(page, question):
    page.fill("#q", question)
    page.click("button.main")
    return final(page)


def final(page):
    """The text of the checked answer."""
    page.wait_for_selector("#out .answer ~ .note")
    return page.inner_text("#out .answer")


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def in_script(text, script):
    return len(regex.findall(rf"\p{{Script={script}}}", text)) >= 4


@pytest.mark.parametrize(("code", "question", "script"), [(c, *asked) for c, asked in ASKED.items()])
def test_a_question_gets_an_answer_in_its_script_and_its_quote_is_marked(open_page, code, question, script):
    page = open_page(f"/?lang={code}")
    streams = []
    page.on("response", lambda r: streams.append(r.headers["content-type"]) if r.url.endswith("/ask") else None)
    assert in_script(ask(page, question), script)
    assert streams == ["text/event-stream; charset=utf-8"]
    assert not page.locator("mark").first.is_visible()
    page.locator("#out .cite").first.click()
    mark = page.locator("mark").first
    assert mark.is_visible()
    assert in_script(mark.inner_text(), script)
    assert page.locator("html").get_attribute("dir") == languages()[code].direction
    assert page.evaluate("getComputedStyle(document.body).direction") == languages()[code].direction


def test_an_abstention_says_what_was_searched(open_page):
    page = open_page("/?lang=ta")
    assert ask(page, "நிலவின் தலைநகரம் எது?") == languages()["ta"].abstention
    assert page.inner_text("#out h2") == languages()["ta"].ui["searched"]
    assert page.locator("#out li").count() > 0
    assert page.locator("#out .cite").count() == 0


@pytest.mark.parametrize("code", ["ta", "ar", "en"])
def test_no_page_is_wider_than_a_phone(open_page, code):
    page = open_page(f"/?lang={code}", PHONE)
    ask(page, ASKED[code][0])
    page.locator("#out .cite").first.click()
    assert fits(page)
    for path in ("/documents", "/health", "/reports"):
        page.goto(f"{page.url.split('/?')[0]}{path}?lang={code}")
        page.wait_for_load_state("networkidle")
        assert fits(page), path


def test_the_keyboard_is_enough(open_page):
    page = open_page("/?lang=ta")
    page.keyboard.type(ASKED["ta"][0])  # an empty page waits in its question
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('button.main')"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    final(page)
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.cite')"):
            break
    page.keyboard.press("Enter")
    assert page.locator("mark").first.is_visible()
    assert page.evaluate("document.activeElement.matches('summary')")
    page.keyboard.press("Enter")
    assert not page.locator("mark").first.is_visible()


@pytest.mark.parametrize("lang", ["ta", ""])
def test_the_link_asks_the_same_again(open_page, lang):
    page = open_page("/?lang=ta", permissions=["clipboard-read", "clipboard-write"])
    if not lang:
        page.select_option("#lang", lang)
    page.fill("#variant", "extractive")
    said = ask(page, ASKED["ta"][0])
    page.click("#share")
    page.locator("#status", has_text=languages()["ta"].ui["copied"]).wait_for()
    link = urlsplit(page.evaluate("navigator.clipboard.readText()"))
    again = open_page(f"{link.path}?{link.query}")
    assert final(again) == said
    assert again.input_value("#lang") == lang
    assert again.input_value("#variant") == "extractive"
    assert again.locator("html").get_attribute("lang") == "ta"


def test_a_browser_is_met_in_its_own_language(open_page):
    page = open_page("/", locale="si-LK")
    assert page.locator("html").get_attribute("lang") == "si"
    assert page.input_value("#lang") == ""


@POPPLER
@TAMIL_FONT
def test_documents_come_answer_and_go(open_page, browser, tmp_path):
    paper = tmp_path / "அருங்காட்சியகம்.pdf"
    printer = browser.new_page()
    printer.set_content(PAPER)
    printer.pdf(path=paper)
    printer.close()
    page = open_page("/documents?lang=ta")
    page.set_input_files("#files", paper)
    page.wait_for_selector("#results li")
    assert page.inner_text("#results li").startswith("✓"), page.inner_text("#results li")
    delete = page.locator("#list li", has_text=paper.name).get_by_role("button")
    delete.wait_for()

    question = "வெண்மணல் அருங்காட்சியகம் எப்போது திறக்கும்?"
    asking = open_page("/?lang=ta")
    assert "ஒன்பது மணிக்கு" in ask(asking, question)
    asking.locator("#out .cite").first.click()
    assert "ஒன்பது" in " ".join(asking.locator("mark").all_inner_texts())
    assert Path(paper.name).stem in asking.inner_text("summary") or "வெண்மணல்" in asking.inner_text("summary")

    page.on("dialog", lambda dialog: dialog.accept())
    delete.click()
    delete.wait_for(state="detached")
    assert "ஒன்பது மணிக்கு" not in ask(open_page("/?lang=ta"), question)


def test_the_status_page_speaks_one_language(open_page):
    page = open_page("/health?lang=si")
    words = languages()["si"].ui
    assert page.inner_text("tr:has-text('ollama') td >> nth=0") == words["unreachable"]
    assert page.inner_text("tr:has-text('openai') td >> nth=0") == words["not_configured"]


def test_an_empty_house_says_so(browser, tmp_path):
    with serving(create_app(Settings(data_dir=tmp_path, cache_answers=0))) as address:
        page = browser.new_page()
        page.goto(f"{address}/documents?lang=ta")
        page.wait_for_selector("#list li")
        assert page.inner_text("#list li") == languages()["ta"].ui["no_documents"]
        page.goto(f"{address}/reports?lang=ta")
        assert languages()["ta"].ui["no_reports"] in page.inner_text("main")
        page.close()


@pytest.mark.parametrize(
    ("code", "typed", "empty", "full"), [("ar", "Nile?", "rtl", "ltr"), ("ta", "مرحبا", "ltr", "rtl")]
)
def test_an_empty_question_begins_on_the_side_of_the_page_and_a_typed_one_on_its_own(
    open_page, code, typed, empty, full
):
    page = open_page(f"/?lang={code}")
    direction = "getComputedStyle(document.querySelector('#q')).direction"
    assert page.evaluate(direction) == empty
    page.fill("#q", typed)
    assert page.evaluate(direction) == full
