"""Real `mlrag serve` processes and a real nginx before them, on 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.support.postgres import free_port

CONF = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "mlrag.conf"
_PATIENCE = 120.0  # seconds for a process to come up or to go
_LOOK = 0.05
_MAIN = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/mlrag.conf;
}}
"""


def nginx() -> str | None:
    """Its path; None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Replica:
    """`mlrag serve` on a port of its own with these settings, running until `close`. Its log lies in `folder`."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        self._environment = {**os.environ, **settings, "MLRAG_DATA_DIR": str(folder), "ORT_DISABLE_TELEMETRY": "1"}

    def start(self) -> None:
        command = [sys.executable, "-m", "mlrag", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    @property
    def ready(self) -> int:
        """The status of /readyz; 0 where nobody answers."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code
        except httpx.HTTPError:
            return 0

    def wait_ready(self) -> None:
        """Raises TimeoutError, and RuntimeError with the log of a process that has ended."""
        until = time.monotonic() + _PATIENCE
        while self.ready != 200:
            if self._process.poll() is not None:
                raise RuntimeError(self.log.read_text(encoding="utf-8", errors="replace")[-2000:])
            if time.monotonic() > until:
                raise TimeoutError(f"{self.url} is not ready")
            time.sleep(_LOOK)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The status it ends with."""
        return self._process.wait(_PATIENCE)

    def restart(self) -> None:
        """As a rollout does it: SIGTERM, wait for its end, start, wait until it is ready."""
        self.terminate()
        self.wait()
        self.start()
        self.wait_ready()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Nginx:
    """The shipped configuration before these replicas, running until `close`."""

    def __init__(self, folder: Path, replicas: Sequence[Replica]) -> None:
        program = nginx()
        assert program is not None
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        conf = CONF.read_text(encoding="utf-8").replace("listen 8080", f"listen 127.0.0.1:{port}")
        for number, replica in enumerate(replicas, 1):
            conf = conf.replace(f"mlrag-{number}:8000", f"127.0.0.1:{replica.port}")
        (folder / "mlrag.conf").write_text(conf, encoding="utf-8")
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder), encoding="utf-8")
        self._process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
        until = time.monotonic() + _PATIENCE
        while not (folder / "nginx.pid").is_file():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "error.log").read_text(encoding="utf-8"))
            time.sleep(_LOOK)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
