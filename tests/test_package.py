"""What is installed: the wheel and the sdist hold all that is needed, and say what they need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.cli.shell import environment
from vlcorpus import __version__, assets

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]

# Not imported, and declared all the same.
ASKED_FOR = {
    "duckdb": "what people query our tables with",
    "pandas": "what people open our tables with",
    "requests": "what people fetch our lists with",
    "rich": "what typer formats its help with",
    "webdataset": "what people read our shards with",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from the sdist alone."""
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(REPOSITORY), cwd=out)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel, and nothing else, is installed into."""
    site = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(site))
    _run(sys.executable, "-m", "pip", "install", *options, str(_wheel(built)), cwd=site)
    return site


def _run(*command: str, cwd: Path, site: Path | None = None) -> str:
    env = environment() | {"PYTHONPATH": str(site) if site else "", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def _sources(folder: str, ending: str) -> set[str]:
    return {each.name for each in (REPOSITORY / folder).glob(f"*{ending}")}


def test_the_wheel_holds_package_recipes_and_schemas_and_nothing_else(built: Path) -> None:
    assert _wheel(built).name == f"vlcorpus-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(_wheel(built)) as wheel:
        names = set(wheel.namelist())
        about = f"vlcorpus-{__version__}.dist-info"
        assert "vlcorpus = vlcorpus.cli.main:main" in wheel.read(f"{about}/entry_points.txt").decode()
    modules = {str(each.relative_to(REPOSITORY)) for each in (REPOSITORY / "vlcorpus").rglob("*.py")}
    static = {str(each.relative_to(REPOSITORY)) for each in (REPOSITORY / "vlcorpus/serve/static").iterdir()}
    assert "vlcorpus/serve/static/index.html" in static
    wanted = modules | static | {"vlcorpus/py.typed"}
    wanted |= {f"vlcorpus/_pipelines/{name}" for name in _sources("pipelines", ".yaml")}
    wanted |= {f"vlcorpus/_schemas/{name}" for name in _sources("schemas", ".json")}
    wanted |= {f"vlcorpus/_suites/{name}" for name in _sources("suites", ".yaml")}
    assert {name for name in names if not name.startswith(about)} == wanted


def test_the_sdist_holds_what_the_tests_and_docs_are_made_of(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in (
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "docs/cli.md",
        "docs/generate.py",
        "tests/test_package.py",
    ):
        assert name in names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".git/", "demo/"))]


def test_the_wheel_works_away_from_its_source(installed: Path, tmp_path: Path) -> None:
    code = "import vlcorpus, vlcorpus.assets as assets; print(vlcorpus.__file__, *assets.recipes().values(), sep='\\n')"
    package, *recipes = _run(sys.executable, "-c", code, cwd=tmp_path, site=installed).splitlines()
    assert Path(package).is_relative_to(installed)
    assert [Path(each).name for each in recipes] == [each.name for each in assets.recipes().values()]
    assert all(Path(each).is_relative_to(installed / "vlcorpus" / "_pipelines") for each in recipes)
    script = str(installed / "bin" / "vlcorpus")
    assert "Build image-text corpora" in _run(script, "--help", cwd=tmp_path, site=installed)
    listing = _run(script, "recipes", cwd=tmp_path, site=installed)
    assert all(re.search(rf"^{name}\b", listing, re.MULTILINE) for name in assets.recipes())
    assert "similarity" in _run(script, "schema", cwd=tmp_path, site=installed)
    (tmp_path / "urls.csv").write_text("url\nhttps://example.org/a.jpg\n")
    _run(script, "import", "birds", "urls.csv", cwd=tmp_path, site=installed)
    assert (tmp_path / "birds" / "candidates" / "00000.parquet").is_file()


def _imported(folder: str) -> set[str]:
    """Names of the distributions that the modules below a folder import from."""
    top = {
        name.partition(".")[0]
        for path in (REPOSITORY / folder).rglob("*.py")
        for name in _imports(ast.parse(path.read_text("utf-8")))
    }
    foreign = top - set(sys.stdlib_module_names) - {"vlcorpus", "tests"}
    owners = packages_distributions()
    local = {each.stem for each in (REPOSITORY / folder).rglob("*.py")}
    missing = {name for name in foreign if name not in owners} - local
    assert not missing, f"imported below {folder}/ but not installed: {missing}"
    return {_plain(owners[name][0]) for name in foreign if name in owners}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _plain(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared(requirements: list[str]) -> set[str]:
    return {_plain(re.split(r"[\s\[<>=!~;]", each)[0]) for each in requirements}


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    declared, imported = _declared(PROJECT["dependencies"]), _imported("vlcorpus")
    assert imported - declared == set()
    assert declared - imported == set(ASKED_FOR)


def test_what_the_tests_import_is_declared() -> None:
    declared = _declared(PROJECT["dependencies"]) | _declared(PROJECT["optional-dependencies"]["test"])
    assert _imported("tests") - declared == set()


def test_every_extra_that_a_text_names_is_there() -> None:
    extras = set(PROJECT["optional-dependencies"])
    texts = [*(REPOSITORY / "vlcorpus").rglob("*.py"), *(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md"]
    for path in texts:
        for named in re.findall(r"(?:vlcorpus|'\.|\"\.|-e \.)\[([a-z0-9,-]+)\]", path.read_text("utf-8")):
            assert set(named.split(",")) <= extras, (path, named)


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    whole = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    assert whole["tool"]["mypy"]["python_version"] == oldest
    assert whole["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert f"Python {oldest} or newer" in (REPOSITORY / "README.md").read_text("utf-8")
