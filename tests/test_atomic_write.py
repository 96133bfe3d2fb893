"""Files are replaced whole, whoever else writes them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlrag.atomic_write import atomic_write


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    atomic_write(path, "விசை 鍵 مفتاح\r\n")
    with pytest.raises(UnicodeEncodeError):
        atomic_write(path, "\ud800")
    assert path.read_bytes().decode("utf-8") == "விசை 鍵 مفتاح\r\n"
    assert [p.name for p in tmp_path.iterdir()] == ["keys.json"]


def test_many_writers_never_mix_their_content(tmp_path: Path) -> None:
    path = tmp_path / "route.json"
    texts = [str(number) * 50_000 for number in range(8)]

    def write_and_read(text: str) -> str:
        atomic_write(path, text)
        return path.read_text(encoding="utf-8")

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(write_and_read, texts * 10))
    assert set(seen) <= set(texts)
    assert [p.name for p in tmp_path.iterdir()] == ["route.json"]
