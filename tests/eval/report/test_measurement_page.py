"""docs/measurement.md speaks of every column that a report shows."""

import pytest

from eval.report.tables import COLUMNS, DETAIL_TITLES
from tests.conftest import HOUSE

PAGE = (HOUSE / "docs" / "measurement.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("title", [*(title for _, title in COLUMNS), *DETAIL_TITLES])
def test_the_page_defines_every_column(title):
    assert f"| {title} |" in PAGE or f"`{title}`" in PAGE or f", {title} |" in PAGE or f"| {title}," in PAGE
