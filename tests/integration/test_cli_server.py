"""Commands through a server: they print what they print where the data are, and say who asks and what they cannot do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from maskloom.pipelines.out_folder import files_below
from maskloom.platform.catalog import audit
from maskloom.platform.errors import MaskloomError
from maskloom.services.api.serving import serving
from maskloom.services.cli.main import app
from support.lossy import lossy
from support.painted import painted_run
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, Service, populate
from support.transfers import at_work, slices

CLOCK = re.compile(r"^\d\d:\d\d:\d\d", re.MULTILINE)
MATRIX = (
    "run semi-inf-net-quick -d phantom --set sampler.group_size=4 --set gate.uncertainty=0.5 --matrix seed=1"
)
"""A matrix whose one run is that of `painted`."""
RUN_ID = re.compile(r"\b[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands on the catalog of `service` itself, or through its server in the name of `token`."""

    service: Service
    token: str
    home: Path

    def here(self, *arguments: str) -> Result:
        settings = self.service.platform.settings
        assert settings.database_url
        return self._run(
            *arguments,
            MASKLOOM_HOME=str(settings.home),
            MASKLOOM_DATABASE_URL=settings.database_url.get_secret_value(),
        )

    def there(self, *arguments: str, typed: str | None = None, **environment: str) -> Result:
        own = {"MASKLOOM_HOME": str(self.home), "MASKLOOM_SERVER": self.service.url}
        return self._run(*arguments, typed=typed, **(own | {"MASKLOOM_TOKEN": self.token} | environment))

    def _run(self, *arguments: str, typed: str | None = None, **environment: str) -> Result:
        result = CliRunner().invoke(app, arguments, input=typed, env={"COLUMNS": "200"} | environment)
        if result.exception is not None and not isinstance(result.exception, MaskloomError | SystemExit):
            raise result.exception
        return result


@pytest.fixture(scope="module")
def commands(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """A service with a finished run."""
    with painted_run(postgres_server) as painted:
        populate(painted.platform)
        with serving(painted.platform) as url:
            digests = list(painted.truth)
            service = Service(
                platform=painted.platform, url=url, run=painted.run, digests=digests, label="", truth={}
            )
            token = service.as_(ADMIN).ask("POST", "/tokens", {"label": "cli", "role": "admin"}).json["text"]
            yield Commands(service=service, token=token, home=tmp_path_factory.mktemp("home"))


def refusal(result: Result) -> MaskloomError:
    assert isinstance(result.exception, MaskloomError), result.output
    return result.exception


@pytest.mark.parametrize(
    "command",
    [
        "runs",
        "runs --json",
        "show RUN",
        "show RUN --json",
        "show RUN --slice SLICE",
        "show RUN --slice SLICE --json",
        "watch RUN",
        "watch RUN --json",
        "recipes",
        "recipes --json",
        "recipes supervised",
        "recipes supervised --json",
        "review status RUN",
        "review status RUN --json",
        "models",
        "models --json",
        "pause RUN",
        "audit verify",
        "audit verify --json",
        f"{MATRIX} --json",
    ],
)
def test_a_command_prints_the_same_from_both(
    commands: Commands, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the plot of a matrix goes
    run, name = commands.service.run.id, commands.service.digests[-1][:16]
    words = [{"RUN": run[:8], "SLICE": name}.get(word, word) for word in command.split()]
    here, there = commands.here(*words), commands.there(*words)
    assert (here.exit_code, there.exit_code) == (0, 0), (here.output, there.output, there.exception)
    assert CLOCK.sub("NOW", there.stdout) == CLOCK.sub("NOW", here.stdout)
    assert there.stdout
    if "--json" in words and "watch" not in words:
        json.loads(there.stdout)


def test_the_audit_trail_as_a_table_is_the_same_from_both(commands: Commands, tmp_path: Path) -> None:
    for side, command in (("here", commands.here), ("there", commands.there)):
        assert command("audit", "export", "--out", str(tmp_path / side)).exit_code == 0
    assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()
    assert commands.there("audit", "verify", "--noted", f"1:{'0' * 64}").exit_code == 1


def told(result: Result, seed: str) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return RUN_ID.sub("RUN", result.stdout.replace(f"seed {seed}", "seed SEED"))


def test_a_queued_run_is_told_of_in_the_same_words(commands: Commands) -> None:
    wanted = ("semi-inf-net-quick", "--dataset", OPEN, "--set", "network.weights=random")
    lines = []
    for seed, command in (("21", commands.here), ("22", commands.there)):
        queue = ("--queue", "normal") if seed == "21" else ()
        started = command("run", *wanted, "--seed", seed, *queue)
        run = RUN_ID.findall(started.stdout)[0]
        lines.append(
            [
                told(started, seed),
                told(command("pause", run), seed),
                told(command("resume", run, "--queue", "high"), seed),
                told(command("cancel", run), seed),
                told(command("cancel", run), seed),
                told(command("show", run), seed).partition("seed")[0],
            ]
        )
        assert command("watch", run).exit_code == 1
    assert lines[0] == lines[1]
    assert "is new" in lines[1][0]
    assert "high priority" in lines[1][2]
    assert "nothing changes" in lines[1][4]


def same(text: str, folder: Path) -> str:
    return text.replace(str(folder), "FOLDER")


@pytest.mark.parametrize("form", ["png", "coco"])
def test_an_export_is_the_same_from_both(commands: Commands, tmp_path: Path, form: str) -> None:
    said = []
    with at_work(commands.service.platform):
        for name, command in (("here", commands.here), ("there", commands.there)):
            words = ("export", commands.service.run.id[:8], "--format", form, "--out", str(tmp_path / name))
            first, again = command(*words), command(*words, "--json")
            assert (first.exit_code, again.exit_code) == (0, 0), (
                first.output,
                first.exception,
                again.exception,
            )
            assert json.loads(again.stdout)["replaced"] is True
            said.append((same(first.stdout, tmp_path / name), same(again.stdout, tmp_path / name)))
    assert said[0] == said[1]
    assert files_below(tmp_path / "there") == files_below(tmp_path / "here") != {}
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there"}


def test_an_export_that_would_go_over_something_else_is_not_asked_for(
    commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    before = commands.service.as_(ADMIN).ask("GET", f"/datasets/{OPEN}/jobs").json["items"]
    refused = commands.there("export", commands.service.run.id, "--out", str(tmp_path))
    assert "not empty" in refusal(refused).message
    assert commands.service.as_(ADMIN).ask("GET", f"/datasets/{OPEN}/jobs").json["items"] == before
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_slices_are_taken_in_in_the_same_words(commands: Commands, tmp_path: Path) -> None:
    said = []
    with at_work(commands.service.platform):
        for name, command in (("here", commands.here), ("there", commands.there)):
            commands.service.as_(ADMIN).ask("POST", "/datasets", {"name": name})
            for sort in ("images", "masks"):
                (tmp_path / name / sort).mkdir(parents=True)
            for file, (image, mask) in slices(3, patient=21).items():
                (tmp_path / name / "images" / file).write_bytes(image)
                (tmp_path / name / "masks" / file).write_bytes(mask)
            (tmp_path / name / "images" / 'odd "näme".png').write_bytes(b"no picture")
            words = ["ingest", str(tmp_path / name / "images"), "--dataset", name, "--split", "labelled"]
            words += ["--masks", str(tmp_path / name / "masks")]
            first, again = command(*words), command(*words, "--strict")
            assert (first.exit_code, again.exit_code) == (0, 1), (
                first.output,
                first.exception,
                again.exception,
            )
            said.append([one.stdout.removeprefix(name) for one in (first, again)])
    assert said[0] == said[1]
    assert "3 new slices, 3 new masks" in said[1][0]
    assert 'odd "näme".png' in said[1][0]


def test_what_cannot_be_sent_is_said(commands: Commands, tmp_path: Path) -> None:
    for words in ("s3://bucket/images", "/no/such/folder", f"{tmp_path} --pattern x"):
        refused = commands.there("ingest", *words.split(), "--dataset", OPEN, "--split", "unlabelled")
        assert refusal(refused).exit_code == 2
        assert refusal(refused).hint


def test_a_model_is_named_and_promoted_in_the_same_words(commands: Commands) -> None:
    run = commands.service.run.id
    on = ("--dataset", OPEN)
    said = []
    for command in (commands.here, commands.there):
        told = [
            command("models", "register", run[:8], "--name", "lung"),
            command("models", "archive", "lung", *on),
            command("models", "register", run, "--name", "lung"),
        ]
        assert [one.exit_code for one in told] == [0, 0, 0], [one.exception for one in told]
        said.append([one.stdout for one in told])
    with lossy(commands.service.url) as wire:
        wire.lose(1)
        lost = commands.there("models", "archive", "lung", *on, MASKLOOM_SERVER=wire.url)
        assert (lost.exit_code, wire.lost) == (0, 1), lost.exception
    newest = commands.service.platform.database.transaction(lambda c: audit.newest(c, None, 2))
    assert [entry.act.action for entry in newest] == ["model.archived", "model.registered"], "it is done once"
    promoted = commands.there("models", "promote", "lung", *on, "--override", "to see")
    assert promoted.stdout == f"lung is the champion of {OPEN}\n", promoted.exception
    said.append([commands.here("models", "promote", "lung", *on).stdout])
    assert said == [said[0], said[0], [promoted.stdout]]
    for command in (commands.here, commands.there):
        refused = refusal(command("models", "rollback", *on))
        assert "no champion" in refused.message
    there, here = (
        json.loads(command("models", "--json").stdout) for command in (commands.there, commands.here)
    )
    assert there == here != []


@pytest.mark.parametrize(
    "command",
    [
        "report RUN --out x",
        "predict RUN . --out x",
        "evaluate RUN --dataset d",
        "review pull RUN",
        "serve",
        "doctor",
        "run semi-inf-net --dataset d --detach",
    ],
)
def test_what_works_on_the_data_says_that_it_does(commands: Commands, command: str) -> None:
    result = commands.there(*command.split())
    assert refusal(result).exit_code == 2
    assert "server" in refusal(result).message


def test_what_is_not_there_is_said(commands: Commands) -> None:
    for words in (
        ("show", "ffffff"),
        ("show", commands.service.run.id, "--slice", "nonsense"),
        ("recipes", "nonsense"),
    ):
        assert refusal(commands.there(*words)).exit_code == 2
        assert refusal(commands.there(*words)).hint


def test_a_token_is_kept_for_its_owner_alone(commands: Commands, tmp_path: Path) -> None:
    url, home = commands.service.url, str(tmp_path)
    unknown = commands.there("runs", MASKLOOM_TOKEN="", MASKLOOM_HOME=home)
    assert "maskloom login" in refusal(unknown).hint
    wrong = commands.there("login", url, typed="mlm_wrong\n", MASKLOOM_HOME=home)
    assert refusal(wrong).exit_code == 77
    assert not list(tmp_path.iterdir())
    said = commands.there("login", url + "/", typed=commands.token + "\n", MASKLOOM_HOME=home)
    assert said.exit_code == 0, said.exception
    assert f"You are {ADMIN}" in said.output
    assert commands.token not in said.output
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert commands.there("runs", MASKLOOM_TOKEN="", MASKLOOM_HOME=home).exit_code == 0
    assert (
        commands.there(
            "--server", url, "runs", MASKLOOM_TOKEN="", MASKLOOM_SERVER="", MASKLOOM_HOME=home
        ).exit_code
        == 0
    )
