"""Files made by the tests: small PDFs and Word documents by hand, a page printed by Chromium if installed."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from html import escape
from pathlib import Path

import pytest


def has_font(lang: str) -> bool:
    listing = shutil.which("fc-list")
    return bool(listing and subprocess.run([listing, f":lang={lang}"], capture_output=True, check=False).stdout)


TAMIL_FONT = pytest.mark.skipif(not has_font("ta"), reason="no Tamil font is installed (Debian: fonts-noto-core)")
POPPLER = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ENCRYPTED = (
    f"/ID [<{'00' * 16}> <{'00' * 16}>] "
    f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{'00' * 32}> /U <{'11' * 32}> /P -4 >>"
)


def write_pdf(path: Path, pages: list[list[tuple[str, str]]], trailer: str = "") -> Path:
    """Pages of lines, each (font name, text in Windows-1252); no font is embedded."""
    objects: list[bytes] = [b"", b""]
    fonts = {}
    for name in sorted({font for page in pages for font, _ in page}):
        objects.append(f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode())
        fonts[name] = len(objects)
    kids = []
    for page in pages:
        drawn = [_line(fonts[font], 780 - 20 * row, text) for row, (font, text) in enumerate(page)]
        stream = b"\n".join(drawn)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        resources = " ".join(f"/F{number} {number} 0 R" for number in fonts.values())
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {len(objects)} 0 R "
            f"/Resources << /Font << {resources} >> >> >>".encode()
        )
        kids.append(f"{len(objects)} 0 R")
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>".encode()
    path.write_bytes(_assembled(objects, trailer))
    return path


def _line(font: int, y: int, text: str) -> bytes:
    escaped = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /F%d 12 Tf 50 %d Td (%s) Tj ET" % (font, y, escaped)


def _assembled(objects: list[bytes], trailer: str) -> bytes:
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + head.encode()


def print_pdf(folder: Path, name: str, paragraphs: list[str]) -> Path:
    """A page as Chromium prints it, fonts embedded."""
    if CHROMIUM is None:
        pytest.skip("no Chromium to print a PDF with")
    source = folder / f"{name}.print.html"
    body = "".join(f"<p dir=auto>{escape(p)}</p>" for p in paragraphs)
    source.write_text(f"<meta charset=utf-8><body>{body}", encoding="utf-8")
    out = folder / f"{name}.pdf"
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--no-pdf-header-footer"]
    command = [CHROMIUM, *quiet, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={out}", str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    source.unlink()
    shutil.rmtree(folder / "profile", ignore_errors=True)
    return out


def write_docx(path: Path, paragraphs: list[str], title: str = "", doctype: str = "", more: str = "") -> Path:
    """A minimal Word document; `more` is XML after the paragraphs."""
    body = "".join(f"<w:p><w:r><w:t>{escape(p, quote=False)}</w:t></w:r></w:p>" for p in paragraphs)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "word/document.xml",
            f'<?xml version="1.0"?>{doctype}<w:document {_W}><w:body>{body}{more}</w:body></w:document>',
        )
        if title:
            archive.writestr(
                "docProps/core.xml", f'<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></c>'
            )
    return path
