"""The walk over a corpus in an object store, on s3, with the objects that a folder has: step by step with nothing left
on the machine between two steps, so that what is needed is fetched, and once in one run at a shell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests import stores
from tests.cli.shell import vlcorpus
from tests.kill.harness import contents, differences
from tests.net.server import LoopbackServer
from tests.serve.live import Live
from tests.stages.given import picture, run_here, write_probe
from tests.stages.running import write_list
from tests.stores import BUCKET, Bucket
from vlcorpus import api
from vlcorpus.cli.main import app
from vlcorpus.errors import UsageError
from vlcorpus.io.mirror import FOLDER, mirror_of
from vlcorpus.stages import places

COUNT = 10
DOWNLOAD = {"image_size": 64, "allow_private": ["127.0.0.0/8"], "retries": 0, "obey_robots": False, "site_files": False}
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("import", {"source": "FOLDER/list.csv"}),
    ("download", DOWNLOAD),
    ("embed", {"model": "FOLDER/model"}),
    ("score", {"score": "similarity"}),
    ("score", {"score": "phash"}),
    ("filter", {"top_fraction": 0.7, "decision": "half"}),
    ("dedup", {"radius": 3}),
    ("split", {"train": 0.5, "test": 0.5}),
    ("export", {"out": "OUT", "decision": "half", "duplicates": "default", "split": "default"}),
    ("train-probe", {"probe": "raw", "seeds": [0], "steps": 2, "batch_size": 4}),
    ("report", {"decision": "half"}),
)
QUESTIONS = (
    "status CORPUS --json",
    "funnel CORPUS half",
    "inspect CORPUS/shards",
    "inspect CORPUS --json",
    "search CORPUS --text cat",
    "verify CORPUS --export OUT",
    "verify CORPUS --quick",
)
OF_A_RUN = ("log", "packs", ".lock", ".lease")


@dataclass
class Place:
    """Where a walk is done. mirrors: of a corpus in a store, a new one for each step lies there."""

    folder: Path
    corpus: str
    out: str
    mirrors: Path | None = None
    steps: int = field(default=0)

    def anew(self, patch: pytest.MonkeyPatch) -> Path | None:
        """From here on nothing was ever fetched."""
        if self.mirrors is None:
            return None
        self.steps += 1
        patch.setenv(FOLDER, str(self.mirrors / str(self.steps)))
        return self.mirrors / str(self.steps)

    def said(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace("CORPUS", self.corpus).replace("FOLDER", str(self.folder)).replace("OUT", self.out)
        return value

    def do(self, patch: pytest.MonkeyPatch, name: str, **settings: Any) -> None:
        self.anew(patch)
        corpus = places.created(self.corpus, shard_rows=4)
        run_here(corpus, [api.stage(name, **{key: self.said(value) for key, value in settings.items()})])

    def ask(self, patch: pytest.MonkeyPatch, line: str) -> str:
        self.anew(patch)
        done = CliRunner().invoke(app, [self.said(word) for word in line.split()])
        assert done.exit_code == 0, (line, done.output, done.exception)
        return done.stdout


@dataclass(frozen=True)
class Walks:
    local: Place
    remote: Place
    bucket: Bucket


@pytest.fixture(scope="module")
def pictures() -> Iterator[LoopbackServer]:
    with LoopbackServer() as one:
        for number in range(COUNT):
            one.put(f"/{number}.jpg", picture(number % 8))
        yield one


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as one:
        yield one


@pytest.fixture(scope="module")
def walks(
    tmp_path_factory: pytest.TempPathFactory, pictures: LoopbackServer, patch: pytest.MonkeyPatch
) -> Iterator[Walks]:
    import s3fs

    folder = tmp_path_factory.mktemp("walk")
    texts = ("a dog", "cat", "a tree by the house")
    rows = [(pictures.url(f"/{number}.jpg"), texts[number % 3]) for number in range(COUNT)]
    write_list(folder / "list.csv", rows)
    write_probe(folder / "model")
    with stores.server() as endpoint:
        bucket = Bucket(endpoint)
        for name, value in stores.environment(endpoint).items():
            if name != "FSSPEC_S3":
                patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        remote = Place(folder, f"s3://{BUCKET}/c", f"s3://{BUCKET}/out", folder / "mirrors")
        local = Place(folder, str(folder / "c"), str(folder / "out"))
        for place in (local, remote):
            for name, settings in STEPS:
                place.do(patch, name, **settings)
        yield Walks(local, remote, bucket)
        s3fs.S3FileSystem.clear_instance_cache()


def stored(bucket: Bucket, name: str, to: Path) -> Path:
    """What lies below a name, as files."""
    for key, body in bucket.objects(f"{name}/").items():
        path = to / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return to / name


def plain(home: Path, copy: Path) -> dict[str, str]:
    """Digests of what a walk left, with the last names of all paths that stats keep: where things lie differs. A report
    shows them, so it is left out; its own test compares it."""
    shutil.copytree(home, copy)
    for path in copy.rglob("*.json"):
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict) and isinstance(found.get("settings"), dict) and "fingerprint" in found:
            found["settings"] = {name: _last(value) for name, value in found["settings"].items()}
            path.write_text(json.dumps(found))
    found = contents(copy)
    return {name: digest for name, digest in found.items() if not name.startswith((*OF_A_RUN, "reports/"))}


def _last(value: object) -> object:
    if isinstance(value, list):
        return [_last(each) for each in value]
    return value.rpartition("/")[2] if isinstance(value, str) else value


def test_the_objects_are_the_files(walks: Walks, tmp_path: Path) -> None:
    for name in ("c", "out"):
        there = plain(stored(walks.bucket, name, tmp_path / "stored"), tmp_path / f"{name}-there")
        here = plain(walks.local.folder / name, tmp_path / f"{name}-here")
        assert len(here) > 5 and differences(here, there) == []


def test_the_report_says_the_same(walks: Walks) -> None:
    (there,) = (body.decode() for name, body in walks.bucket.objects("c/reports/").items() if name.endswith(".html"))
    here = Path(walks.local.corpus, "reports", "report.html").read_text("utf-8")
    assert there.replace(str(walks.local.folder / "model"), "../model") == here


def test_one_run_is_the_steps(walks: Walks, tmp_path: Path) -> None:
    """Two workers, the lease, the log."""
    place = Place(walks.local.folder, f"s3://{BUCKET}/whole", f"s3://{BUCKET}/whole-out")
    stages = [{name: {key: place.said(value) for key, value in settings.items()}} for name, settings in STEPS]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({"shard_rows": 4, "stages": stages}))
    done = vlcorpus("run", str(recipe), place.corpus, "--workers", "2", cwd=tmp_path, env={FOLDER: str(tmp_path / "m")})
    assert done.code == 0, done.err
    whole = plain(stored(walks.bucket, "whole", tmp_path / "whole"), tmp_path / "one")
    steps = plain(stored(walks.bucket, "c", tmp_path / "steps"), tmp_path / "other")
    assert differences(steps, whole) == []
    assert any(name.startswith("whole/log/") for name in walks.bucket.objects("whole/"))


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_have_the_same_answers(walks: Walks, patch: pytest.MonkeyPatch, question: str) -> None:
    here, there = (place.ask(patch, question) for place in (walks.local, walks.remote))
    if "--json" in question:
        assert len(json.loads(there)) == len(json.loads(here)) > 5
    else:
        assert there.replace(walks.remote.corpus, walks.local.corpus) == here


def test_show_fetches_the_shard_concerned(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    uid = json.loads(walks.local.ask(patch, "search CORPUS --text cat --json"))["hits"][0]["uid"]
    here, there = (place.ask(patch, f"show CORPUS {uid}") for place in (walks.local, walks.remote))
    assert there == here
    assert len(list(mirror_of(walks.remote.corpus).folder.rglob("*.tar"))) == 1


def test_layers_are_listed_without_a_tar(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    from vlcorpus.views.browsing import brought, layers, located

    walks.remote.anew(patch)
    corpus = api.open(walks.remote.corpus).corpus
    found = {each.layer: each for each in layers(corpus)}
    known = {each.layer: each for each in layers(api.open(walks.local.corpus).corpus)}
    assert [(name, each.tables) for name, each in found.items()] == [
        (name, each.tables) for name, each in known.items()
    ]
    assert not list(corpus.path.rglob("*.tar")) and not list((corpus.path / "shards").glob("*.parquet"))
    brought(corpus, "shards")
    assert [path.name for path in located(corpus.path, "shards")] == [f"0000{number}.parquet" for number in range(3)]


def test_it_is_served_and_only_what_is_asked_for_is_fetched(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    mirror = walks.remote.anew(patch)
    assert mirror is not None
    with Live(Path(walks.local.corpus)) as local, Live(walks.remote.corpus, env={FOLDER: str(mirror)}) as remote:
        for path in ("/api/layers", "/api/table?path=shards", "/api/decision/half"):
            here, there = (each.ask("GET", path) for each in (local, remote))
            assert here.status == there.status == 200, there.body
            assert _times_apart(there.json) == _times_apart(here.json)
        here, there = (each.post("/api/search", {"query": "cat"}) for each in (local, remote))
        assert here.status == there.status == 200 and there.json["hits"] == here.json["hits"]
        assert not list(mirror.rglob("*.tar"))
        row = here.json["hits"][0]["row"]
        here, there = (each.ask("GET", f"/api/picture/{row}") for each in (local, remote))
        assert here.status == there.status == 200 and there.body == here.body
        assert len(list(mirror.rglob("*.tar"))) == 1


def _times_apart(found: Any) -> Any:
    """Without what tells of when and how large what was made is."""
    if isinstance(found, list):
        return [_times_apart(each) for each in found]
    if isinstance(found, dict):
        volatile = ("bytes", "columns", "head", "digest")
        return {name: _times_apart(each) for name, each in found.items() if name not in volatile}
    return found


def test_from_python(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    walks.remote.anew(patch)
    here, there = (
        [(pair.uid, pair.body) for pair in api.open(place.corpus).samples(decision="half")]
        for place in (walks.local, walks.remote)
    )
    assert len(here) > 2 and there == here


def test_a_smaller_export_leaves_nothing_of_the_larger(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    out = f"s3://{BUCKET}/shrink"
    walks.remote.do(patch, "export", out=out, shard_rows=3)
    many = walks.bucket.objects("shrink/")
    walks.remote.do(patch, "export", out=out, shard_rows=3)
    assert walks.bucket.objects("shrink/") == many
    walks.remote.do(patch, "export", out=out, shard_rows=100)
    names = {name for name in walks.bucket.objects("shrink/") if name.endswith(".tar")}
    assert names == {"shrink/all/00000.tar"} and len([name for name in many if name.endswith(".tar")]) > 1


def test_what_is_not_ours_is_not_written_over(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    walks.bucket.put("mine/thesis.tex", b"years of work")
    with pytest.raises(UsageError, match="is not empty and is no export"):
        walks.remote.do(patch, "export", out=f"s3://{BUCKET}/mine")
    with pytest.raises(UsageError, match="is the corpus itself"):
        walks.remote.do(patch, "export", out=f"{walks.remote.corpus}/")


def test_an_export_in_a_store_is_trained_on(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"probe": "of-export", "seeds": [0], "steps": 2, "batch_size": 2}
    for place in (walks.local, walks.remote):
        place.do(patch, "train-probe", on=[f"{place.out}/train"], **settings)
    weights = "probes/of-export/seed-0/weights.safetensors"
    assert walks.bucket.objects(f"c/{weights}")[f"c/{weights}"] == Path(walks.local.corpus, weights).read_bytes()


def test_what_only_a_folder_can_be(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="a suite must be a file or a folder on this machine"):
        walks.remote.do(patch, "evaluate", suite=f"s3://{BUCKET}/exam/suite.yaml")
    with pytest.raises(UsageError, match="a model must be a folder on this machine"):
        walks.remote.do(patch, "embed", model=f"s3://{BUCKET}/model")


def test_a_list_in_a_store_is_imported(walks: Walks, patch: pytest.MonkeyPatch) -> None:
    walks.bucket.put("lists/list.csv", (walks.local.folder / "list.csv").read_bytes())
    corpora = {}
    for name, source in (("there", f"s3://{BUCKET}/lists/list.csv"), ("here", "FOLDER/list.csv")):
        place = Place(walks.local.folder, f"s3://{BUCKET}/{name}", "", walks.local.folder / f"mirrors-{name}")
        place.do(patch, "import", source=source)
        corpora[name] = api.open(place.corpus).corpus
    there, here = (corpora[name].layer("candidates") for name in ("there", "here"))
    assert there.units() == here.units() and there.digest_all() == here.digest_all()
