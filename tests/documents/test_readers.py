"""Every format gives the text that was put into it, in every script."""

import json
import sys

import pytest
from tamil_legacy_fonts import encoding_for_font

from mlrag.documents.chunking import chunk
from mlrag.documents.language_runs import find_language_runs
from mlrag.documents.readers import Limits, Sandbox, load, load_unsandboxed, read_document, read_documents
from mlrag.documents.readers.legacy_fonts import find_legacy_font
from mlrag.errors import DocumentError
from mlrag.languages import language
from tests.conftest import CORPORA
from tests.support.files import ENCRYPTED, POPPLER, has_font, print_pdf, write_docx, write_pdf

TEXTS = {
    "ta": "நைல் ஆறு 6,650 கிலோமீட்டர் நீளமானது. அது ஸ்ரீலங்காவில் இல்லை, எகிப்தில் பாய்கிறது.",
    "si": "නයිල් ගඟ කිලෝමීටර් 6,650ක් දිගයි. එය ශ්‍රී ලංකාවේ නොව ඊජිප්තුවේ ගලා බසියි.",
    "ar": "يبلغ طول نهر النيل 6650 كيلومترا. ويجري في مصر ويصب في البحر المتوسط.",
    "hi": "नील नदी 6,650 किलोमीटर लंबी है। यह मिस्र में बहती है और भूमध्य सागर में गिरती है।",
    "zh": "尼罗河全长6650公里。它流经埃及，注入地中海，是世界上最长的河流之一。",
    "en": "The Nile is 6,650 kilometres long. It flows through Egypt into the Mediterranean Sea.",
}
SECOND = {
    "ta": "பழங்கால எகிப்தியர்கள் அதன் கரைகளில் கோதுமை பயிரிட்டனர்.",
    "si": "පැරණි ඊජිප්තුවරු එහි ඉවුරුවල තිරිඟු වැව්වෝය.",
    "ar": "زرع المصريون القدماء القمح على ضفافه.",
    "hi": "प्राचीन मिस्र के लोग इसके किनारे गेहूँ उगाते थे।",
    "zh": "古埃及人在河岸上种植小麦。",
    "en": "The ancient Egyptians grew wheat on its banks.",
}
all_scripts = pytest.mark.parametrize("lang", list(TEXTS))


def joined(text):
    return " ".join(text.split())


@all_scripts
@pytest.mark.parametrize("suffix", [".txt", ".md"])
def test_text_and_markdown_are_read_as_they_are(tmp_path, lang, suffix):
    path = tmp_path / f"nile{suffix}"
    path.write_text(f"{TEXTS[lang]}\n\n{SECOND[lang]}\n", encoding="utf-8")
    found = read_document(path)
    assert (found.text, found.lang, found.id) == (f"{TEXTS[lang]}\n\n{SECOND[lang]}", lang, path.name)


@all_scripts
def test_html_gives_its_main_text_and_title(tmp_path, lang):
    path = tmp_path / "nile.html"
    menu = "".join(f"<li><a href='/{n}'>menu {n}</a></li>" for n in range(30))
    body = f"<nav><ul>{menu}</ul></nav><article><h1>Nile</h1><p>{TEXTS[lang]}</p><p>{SECOND[lang]}</p></article>"
    script = "<script>var hidden = 'hidden';</script>"
    path.write_text(f"<html><head><meta charset=utf-8><title>Nile {lang}</title>{script}</head><body>{body}", "utf-8")
    found = load_unsandboxed(path, lang).documents[0]
    assert TEXTS[lang] in found.text
    assert SECOND[lang] in found.text
    assert "menu 7" not in found.text
    assert "hidden" not in found.text
    assert found.title == f"Nile {lang}"


@all_scripts
def test_word_documents_give_paragraphs_and_tables(tmp_path, lang):
    cell = f"<w:p><w:r><w:t>{SECOND[lang]}</w:t></w:r></w:p>"
    deleted = "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    table = f"<w:tbl><w:tr><w:tc>{cell}</w:tc></w:tr></w:tbl>{deleted}"
    found = load_unsandboxed(
        write_docx(tmp_path / "nile.docx", [TEXTS[lang]], "Nile & Co".replace("&", "&amp;"), more=table)
    )
    document = found.documents[0]
    assert (document.text, document.lang, document.title) == (f"{TEXTS[lang]}\n\n{SECOND[lang]}", lang, "Nile & Co")


@all_scripts
@POPPLER
def test_a_printed_pdf_is_read_exactly(tmp_path, lang):
    if not has_font(lang):
        pytest.skip(f"no font for {lang} is installed (Debian: fonts-noto-core, fonts-noto-cjk)")
    found = load_unsandboxed(print_pdf(tmp_path, "nile", [TEXTS[lang], SECOND[lang]])).documents[0]
    assert joined(found.text).replace(" ", "") == f"{TEXTS[lang]}{SECOND[lang]}".replace(" ", "")
    assert found.lang == lang
    assert not set(found.text) & set("\u202a\u202b\u202c\u200e\u200f")


@all_scripts
def test_a_table_with_a_text_column_is_a_document_a_row(tmp_path, lang):
    path = tmp_path / "nile.csv"
    path.write_text(f'id,Title,text,year\na,T,"{TEXTS[lang]}",1\n,,"{SECOND[lang]}",\n', encoding="utf-8")
    first, second = load_unsandboxed(path).documents
    assert (first.id, first.title, first.text, first.lang) == ("a", "T", TEXTS[lang], lang)
    assert (second.id, second.text, second.lang) == ("nile.csv#3", SECOND[lang], lang)
    assert first.meta == {"year": "1"}


@all_scripts
def test_another_table_is_one_document_of_named_cells(tmp_path, lang):
    path = tmp_path / "rivers.csv"
    path.write_text(f'River;Words\nNile;"{TEXTS[lang]}"\nNile 2;"{SECOND[lang]}"\n', encoding="utf-8")
    found = load_unsandboxed(path, lang).documents[0]
    assert found.text == f"River: Nile\nWords: {TEXTS[lang]}\n\nRiver: Nile 2\nWords: {SECOND[lang]}"


@all_scripts
def test_jsonl_is_a_document_a_line_and_names_what_it_leaves_out(tmp_path, lang):
    path = tmp_path / "nile.jsonl"
    rows = [{"id": "a", "title": "T", "text": TEXTS[lang], "lang": lang, "page": 7}, {"text": SECOND[lang]}]
    broken = ["{", "[1]", '{"id": "b"}', json.dumps({"id": "a", "lang": lang, "text": "again"})]
    path.write_text("\n".join([*map(json.dumps, rows), *broken]), encoding="utf-8")
    loaded = load_unsandboxed(path)
    assert [(d.id, d.text, d.lang, d.detected) for d in loaded.documents] == [
        ("a", TEXTS[lang], lang, False),
        ("nile.jsonl#2", SECOND[lang], lang, True),
    ]
    skipped = [warning.split(": ")[0].split(", ")[1] for warning in loaded.warnings]
    assert skipped == ["row 5 skipped", "row 6 skipped", "line 3 skipped", "line 4 skipped"]


@pytest.mark.parametrize(
    ("lang", "encoding"),
    [
        ("ta", "utf-16"),
        ("si", "utf-16-le"),
        ("ar", "utf-8-sig"),
        ("ar", "cp1256"),
        ("hi", "utf-16-be"),
        ("zh", "gb18030"),
        ("ja", "shift_jis"),
        ("ko", "euc-kr"),
        ("de", "cp1252"),
    ],
)
def test_any_encoding_is_recognised(tmp_path, lang, encoding):
    text = (
        next(read_documents([CORPORA / lang], lang)).text.encode(encoding, "ignore").decode(encoding).lstrip("\ufeff")
    )
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    loaded = load_unsandboxed(tmp_path / "a.txt")
    assert loaded.documents[0].text == text.strip()
    assert loaded.documents[0].lang == lang
    assert bool(loaded.warnings) == (not encoding.startswith("utf"))


def test_a_page_in_the_encoding_it_declares(tmp_path):
    page = f"<meta charset='gb2312'><body><article><p>{TEXTS['zh']}</p></article>"
    (tmp_path / "a.html").write_bytes(page.encode("gb2312"))
    loaded = load_unsandboxed(tmp_path / "a.html")
    assert TEXTS["zh"] in loaded.documents[0].text


def test_mojibake_is_reported_and_a_whole_text_of_it_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"{TEXTS['en']} " * 5 + "Un cafÃ© Ã  Paris", encoding="utf-8")
    assert "Ã©" in load_unsandboxed(path, "en").warnings[0]
    path.write_text("Good \ufffd text. " + TEXTS["en"], encoding="utf-8")
    assert "U+FFFD" in load_unsandboxed(path).warnings[0]
    for lang in ("ta", "si", "ar", "zh"):
        path.write_text(TEXTS[lang].encode().decode("latin-1"), encoding="utf-8")
        with pytest.raises(DocumentError, match="misread"):
            load_unsandboxed(path)
    for good in ("Él dijo «CAFÉ» y Über allem ist Ruh.", "İstanbul’da “çığ” düştü — Ağrı", *TEXTS.values()):
        path.write_text(good, encoding="utf-8")
        assert load_unsandboxed(path, "es").warnings == ()


@POPPLER
def test_pages_are_known_and_pages_without_text_reported(tmp_path):
    pages = [[], [("Helvetica", TEXTS["en"])], [], [("Helvetica", SECOND["en"])]]
    loaded = load_unsandboxed(write_pdf(tmp_path / "a.pdf", pages))
    document = loaded.documents[0]
    starts = document.meta["pages"]
    assert document.text[starts[1] :].startswith("The Nile")
    assert document.text[starts[3] :] == SECOND["en"]
    assert "2 of 4 pages have no text, perhaps scans: 1, 3" in loaded.warnings[0]


@POPPLER
@pytest.mark.parametrize(
    ("pages", "trailer", "said"),
    [([[], []], "", "no text on its 2 pages: it is scanned"), ([[("Helvetica", "x")]], ENCRYPTED, "password")],
)
def test_scanned_and_encrypted_pdfs_are_refused(tmp_path, pages, trailer, said):
    with pytest.raises(DocumentError, match=said):
        load_unsandboxed(write_pdf(tmp_path / "a.pdf", pages, trailer))


@POPPLER
@pytest.mark.parametrize(
    ("font", "typed", "text", "lang", "family"),
    [  # examples of the converters' own pages, and Sinhala words with signs before their letter
        ("FMAbhaya", "Y%S ,xld", "ශ්‍රී ලංකා", "si", "FM"),
        ("FMAbhaya", "YS% ,xld fma%uh ffjoH", "ශ්‍රී ලංකා ප්‍රේමය වෛද්‍ය", "si", "FM"),
        ("ABCDEF+Bamini", "jkpo; md;G", "தமிழ் அன்பு", "ta", "Bamini"),
        ("SHREE-TAM7-0800", "uªÌ", "தமிழ்", "ta", "Shree-Lipi"),
    ],
)
def test_text_in_legacy_fonts_is_converted_and_marked(tmp_path, font, typed, text, lang, family):
    loaded = load_unsandboxed(write_pdf(tmp_path / "a.pdf", [[(font, typed), ("Helvetica", "Page 7")]]))
    document = loaded.documents[0]
    assert (document.text, document.lang) == (f"{text}\nPage 7", lang)
    assert document.meta["converted_from"] == family
    assert family in loaded.warnings[0]


@POPPLER
@pytest.mark.parametrize(
    ("font", "tool"), [("KrutiDev010", "hinlegacy"), ("Preeti", "npttf2utf"), ("TSCu_Paranar", "open-tamil")]
)
def test_a_legacy_font_without_a_checked_table_is_refused_with_a_tool_named(tmp_path, font, tool):
    with pytest.raises(DocumentError, match=tool):
        load_unsandboxed(write_pdf(tmp_path / "a.pdf", [[(font, "abc def")]]))


@pytest.mark.parametrize("package", ["pandukabhaya", "tamil_legacy_fonts"])
def test_a_legacy_font_without_its_extra_names_the_extra(monkeypatch, package):
    find_legacy_font.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    fonts = {"pandukabhaya": ["FMAbhaya"], "tamil_legacy_fonts": ["ABCDEF+Bamini", "SHREE-TAM7-0800"]}[package]
    for name in fonts:
        font = find_legacy_font(name)
        assert font.convert is None
        assert "pip install 'mlrag[legacy-fonts]'" in font.fix
    find_legacy_font.cache_clear()


def test_names_of_converted_fonts_are_those_that_the_converter_knows():
    known = ["Baamini", "Bamini", "Baami", "Kalaham", "Tharmini", "Geethapria", "NCTsunami", "NCEdisan"]
    known += ["SHREE-TAM7-0803", "SHREE-TAM7-1316-SC700"]
    for name in (*known, "SHREE-TAM-0800", "SHREE-TAM7-0801", "Helvetica", "Lohit-Tamil"):
        font = find_legacy_font(name)
        assert bool(encoding_for_font(name)) == bool(font and font.convert), name
    assert find_legacy_font("FM-Malithi").script == "Sinhala"
    assert find_legacy_font("Bamini").convert("jkpo;") == "தமிழ்"


@pytest.mark.parametrize(
    ("name", "package", "data"),
    [
        ("a.html", "trafilatura", b"<p>The Nile is a river.</p>"),
        ("a.txt", "charset_normalizer", "Der Fluß fließt durch Köln.".encode("cp1252")),
    ],
)
def test_a_file_whose_reader_is_not_installed_names_the_extra(tmp_path, monkeypatch, name, package, data):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DocumentError, match=rf"{package}.*pip install 'mlrag\[documents\]'"):
        load_unsandboxed(tmp_path / name)


def test_a_missing_pdftotext_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DocumentError, match="apt install poppler-utils"):
        load_unsandboxed(write_pdf(tmp_path / "a.pdf", [[("Helvetica", "x")]]))


def test_a_page_without_main_text_gives_all_that_is_visible(tmp_path):
    (tmp_path / "a.html").write_text(f"<body><a href=x>{TEXTS['si']}</a><style>p {{}}</style>", encoding="utf-8")
    assert load_unsandboxed(tmp_path / "a.html").documents[0].text == TEXTS["si"]


def test_passages_of_a_mixed_document_are_in_their_own_language(tmp_path):
    paragraphs = [TEXTS["ta"], SECOND["ta"], TEXTS["en"], SECOND["en"], "1867", TEXTS["zh"], TEXTS["ta"]]
    path = tmp_path / "mixed.txt"
    path.write_text("\n\n".join(paragraphs), encoding="utf-8")
    document = load_unsandboxed(path).documents[0]
    passages = chunk(document, language("ta"))
    assert document.lang == "ta"
    assert [p.lang for p in passages] == ["ta", "en", "zh", "ta"]
    assert all(document.text[p.start : p.end] == p.text for p in passages)
    assert len({p.id for p in passages}) == 4
    given = load_unsandboxed(path, "ta").documents[0]
    assert {p.lang for p in chunk(given, language("ta"))} == {"ta"}


def test_starter_documents_are_each_in_one_language():
    for code in ("ta", "si", "es", "pt", "hi", "ne", "zh", "ja", "ar", "en"):
        for document in read_documents([CORPORA / code], code):
            assert {r.lang for r in find_language_runs(document.text, code)} == {code}


@pytest.mark.parametrize("suffix", [".docx", ".html", ".jsonl"])
def test_the_sandbox_reads_what_this_process_reads(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".docx":
        write_docx(path, [TEXTS["ta"]])
    else:
        path.write_text(json.dumps({"text": TEXTS["ta"]}, ensure_ascii=False), encoding="utf-8")
    with Sandbox(Limits()) as sandbox:
        assert load(path, sandbox) == load_unsandboxed(path)
