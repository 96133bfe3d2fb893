"""Work fanned out over a Ray cluster: items in, one result for each out, as it comes (extra `ray`).

Ray starts the workers, hands the items out, and tries again what a lost machine had; what Ray gave up is done again
here, item by item, so that one that ends its worker is distinguished from its neighbours.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import pickle
import secrets
import socket
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from mlrag.errors import MlragError, PrivacyError, SettingsError
from mlrag.factory import is_remote
from mlrag.settings import Settings

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]

_BLOCKS = 5000  # tasks of one round at most: each costs the driver about a millisecond
_STARTS = 20  # workers lost in a row while they start, before the whole is given up
_FATAL = logging.CRITICAL + 1
_DONE, _FAILED, _UNFIT = "done", "failed", "unfit"


@dataclass(frozen=True, slots=True)
class TaskResult(Generic[Item, Result]):
    """The result of an item, or the `problem` that kept it from having one."""

    item: Item
    result: Result | None
    problem: str = ""


class UnfitError(MlragError):
    """A worker that would give other results than this machine: another version, another embedder."""

    code = "unfit_worker"


@contextmanager
def connect(address: str, settings: Settings) -> Iterator[None]:
    """Connect to Ray at one of Ray's own addresses: "auto", "local" (a cluster of this machine, until the end of the
    block), "HOST:6379".

    Raises SettingsError without the extra or where no cluster answers, PrivacyError for machines that the settings
    forbid.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # lost workers are reported by us
    if address == "local":  # its ports are open on every network: let nobody else in
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        ray = _ray()
    except ImportError as error:
        raise SettingsError("--ray needs Ray", "install it: pip install 'mlrag[ray]'") from error
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=_FATAL, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SettingsError(f"no Ray cluster at {address!r}: {error}", "start one: ray start --head") from error
    try:
        _keep_private(settings)
        with redirect_stdout(sys.stderr):  # Ray prints about lost machines on stdout, whatever its settings
            yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    """Ray with its data library. Raises ImportError."""
    importlib.import_module("ray.data")
    return importlib.import_module("ray")


def _keep_private(settings: Settings) -> None:
    ray = _ray()
    this_machine = ray.util.get_node_ip_address()
    others = {n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"]} - {this_machine}
    forbidden = sorted(host for host in others if is_remote(host, settings))
    if settings.private and forbidden:
        raise PrivacyError(
            f"Ray would send documents and questions to {', '.join(forbidden)}, and `private` forbids it",
            "name them in `local_hosts` if they are yours, or set private = false",
        )


def count_resources(resource: str = "CPU") -> int:
    """Return how many CPUs, or "GPU"s, the cluster has."""
    return int(_ray().cluster_resources().get(resource, 0))


def put_object(value: object) -> Any:
    """Put a value where every worker can get it with `get_object`."""
    return _ray().put(value)


def get_object(shared: Any) -> Any:
    return _ray().get(shared)


def fan_out(
    items: Sequence[Item],
    make: Callable[[], Work[Item, Result]],
    split: Callable[[Item], list[Item]] = lambda item: [item],
    count: int | None = None,
    threads: int = 1,
    gpus: int = 0,
) -> Iterator[TaskResult[Item, Result]]:
    """Yield every item's result, in the order in which they come.

    `make` is called once in each of `count` workers (one a CPU without) and gives what does an item, `threads` at
    once. Parts (`split`) of an item that fails are done again, each alone, and so is an item whose worker is lost.
    What fails then is a `TaskResult` with the reason, unless another machine was lost meanwhile. Raises UnfitError
    where `make` does.
    """
    fit = _Fit(make, code_hash())
    parts, alone = list(items), False
    while parts:
        nodes = _live_nodes()
        pool = _Pool(count or max(1, count_resources()), 1 if alone else threads, alone, gpus)
        failed = yield from _round(parts, fit, pool)
        parts, last = [], alone and nodes <= _live_nodes()
        for item, problem in failed:
            pieces = split(item)
            if last or (problem and len(pieces) == 1):
                yield TaskResult(item, None, problem or "it ended its worker each time")
            else:
                parts += pieces
        alone = True


@dataclass(frozen=True, slots=True)
class _Pool:
    count: int
    threads: int
    alone: bool  # no item waits at a worker that another may end
    gpus: int


def _live_nodes() -> set[str]:
    return {n["NodeID"] for n in _ray().nodes() if n["Alive"]}


def _round(
    items: Sequence[Item], fit: _Fit, pool: _Pool
) -> Generator[TaskResult[Item, Result], None, list[tuple[Item, str]]]:
    """Do each item once; return those that failed, with the reason, "" where the worker was lost."""
    failed = dict.fromkeys(range(len(items)), "")
    for row in _dataset(items, fit, pool).iter_rows():
        kind, content = pickle.loads(row["reply"])
        number = row["number"]
        if kind == _UNFIT:
            raise UnfitError(*content)
        if kind == _FAILED:
            failed[number] = content
        elif failed.pop(number, None) is not None:
            yield TaskResult(items[number], content)
    return [(items[number], problem) for number, problem in failed.items()]


def _dataset(items: Sequence[Item], fit: _Fit, pool: _Pool) -> Any:
    ray = _ray()
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1
    context.max_consecutive_actor_init_deaths = _STARTS
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(_FATAL)
    count = min(pool.count, len(items))
    strategy = ray.data.ActorPoolStrategy(
        min_size=1,  # so that workers that wait for a lost machine get one that is idle
        max_size=count,
        initial_size=count,
        max_tasks_in_flight_per_actor=1 if pool.alone else None,
        max_concurrent_calls_per_actor=pool.threads,
        enable_true_multi_threading=pool.threads > 1,
    )
    rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
    data = ray.data.from_items(rows, override_num_blocks=min(len(rows), _BLOCKS))
    with warnings.catch_warnings():
        # No named parameter says how often; without a limit an item that ends its worker ends workers for ever.
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        return data.map(
            _Worker,
            fn_constructor_args=(fit,),
            compute=strategy,
            num_cpus=None if pool.gpus else 1,
            num_gpus=pool.gpus or None,
            max_restarts=-1,
            max_task_retries=0 if pool.alone else 1,  # an item that may end its worker is no reason to give up others
        )


@dataclass(frozen=True, slots=True)
class _Fit:
    """Makes the work in a worker that runs the same code as this machine."""

    make: Callable[[], Work[Any, Any]]
    code: str

    def __call__(self) -> Work[Any, Any]:
        if code_hash() != self.code:
            raise UnfitError("its mlrag is not the one of this machine", "install the same version on every machine")
        return self.make()


class _Worker:
    """Runs in a process of Ray. Errors travel back as replies: raising would end the worker."""

    def __init__(self, fit: _Fit) -> None:
        self._unfit: tuple[str, str] | None = None
        try:
            self._work = fit()
        except MlragError as error:
            self._unfit = f"the worker on {socket.gethostname()} is of no use: {error.message}", error.hint

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"number": row["number"], "reply": self._reply(row["item"])}

    def _reply(self, item: bytes) -> bytes:
        if self._unfit:
            return pickle.dumps((_UNFIT, self._unfit))
        try:
            return pickle.dumps((_DONE, self._work(pickle.loads(item))))
        except MlragError as error:
            return pickle.dumps((_FAILED, str(error)))
        except Exception as error:  # one item that breaks something must not take the others with it
            return pickle.dumps((_FAILED, f"{type(error).__name__}: {error}"))


@cache
def code_hash() -> str:
    """Return SHA-256 of mlrag's code, packs and calibration, as it is installed here."""
    root, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(p for kind in ("*.py", "*.json", "*.toml") for p in root.rglob(kind)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
