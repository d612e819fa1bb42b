"""Commands through a server: they print what they print where the data are, and say who asks and what they cannot do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from maskloom.platform.errors import MaskloomError
from maskloom.services.api.serving import serving
from maskloom.services.cli.main import app
from support.painted import painted_run
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, Service, populate

CLOCK = re.compile(r"^\d\d:\d\d:\d\d", re.MULTILINE)
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
        "pause RUN",
        "audit verify",
        "audit verify --json",
    ],
)
def test_a_command_prints_the_same_from_both(commands: Commands, command: str) -> None:
    run, name = commands.service.run.id, commands.service.digests[-1][:16]
    words = [{"RUN": run[:8], "SLICE": name}.get(word, word) for word in command.split()]
    here, there = commands.here(*words), commands.there(*words)
    assert (here.exit_code, there.exit_code) == (0, 0), (here.output, there.output, there.exception)
    assert CLOCK.sub("NOW", there.stdout) == CLOCK.sub("NOW", here.stdout)
    assert there.stdout
    if "--json" in words and "watch" not in words:
        assert json.loads(there.stdout)


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


@pytest.mark.parametrize(
    "command",
    [
        "ingest . --dataset d --split test",
        "export RUN --out x",
        "report RUN --out x",
        "predict RUN . --out x",
        "evaluate RUN --dataset d",
        "review status RUN",
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
