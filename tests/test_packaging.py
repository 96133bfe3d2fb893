"""What `pyproject.toml` promises: tested versions, and a wheel that holds the library alone."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = (Path(__file__).parents[1] / "constraints.txt").read_text(encoding="utf-8")


def requirements() -> list[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]


def test_lower_bounds_are_versions_that_were_tested() -> None:
    """A bound is the beginning of a pinned version: `numpy>=2.4` where constraints.txt pins 2.4.6."""
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", CONSTRAINTS, re.MULTILINE):
        pinned.setdefault(name, []).append(version)
    bounds = [m.groups() for line in requirements() if (m := re.match(r"([a-z0-9-]+)(?:\[[a-z,]+\])?>=([\d.]+)", line))]
    assert len(bounds) > 30
    for name, bound in bounds:
        assert any(f"{version}.".startswith(f"{bound}.") for version in pinned[name]), (name, bound, pinned[name])


def test_the_wheel_holds_the_library_alone() -> None:
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["mlrag"]}
