"""A Ray cluster of three nodes in the network namespace of this process, and what mlrag does on it; prints JSON.

`tests/ingest/test_ray.py` starts it, since a cluster needs a namespace where 127.0.0.1 is the only address. One
document is slow to embed, one ends the process that embeds it, and questions are answered by stand-in servers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Console

from eval.runner.prepare import load_data
from eval.tiers import run_variants
from mlrag.cli.index import index_paths
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import Indexes, stores
from mlrag.index.serialize import checksum
from mlrag.ingest import on_ray as cluster_indexing
from mlrag.ingest.index_documents import EmbeddedDocument
from mlrag.ingest.on_ray import Batch, EmbedderFactory
from mlrag.settings import Settings
from mlrag.testing import FakeOllama
from tests.support.postgres import PostgresNode, missing, url

QUIET = Console(stderr=True)
EACH = 32  # documents a language
WORDS = {
    "en": "Bridge {0} over the river was built in {1} and is {0} metres long.",
    "ta": "ஆற்றின் மீதான பாலம் {0} {1} இல் கட்டப்பட்டது. அதன் நீளம் {0} மீட்டர்.",
    "zh": "河上的第{0}座桥建于{1}年，全长{0}米。",
    "ar": "بُني الجسر {0} على النهر عام {1} وطوله {0} مترا.",
}
QUESTIONS = {"ta": "பாலம் {0} எப்போது கட்டப்பட்டது?", "ar": "متى بُني الجسر {0}؟"}


@dataclass(frozen=True, slots=True)
class Troubled(EmbedderFactory):
    """Embeds as `EmbedderFactory` does, slowly, "straggler" very slowly; its process does not outlive "poison"."""

    def __call__(self) -> Callable[[Batch], list[EmbeddedDocument]]:
        work = EmbedderFactory(self.settings, self.name, self.engine)()

        def embed(batch: Batch) -> list[EmbeddedDocument]:
            texts = " ".join(d.text for d in batch)
            if "poison" in texts:
                os._exit(1)
            time.sleep(2 if "straggler" in texts else 0.2 * (len(batch) > 1))
            return work(batch)

        return embed


def write_documents(folder: Path) -> None:
    folder.mkdir()
    for lang in ("ta", "zh"):
        for n in range(EACH):
            text = WORDS[lang].format(n, 1800 + n) + (" straggler" if lang == "zh" and n == 20 else "")
            (folder / f"{lang}{n}.md").write_text(f"---\nlang: {lang}\n---\n{text}\n", encoding="utf-8")


def write_suite(folder: Path) -> Path:
    """A set in the plain format: bridges in Tamil and Arabic, asked when they were built."""
    folder.mkdir()
    for lang, asked in QUESTIONS.items():
        numbers = range(100, 112)
        passages = [{"pid": f"p{n}", "lang": lang, "text": WORDS[lang].format(n, 1800 + n)} for n in numbers]
        gold = {n: {"answers": [str(1800 + n)], "gold_pids": [f"p{n}"]} for n in numbers}
        questions = [{"qid": f"q{n}", "lang": lang, "question": asked.format(n)} | gold[n] for n in numbers]
        for name, rows in (("passages", passages), ("questions", questions)):
            lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
            (folder / f"bridges-{lang}.{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def held(data: Path) -> dict[str, list[Any]]:
    return contents(FolderIndexes(data / "index"))


def contents(indexes: Indexes) -> dict[str, list[Any]]:
    """By language: documents, commit and the checksum over all that the store keeps."""
    found = {
        lang: [s.counts().documents, s.commit, checksum(s.pack_documents(sorted(d.id for d in s.list_sources())))]
        for lang, s in stores(indexes).items()
    }
    indexes.close()
    return found


def on_a_server(address: str, docs: Path, work: Path) -> dict[str, Any]:
    """Index into PostgreSQL, lose its primary in mid-run, promote its standby; what that holds then and at the end."""
    from mlrag.index.postgres.indexes import PostgresIndexes

    with PostgresNode() as primary, PostgresNode(of=primary) as standby:
        primary.wait_for_standby()
        settings = Settings(data_dir=work / "server", store_url=url(primary, standby))
        both, at_kill = PostgresIndexes(url(primary, standby)), []

        def there() -> int:
            return sum(s.counts().documents for s in stores(both).values())

        def lose() -> None:
            wait_for(lambda: there() > 0)
            primary.kill()
            at_kill.append(there())
            standby.promote()

        loser = Thread(target=lose)
        loser.start()
        index(address, docs, settings)
        loser.join()
        return {"at_kill": at_kill[0], "held": contents(both)}


def documents(data: Path) -> int:
    return sum(s.counts().documents for s in stores(FolderIndexes(data / "index")).values())


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)


def killed_driver(address: str, docs: Path, data: Path) -> int:
    """Index in a process that is killed in mid-run; the documents that are stored."""
    command = [sys.executable, "-m", "tests.support.ray_nodes", "index", address, str(docs), str(data)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: documents(data) >= 16)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return documents(data)


def index(address: str, docs: Path, settings: Settings) -> tuple[list[str], str]:
    """What was skipped, and the last line that a person reads."""
    cluster_indexing.EmbedderFactory = Troubled  # type: ignore[misc]
    said = StringIO()
    problems = index_paths(settings, [docs], None, Console(file=said), ray=address)
    return problems, said.getvalue().splitlines()[-1]


def troubled(address: str, docs: Path, data: Path, lose_node: Callable[[], None]) -> dict[str, Any]:
    """Index the rest, with a poisoned and a broken file, and lose a node in mid-run."""
    (docs / "poison.md").write_text("---\nlang: ta\n---\nபாலம் poison.\n", encoding="utf-8")
    (docs / "broken.docx").write_bytes(b"not a zip")
    before = documents(data)

    def lose() -> None:
        wait_for(lambda: documents(data) > before)
        lose_node()

    loser = Thread(target=lose)
    loser.start()
    problems, said = index(address, docs, Settings(data_dir=data))
    loser.join()
    return {"problems": problems, "said": said, "held": held(data)}


def tiers(address: str, work: Path) -> dict[str, Any]:
    """One run on this machine and one on the cluster, over two hosts of which one dies; then the second once more."""
    suite = write_suite(work / "suite")
    with FakeOllama() as one, FakeOllama() as living:
        dying = FakeOllama(fault=lambda number: "crash" if number >= 3 else "")
        with dying:
            ask(work / "here", suite, [one.url], "")
            hosts = [living.url, dying.url]
            Thread(target=lambda: (wait_for(lambda: len(dying.requests) >= 3), dying._server.server_close())).start()
            ask(work / "there", suite, hosts, address)
            calls = len(living.requests), len(dying.requests)
            ask(work / "there", suite, hosts, address)
            repeated = len(living.requests) - calls[0]
        return {"calls": [len(one.requests), *calls], "repeated": repeated}


def ask(data: Path, suite: Path, hosts: list[str], address: str) -> None:
    settings = Settings(data_dir=data, concurrency=2)
    questions = load_data(settings, suite, None, None)
    run, _ = run_variants(settings, questions, ["e4b"], None, QUIET, hosts=hosts, ray=address)
    (data / "run").write_text(str(run.rows.folder), encoding="utf-8")


def main(work: Path) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 100 * 2**20}
    lost_after = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_timeout_ms": 2000}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": lost_after, **memory}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=1, **memory) for _ in range(2)]
    found: dict[str, Any] = {"tiers": tiers(cluster.address, work)}
    docs, data = work / "docs", work / "var"
    write_documents(docs)
    index_paths(Settings(data_dir=work / "alone"), [docs], None, QUIET)
    found["alone"] = held(work / "alone")
    found["server"] = on_a_server(cluster.address, docs, work) if not missing() else None
    found["stored_at_kill"] = killed_driver(cluster.address, docs, data)
    found |= troubled(cluster.address, docs, data, lambda: cluster.remove_node(nodes[1], allow_graceful=False))
    print(json.dumps(found))  # noqa: T201
    cluster.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "index":
        index(sys.argv[2], Path(sys.argv[3]), Settings(data_dir=Path(sys.argv[4])))
    else:
        main(Path(sys.argv[1]))
