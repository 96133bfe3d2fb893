"""The library as a program uses it: the README's example, without the extras that the library does not need."""

import re
import subprocess
import sys
from pathlib import Path

import mlrag

ROOT = Path(__file__).parents[1]
# What only the extras [service], [eval], [documents] and [legacy-fonts] bring.
BLOCKED = (
    *("charset_normalizer", "defusedxml", "fastapi", "jinja2", "langdetect", "lxml", "pandukabhaya"),
    *("prometheus_client", "sacrebleu", "starlette", "tamil_legacy_fonts", "trafilatura", "uvicorn", "watchfiles"),
)


def test_every_public_name_is_there() -> None:
    assert sorted(mlrag.__all__) == mlrag.__all__
    for name in mlrag.__all__:
        assert getattr(mlrag, name).__name__ == name
    assert (ROOT / "mlrag" / "py.typed").is_file()


def test_the_readme_example_runs_with_the_library_alone(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1 and len(blocks[0].splitlines()) <= 12
    block_extras = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
    run = subprocess.run(
        [sys.executable, "-c", block_extras + blocks[0]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["மாத வாடகை 24,000 ரூபாய்."]
