"""The program's own settings (`--set search.*`, `model.*`), what ends a run, and where its archive is."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evolve.errors import UsageError
from evolve.grid import DEFAULT_DEPTH
from evolve.mistakes import mistakes
from evolve.spec import TaskSpec

SEARCH, MODEL, RAY = "search", "model", "ray"
Form = TypeVar("Form", bound=BaseModel)
DEFAULT_ARCHIVE = "evolve.db"
ARCHIVE_VARIABLE = "EVOLVE_ARCHIVE"


class SearchSettings(BaseModel):
    """How a run searches; stored with the run and never changed afterwards.

    order: how steps are told, "step" (by number) or "arrival". lookahead: a search step is asked
    from the state in which all but so many steps before it were told. parents: "rank" (70 % by
    rank among the five best, 30 % uniform over cells), "uniform", "weighted" (ShinkaEvolve's), or
    "initial" (uniform over the initial programs: the random search that claims are compared with).
    depth: elites per cell. share_grades: whether a known outputs digest saves grading.
    confirm: the largest share of steps that compare elites on fresh instances, 0 for none (then a
    score is believed as measured); how many they are follows from how much of the gains is found
    again. hurdle: whether a program that is hopeless on a part of the train block is spared the
    rest. embedder: how texts are compared, so that a program that reads and behaves like an elite
    is not run: "tfidf", "litellm/PROVIDER/NAME" (with "@URL" for an own service) or "local/NAME";
    nothing is rejected unless told. similarity: from which cosine on texts are alike; ShinkaEvolve
    takes 0.95 to 0.99. judge: one of the run's models, which may call such a program new. credit: how operators and models share the steps, "shares" (as declared) or "bandit"
    (moved by what the grid took for what it cost). islands: names of the runs of one search that
    exchange elites, with commas, this one among them; each takes from the one before it, the first
    from the last, at every `migrate`-th step. Where models write, order, lookahead and credit
    have other defaults:
    "arrival", twice `model.concurrency` or 16 if that is more, and "bandit".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Literal["step", "arrival"] = "step"
    lookahead: int = Field(default=16, ge=1, le=4096)
    parents: Literal["rank", "uniform", "weighted", "initial"] = "rank"
    depth: int = Field(default=DEFAULT_DEPTH, ge=1, le=100)
    share_grades: bool = True
    confirm: float = Field(default=0.1, ge=0, le=0.5)
    hurdle: bool = False
    embedder: str | None = None
    similarity: float = Field(default=0.95, gt=0, le=1)
    judge: str | None = None
    credit: Literal["shares", "bandit"] = "shares"
    islands: tuple[str, ...] = ()
    migrate: int = Field(default=25, ge=2)

    @field_validator("islands", mode="before")
    @classmethod
    def _names_with_commas(cls, names: Any) -> Any:
        return tuple(names.split(",")) if isinstance(names, str) else names

    @field_validator("islands")
    @classmethod
    def _two_or_more(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names and (len(names) < 2 or len(set(names)) < len(names) or "" in names):
            raise ValueError("give the names of two or more runs, each once, as a,b,c")
        return names

    @model_validator(mode="after")
    def _something_to_judge(self) -> SearchSettings:
        if self.judge is not None and self.embedder is None:
            raise ValueError("search.judge has a say where texts are alike: set search.embedder")
        return self

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> SearchSettings:
        """Read those of a run; one that began before there were confirm steps asks none."""
        return cls.model_validate({"confirm": 0.0} | settings["search"])

    def where_models_write(self, concurrency: int) -> SearchSettings:
        """Give these settings with the defaults of a search with models, where none was told."""
        own = {
            "order": "arrival",
            "lookahead": max(2 * concurrency, self.lookahead),
            "credit": "bandit",
        }
        untold = {name: value for name, value in own.items() if name not in self.model_fields_set}
        return self.model_copy(update=untold)


class ModelSettings(BaseModel):
    """How language models are called; stored with the run.

    concurrency: calls in flight, of all models together. timeout_s: for one call, all in all.
    retries: further attempts after errors of transport or server, for one answer. patience_s: how
    long a model may answer nothing but errors before the run stops (all is kept).
    max_tokens: of an answer, thinking included. temperature, thinking (tokens): the model's own
    unless told. prompt_tokens: about how long a prompt may be; what is least important is left out.
    requests_per_minute, tokens_per_minute: of each model; no limit unless told.
    price: dollars, see `prices.PRICE_FORM`; the table's unless told. api: of `openai/` models, "chat"
    or "responses". stream: whether answers are streamed. The adapter's own choice unless told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(default=8, ge=1, le=1024)
    timeout_s: float = Field(default=600.0, gt=0)
    retries: int = Field(default=6, ge=0, le=100)
    patience_s: float = Field(default=900.0, ge=0)
    max_tokens: int = Field(default=16_384, ge=16)
    temperature: float | None = Field(default=None, ge=0, le=2)
    thinking: int | None = Field(default=None, ge=0)
    prompt_tokens: int = Field(default=12_000, ge=500)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    price: str | None = None
    api: Literal["chat", "responses"] | None = None
    stream: bool | None = None

    @model_validator(mode="after")
    def _room_to_answer(self) -> ModelSettings:
        if self.thinking is not None and self.thinking >= self.max_tokens:
            raise ValueError(
                f"model.thinking {self.thinking} leaves no room for an answer: it is a part of "
                f"model.max_tokens, {self.max_tokens}"
            )
        return self


class RaySettings(BaseModel):
    """Where `--executor ray` finds places for its slots; told anew each time, not kept with the run.

    address: "local" starts a Ray of this run's own on this machine, which only this machine can
    reach; "auto" or HOST:PORT joins a cluster. cpus, gpus, memory_mb: of one slot, fractions allowed;
    all of a GPU where the task's `device` is cuda, unless told. patience_s: how long there may be no
    place at all before the run stops (all is kept). line: ask each place over a connection of its own,
    which is faster and not encrypted, instead of through Ray; never where Ray encrypts (RAY_USE_TLS).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = "local"
    cpus: float = Field(default=1.0, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    memory_mb: int | None = Field(default=None, ge=1)
    patience_s: float = Field(default=600.0, gt=0)
    line: bool = True

    @property
    def told(self) -> list[str]:
        """What differs from the defaults, as `--set` takes it."""
        return [
            f"ray.{key}={value}" for key, value in self.model_dump(exclude_defaults=True).items()
        ]

    @field_validator("address")
    @classmethod
    def _known_form(cls, address: str) -> str:
        if not re.fullmatch(r"local|auto|[\w.\-\[\]:]+:\d+", address):
            raise ValueError("write local, auto or HOST:PORT")
        return address


SECTIONS: dict[str, type[BaseModel]] = {
    SEARCH: SearchSettings,
    MODEL: ModelSettings,
    RAY: RaySettings,
}


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What ends a run.

    steps, evaluations: counted at tell. hours: of work, resumes included. usd, tokens: of calls of
    models, never passed, since the worst case of each is reserved before it is made.

    Raises: UsageError for a limit that would end a run before it begins.
    """

    steps: int | None = None
    evaluations: int | None = None
    hours: float | None = None
    usd: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.record().items():
            if not 0 < value < math.inf:
                raise UsageError(
                    f"{name} {value:g}: a limit is a number above 0; leave it out for none"
                )

    def record(self) -> dict[str, float | int]:
        """Give what the archive keeps: only the limits that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def archive_place(place: str | None = None) -> str:
    """Give where the archive is: as told, as EVOLVE_ARCHIVE says, or `evolve.db` here."""
    return place or os.environ.get(ARCHIVE_VARIABLE) or DEFAULT_ARCHIVE


@dataclass(frozen=True)
class Settings:
    """What `--set` says: the task's own values, how to search, how to call models, where to run."""

    task: Mapping[str, Any]
    search: SearchSettings
    model: ModelSettings
    ray: RaySettings


def parse_settings(pairs: Iterable[str], spec: TaskSpec) -> Settings:
    """Read `key=value` pairs.

    Raises: UsageError for an unknown key or a value of the wrong type, naming what there is.
    """
    own: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    task: dict[str, Any] = dict(spec.settings)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if pair == "?":
            raise UsageError(_all_settings(spec))
        if not equals:
            raise UsageError(f"--set {pair}: write it as key=value")
        section, _, name = key.partition(".")
        if section in SECTIONS and name in SECTIONS[section].model_fields:
            own[section][name] = value
        elif key in task:
            task[key] = _as_type_of(task[key], value, key)
        else:
            raise UsageError(
                f"--set {key}: no such setting{_closest(key, spec)} {_known(key, spec)}"
            )
    search = _checked(SEARCH, SearchSettings, own[SEARCH])
    model = _checked(MODEL, ModelSettings, own[MODEL])
    return Settings(task, search, model, _checked(RAY, RaySettings, own[RAY]))


def ray_settings(pairs: Iterable[str]) -> RaySettings:
    """Read `ray.KEY=VALUE` pairs, which are told anew when a run goes on. Raises: UsageError."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        section, _, name = key.partition(".")
        if not equals or section != RAY or name not in RaySettings.model_fields:
            there = ", ".join(f"{RAY}.{each}" for each in RaySettings.model_fields)
            raise UsageError(
                f"--set {pair}: a run keeps its settings; to be told anew are {there}, as KEY=VALUE"
            )
        values[name] = value
    return _checked(RAY, RaySettings, values)


def _checked(section: str, form: type[Form], values: Mapping[str, str]) -> Form:
    """Check the values of one section. Raises: UsageError naming the key."""
    try:
        return form.model_validate(values)
    except ValidationError as error:
        first = mistakes(error, {"": form})[0]
        # Settings come as text from the command line: told as it was typed.
        if not first.key:  # of several settings together
            raise UsageError(f"--set: {first.fault}") from error
        written = f"={values[first.key]}" if first.key in values else ""
        raise UsageError(f"--set {section}.{first.key}{written}: {first.fault}") from error


def _as_type_of(default: Any, text: str, key: str) -> Any:
    if isinstance(default, bool):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise UsageError(f"--set {key}={text}: write true or false")
        return words[text.lower()]
    try:
        return type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UsageError(f"--set {key}={text}: must be {kind}") from error


def _closest(key: str, spec: TaskSpec) -> str:
    """Say which setting may have been meant, with or without its prefix."""
    known = {
        name: f"{section}.{name}"
        for section, form in SECTIONS.items()
        for name in form.model_fields
    } | {name: name for name in spec.settings}
    section, _, name = key.partition(".")
    close = difflib.get_close_matches(name if section in SECTIONS else key, known, 1)
    return f"; did you mean {known[close[0]]}?" if close else "."


def _all_settings(spec: TaskSpec) -> str:
    """List every key with its default, a line each."""
    own = [f"  {key}={value}" for key, value in spec.settings.items()]
    others = [
        f"  {section}.{name}={'' if field.default is None else field.default}"
        for section, form in SECTIONS.items()
        for name, field in form.model_fields.items()
    ]
    return "\n".join(
        [f"settings of {spec.name} with their defaults, then the program's:", *own, *others]
    )


def _known(key: str, spec: TaskSpec) -> str:
    """Name the settings among which a wrong one was looked for, and where all are told."""
    section = key.partition(".")[0]
    if section in SECTIONS:
        there = f"{section}.* has: {', '.join(SECTIONS[section].model_fields)}"
    else:
        there = f"Task {spec.name} has: {', '.join(spec.settings) or 'none'}"
    return f"{there}; `--set ?` lists all, with their defaults"
