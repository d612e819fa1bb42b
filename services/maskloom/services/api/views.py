"""What the API takes and what it says, as records: the routes and the client share them, so nothing heavy is imported here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr

# TypedDict of typing is not enough for pydantic before Python 3.12.
from typing_extensions import TypedDict

from maskloom.platform.account_facts import Role, Token
from maskloom.platform.audit_facts import Broken, Head
from maskloom.platform.facts import MAX_DATASET_NAME, LabelKind, Split
from maskloom.platform.run_facts import Priority, RunStatus

Password = Annotated[SecretStr, Field(max_length=1000, examples=["correct horse battery"])]
_DIGEST = "9f2c" * 16
_RUN = "3f9c2a71b0de"
LONGEST_TOKEN_DAYS = 366


class Problem(BaseModel):
    """An answer that is no success (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no data set 'covid'"])
    hint: str = Field(
        "",
        description="What to do about it.",
        examples=["You see those that `GET /api/v1/datasets` lists."],
    )
    field: str = Field(
        "", description="What of the request is wrong, where it is one thing.", examples=["recipe"]
    )


class Credentials(BaseModel):
    """Who signs in."""

    account: str = Field(max_length=200, examples=["ada"])
    password: Password


class Acceptance(BaseModel):
    """What an invitation's link brings: its secret, the password that was chosen, and with the first admin's a name."""

    secret: SecretStr = Field(max_length=200, examples=["the part of the link after its #"])
    account: str = Field("", max_length=200, examples=["ada"])
    password: Password


class NewPassword(BaseModel):
    """A password to have in place of the old one."""

    old: Password
    new: Password


class Me(BaseModel):
    """Who you are."""

    account: str = Field(examples=["ada"])
    admin: bool
    roles: dict[str, Role] = Field(examples=[{"covid": "lead"}])
    csrf_token: str = Field(
        description="For the header X-CSRF-Token of each change, where a cookie lets you in."
    )


class NewToken(BaseModel):
    """A token to make: it may do what you may, but never more than `role`, and only on `dataset` where one is named."""

    label: str = Field(min_length=1, max_length=100, examples=["nightly import"])
    role: Role
    dataset: str | None = Field(None, examples=["covid"])
    days: int = Field(90, ge=1, le=LONGEST_TOKEN_DAYS)


class MadeToken(BaseModel):
    """A token. Its text is shown this once."""

    token: Token
    text: str = Field(examples=["mlm_0123456789abcdef_..."])


class NewAccount(BaseModel):
    """An account to make."""

    name: str = Field(max_length=200, examples=["ada"])
    admin: bool = False


class Link(BaseModel):
    """An invitation: it works once, for a day. Its secret is after the # of its address, where no log has it."""

    secret: str
    url: str = Field(examples=["https://maskloom.example.org/welcome#..."])


class AccountState(BaseModel):
    """Whether an account is an admin's, and whether it is let in."""

    admin: bool = Field(examples=[False])
    active: bool = Field(examples=[True])


class Grant(BaseModel):
    """A role on a data set."""

    role: Role


class Verification(BaseModel):
    """Whether the audit trail is as it was written: its head, or where it is broken."""

    holds: bool
    found: Head | Broken


class NewDataset(BaseModel):
    """A data set to make. Its name can be no folder's, and has no / in it."""

    name: str = Field(min_length=1, max_length=MAX_DATASET_NAME, examples=["covid"])


class DatasetView(BaseModel):
    """A data set."""

    name: str = Field(examples=["covid"])
    classes: list[str] = Field(examples=[["infection"]])
    slices: dict[Split, int] = Field(examples=[{"labelled": 20, "unlabelled": 1600, "test": 48}])
    role: Role = Field(description="What you are on it.")


class SliceView(BaseModel):
    """A slice. `digest` is the sha256 of its file. Of whom it is, is not said: who looks at masks need not know."""

    digest: str = Field(examples=[_DIGEST])
    split: Split
    volume: str = Field(examples=["patient 7"])
    position: int
    name: str = Field(examples=["patient_7_031.png"])
    width: int
    height: int
    bits: int
    intensity: dict[str, Any] | None = Field(description="How grey values map to those of the source.")


class LabelView(BaseModel):
    """A mask that a slice has or had. All digests."""

    digest: str = Field(examples=[_DIGEST])
    kind: LabelKind
    mask: str
    step: str | None
    checkpoint: str | None
    reader: str | None
    parent: str | None
    scores: dict[str, float]


class QuarantinedView(BaseModel):
    """A file that was set aside when it came, and why."""

    split: Split
    source: str
    reason: str


class RecipeView(BaseModel):
    """What can be run, with every value that it has, and in words what each can be."""

    name: str = Field(examples=["semi-inf-net-quick"])
    method: str = Field(examples=["semi-inf-net"])
    values: dict[str, Any] = Field(examples=[{"sampler.group_size": 400}])
    choices: dict[str, str] = Field(examples=[{"sampler.group_size": "whole number"}])


class NewRun(BaseModel):
    """What to run. The same recipe, data and seed are the same run: to ask for it again goes on with it."""

    dataset: str = Field(examples=["covid"])
    recipe: str = Field("semi-inf-net", examples=["semi-inf-net"])
    settings: list[str] = Field([], max_length=100, examples=[["sampler.group_size=10"]])
    seed: int = Field(0, ge=0, lt=2**63)
    priority: Priority = Priority.NORMAL
    workers: int = Field(1, ge=1, le=1024, description="How many trainers and labellers.")


class Going(BaseModel):
    """How a run is to go on."""

    priority: Priority = Field(Priority.NORMAL, examples=["high"])
    workers: int = Field(1, ge=1, le=1024, description="How many trainers and labellers.")


class RunView(BaseModel):
    """A run, in short."""

    id: str = Field(examples=[_RUN])
    dataset: str = Field(examples=["covid"])
    recipe: str = Field(examples=["semi-inf-net with sampler.group_size=10"])
    seed: int
    status: RunStatus
    created_at: datetime


class StartedRun(RunView):
    """A run that was asked for."""

    new: bool = Field(description="False where that run was there already, and goes on.")


class ListedRunView(RunView):
    """A run in the list of all. `owner` is who queued it last; `dice` has value, low and high, on the test split."""

    owner: str | None = Field(examples=["lea"])
    rounds: int
    rounds_done: int
    dice: dict[str, float] | None = Field(examples=[{"value": 0.78, "low": 0.71, "high": 0.83}])


class RunRecord(TypedDict):
    """Everything that is known of a run."""

    run: str
    status: RunStatus
    recipe: str
    changed: dict[str, Any]
    dataset: str
    seed: int
    created_at: datetime
    labelled: int
    pool: int
    rounds: int
    rounds_done: int
    final_checkpoint: str | None
    newest_checkpoint: str | None
    counts: dict[str, int]
    seconds: float
    measures: dict[str, dict[str, float]]
    evaluations: list[dict[str, Any]]
    driver: dict[str, Any] | None
    still_s: float | None
    errors: list[dict[str, Any]]


class StepView(BaseModel):
    """A step that a run has taken."""

    key: str
    kind: str = Field(examples=["train"])
    round: int | None
    seconds: float
    committed_at: datetime
    output: Any


class MaskView(BaseModel):
    """A mask of a slice, and where it comes from: a round of the run, its end, an expert, or a review."""

    kind: LabelKind
    mask: str
    label: str
    stage: str = Field(examples=["round 3"])
    round: int | None
    checkpoint: str | None
    reader: str | None
    seed: int | None
    gate: str | None
    kept: bool | None
    reason: str | None
    area: float | None
    peak: float | None
    uncertainty: float | None
    made_at: datetime


class StoryView(BaseModel):
    """The story of a slice in a run: its masks, oldest first. `networks`: which training made each checkpoint of the run."""

    run: str
    slice: SliceView
    masks: list[MaskView]
    networks: dict[str, str]
