"""What users install: two wheels, in an environment of their own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("base", "events", "triggers", "automations", "engine", "server")

Ensue = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, ROOT / "sdk"):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        subprocess.run(build, cwd=project, check=True, capture_output=True)
    return {wheel.name.partition("-")[0]: wheel for wheel in out.glob("*.whl")}


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with both wheels; what they depend on is lent by this one.

    A path that a .pth file names is searched, but its own .pth files are not: the editable
    installs of the checkout stay out.
    """
    place = tmp_path_factory.mktemp("environment")
    uv = [sys.executable, "-m", "uv", "--quiet", "--offline", "--no-config"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(place)], check=True)
    python = str(place / "bin" / "python")
    files = [str(wheel) for wheel in wheels.values()]
    subprocess.run([*uv, "pip", "install", "--no-deps", "--python", python, *files], check=True)
    (packages(place) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


@pytest.fixture
def ensue(environment: Path, tmp_path: Path) -> Ensue:
    def ensue(*args: str) -> subprocess.CompletedProcess[str]:
        command = [str(environment / "bin" / "ensue"), *args]
        clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        return subprocess.run(
            command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )

    return ensue


def packages(place: Path) -> Path:
    return next((place / "lib").glob("python*")) / "site-packages"


def test_only_two_packages_land_in_site_packages(environment: Path) -> None:
    landed = {
        entry.name
        for entry in packages(environment).iterdir()
        if entry.is_dir() and not entry.name.endswith((".dist-info", "__pycache__"))
    }
    assert landed == {"ensue", "ensue_server"}


def test_the_server_brings_every_module_of_every_floor(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["ensue_server"]) as wheel:
        brought = {name for name in wheel.namelist() if "_floors" in name}
    written = {
        f"ensue_server/_floors/{path.relative_to(ROOT)}"
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and not {"__pycache__", "bootstrap"} & set(path.parts)
    }
    assert brought == written


@pytest.mark.parametrize("name", ["ensue", "ensue_server"])
def test_each_wheel_carries_the_licence(wheels: dict[str, Path], name: str) -> None:
    with zipfile.ZipFile(wheels[name]) as wheel:
        assert any(entry.endswith("/LICENSE") for entry in wheel.namelist())


def test_the_sdk_brings_its_types_and_nothing_of_the_server(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["ensue"]) as wheel:
        names = wheel.namelist()
    assert "ensue/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ensue"}


def test_the_installed_command_says_its_version(ensue: Ensue) -> None:
    made = ensue("--version")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("ensue 0.")


@pytest.mark.parametrize(
    "command", ["init", "serve", "lint", "test", "schema", "db", "doctor", "import"]
)
def test_the_commands_of_the_server_are_there(ensue: Ensue, command: str) -> None:
    made = ensue(command, "--help")
    assert (made.returncode, made.stderr) == (0, "")
    assert f"ensue {command}" in made.stdout


def test_a_package_of_the_same_name_as_a_floor_is_not_met(environment: Path, ensue: Ensue) -> None:
    foreign = packages(environment) / "events"
    foreign.mkdir()
    try:
        (foreign / "__init__.py").write_text("raise SystemExit('the wrong events')\n")
        made = ensue("serve", "--help")
    finally:
        (foreign / "__init__.py").unlink()
        foreign.rmdir()
    assert made.returncode == 0, made.stderr


def test_the_floors_are_not_on_the_path_of_whoever_imports_the_sdk(environment: Path) -> None:
    code = "import ensue, ensue_server, sys; print([p for p in sys.path if '_floors' in p])"
    made = subprocess.run(
        [str(environment / "bin" / "python"), "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == "[]\n"
