"""Validate every value that is read from a database, whoever wrote it, by column types.

Every column of every table has a Python type here, and each value that is read is checked against
it before it is used: numbers are finite and in range, texts have a bounded length, JSON has the
shape that sweep writes. Other values raise a CorruptValueError that names the study, table, row and
column.

pydantic-core checks values and parses JSON, faster than the standard library parses it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from math import isfinite
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen
from optuna.distributions import BaseDistribution, json_to_distribution
from pydantic import (
    AfterValidator,
    ConfigDict,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic_core import from_json
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    select,
    text,
)
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import TypedDict

from sweep.catalogue.settings import SETTINGS, Setting
from sweep.config import TrialConfig
from sweep.enums import EventKind, Outcome, StudyPhase, Trainer, WorkerState
from sweep.errors import CorruptValueError
from sweep.messages import (
    N_BANDS,
    Accuracies,
    Decomposition,
    Diagnostics,
    FeatureProbe,
    PixelErrors,
    Probe,
    SpectrumBands,
    unpack_spectrum,
)
from sweep.store.study_files import read_about, read_sections

if TYPE_CHECKING:
    from sweep.studyfile.file import Sections

#: Limits, far above what we write: characters of a text column and of a JSON column, bytes of a
#: picture.
LONGEST_TEXT, LONGEST_JSON, LARGEST_BLOB = 1_000_000, 4_000_000, 16_000_000

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_CLOSED = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
_OPEN = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")
_LONGEST_SHOWN = 80


class Checked(TypeDecorator[Any]):
    """A column type that validates every value that is read."""

    impl = TypeEngine
    cache_ok = True

    def __init__(self, inner: TypeEngine[Any], place: str) -> None:
        #: The type that the database stores; it binds and compares unchanged.
        self.inner = self.impl = inner  # type: ignore[assignment]
        #: ``table.column``
        self.place = place

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """The validator of the column's values."""
        return _adapter(self.place, COLUMNS.get(self.place) or _type_of(self))

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Delegate to the inner type: the keys of a JSON column are not JSON themselves."""
        return self.inner.coerce_compared_value(op, value)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return the converter of written values; numbers that are not finite become NULL."""
        encode = self.impl_instance.bind_processor(dialect)
        if not isinstance(self.inner, Float | JSON):
            return encode
        if encode is None:
            return _finite
        return lambda value: encode(_finite(value))

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any]:
        """Return SQLAlchemy's converter of read values, which validates them."""
        check = self.adapter.validator.validate_python
        decode: Any = self.impl_instance.result_processor(dialect, coltype)
        if isinstance(self.inner, JSON) and dialect.name == "sqlite":
            decode = decode_json
        elif decode is None or isinstance(self.inner, LargeBinary):  # bytes(5) is five zeros
            return check  # its errors have the place in their title; saves a call for each value

        def process(value: Any) -> Any:
            try:
                return None if value is None else check(decode(value))
            except ValidationError:
                raise
            except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
                raise CorruptValueError(self.place, describe_error(error, value)) from error

        return process


@cache
def _adapter(place: str, of: Any) -> TypeAdapter[Any]:
    """Build a validator once: it takes a millisecond, and every engine has a copy of each type."""
    if isinstance(of, FunctionType):
        of = of()
    return TypeAdapter(of | None, config=ConfigDict(title=place, **_STRICT))


def decode_json(stored: Any) -> Any:
    """Parse a stored JSON text. Raises ValueError."""
    if not isinstance(stored, str):  # SQLite returns numbers for texts that look like numbers
        return stored
    if len(stored) > LONGEST_JSON:
        raise ValueError(f"{len(stored):,} characters of JSON, at most {LONGEST_JSON:,} can be")
    return from_json(stored, allow_inf_nan=False)


def _finite(value: Any) -> Any:
    """Replace non-finite numbers, and records that contain one, by None."""
    match value:
        case float():
            return value if isfinite(value) else None
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case dict():
            found = {key: _finite(inner) for key, inner in value.items()}
            lost = any(found[key] is None for key in value if value[key] is not None)
            return None if lost else found
    return value


def describe_error(error: Exception, value: Any) -> str:
    """Describe in a few words what is wrong with a value."""
    if not isinstance(error, ValidationError):
        return f"{_format_value(value)}: {shorten(str(error))}"
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"][:1].lower() + first["msg"][1:]
    given = "" if first["type"] == "json_invalid" else f", found {_format_value(first['input'])}"
    return f"{where}{': ' if where else ''}{said}{given}"


def _format_value(value: Any) -> str:
    """Represent a value in a message; long values by type and length."""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, dict | list | tuple):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value):,}"
    if isinstance(value, str):
        value = value[:_LONGEST_SHOWN]  # repr of a long one takes long
    return shorten(repr(value))


def shorten(said: str) -> str:
    """Shorten a text for use in a message."""
    return said if len(said) <= _LONGEST_SHOWN else said[:_LONGEST_SHOWN] + "…"


@contextmanager
def locate_corruption(connection: Connection) -> Iterator[None]:
    """Add study and row to a CorruptValueError that the block raises."""
    try:
        yield
    except ValidationError as error:
        if error.title not in _CHECKED:
            raise
        raise _find(connection, error.title, describe_error(error, None)) from error
    except CorruptValueError as error:
        if error.study is not None or error.row:
            raise
        raise _find(connection, error.place, error.why) from error


def _find(connection: Connection, place: str, reason: str) -> CorruptValueError:
    found = next(corrupt_rows(connection, place), None)
    return found or CorruptValueError(place, reason)


def corrupt_rows(
    connection: Connection, place: str, study_id: int | None = None
) -> Iterator[CorruptValueError]:
    """Yield an error for each corrupt value of a column, in one study or in all."""
    column = _CHECKED[place]
    kind = column.type.dialect_impl(connection.dialect)
    keys = dict.fromkeys(key.name for key in column.table.primary_key)
    keys |= dict.fromkeys(name for name in ("study_id", "trial_id") if name in column.table.c)
    # Select by name, without types, so that any value can be read, including keys.
    check_row, beside = _ROW_CHECKS.get(place, (None, ()))
    names = dict.fromkeys((*keys, column.name, *beside))
    query = select(sql_table(column.table.name, *map(sql_column, names)))
    rows = connection.execute(query)
    # psycopg's column type, by which SQLAlchemy chooses how to read numbers; None in SQLite.
    coltype = rows.cursor.description[list(names).index(column.name)][1]
    decode: Any = kind.result_processor(connection.dialect, coltype)
    for row in rows.mappings():
        try:
            decode(row[column.name])
            if check_row is not None:
                check_row(row)
        except (CorruptValueError, ValidationError) as error:
            reason = (
                error.why if isinstance(error, CorruptValueError) else describe_error(error, None)
            )
            whose = _owner(connection, row)
            if study_id is None or whose.study_id in (study_id, None):
                said = ", ".join(f"{key} {row[key]!s:.20}" for key in keys)
                yield CorruptValueError(place, reason, study=whose.name, row=whose.trial or said)


class _Owner(NamedTuple):
    """Study and trial that a row belongs to, as far as they are known."""

    study_id: int | None = None
    name: str | None = None
    trial: str | None = None


def _owner(connection: Connection, row: RowMapping) -> _Owner:
    study_id, trial = row.get("study_id"), None
    if row.get("trial_id") is not None:
        query = text("SELECT study_id, number FROM trials WHERE trial_id = :id")
        found = connection.execute(query, {"id": row["trial_id"]}).one_or_none()
        if found is not None:
            study_id, trial = found.study_id, f"trial {found.number!s:.20}"
    query = text("SELECT study_name FROM studies WHERE study_id = :id")
    name = connection.execute(query, {"id": study_id}).scalar_one_or_none()
    return _Owner(study_id, name if isinstance(name, str) else None, trial)


def check_columns(tables: MetaData) -> None:
    """Give every column of these tables a validating type.

    Integer keys are excluded: they number and join rows, and a corrupt one joins nothing.
    """
    for of in tables.sorted_tables:
        for column in of.columns:
            is_key = column.foreign_keys or list(of.primary_key) == [column]
            if not (is_key and isinstance(column.type, Integer)):
                place = f"{of.name}.{column.name}"
                column.type = Checked(column.type, place)
                _CHECKED[place] = column


def is_json(column: Column[Any]) -> bool:
    """Tell whether the column holds JSON."""
    return isinstance(getattr(column.type, "inner", column.type), JSON)


def from_text(column: Column[Any], stored: str) -> Any:
    """Parse and validate the text of a JSON column. Raises CorruptValueError."""
    kind = column.type
    assert isinstance(kind, Checked)
    try:
        return kind.adapter.validator.validate_python(decode_json(stored))
    except (ValueError, RecursionError) as error:
        raise CorruptValueError(kind.place, describe_error(error, stored)) from error


def checked_places() -> list[str]:
    """Return every column whose values are validated, as ``table.column``."""
    return list(_CHECKED)


_CHECKED: dict[str, Column[Any]] = {}


# --- what each column holds ------------------------------------------------------------------

Text: TypeAlias = Annotated[str, MaxLen(LONGEST_TEXT)]
Count: TypeAlias = Annotated[int, Ge(0), Le(2**63 - 1)]
Whole: TypeAlias = Annotated[int, Ge(-(2**63)), Le(2**63 - 1)]
#: An error, a loss or a duration.
Amount: TypeAlias = Annotated[float, Ge(0)]
Share: TypeAlias = Annotated[float, Ge(0), Le(1)]
#: Seconds since the epoch, up to the year 9999.
Time: TypeAlias = Annotated[float, Ge(0), Lt(253_402_300_000)]
Scalar: TypeAlias = bool | int | float | Text | None


def _type_of(column: Checked) -> Any:
    """Derive the type of a column without an entry in COLUMNS from its SQL type."""
    match column.inner:
        case Enum() as enum if enum.enum_class is not None:
            return enum.enum_class
        case Boolean():
            return bool
        case Integer():
            return Whole
        case Float() if column.place.endswith("_at"):
            return Time
        case Float():
            return float
        case DateTime():
            return datetime
        case LargeBinary():
            return Annotated[bytes, MaxLen(LARGEST_BLOB)]
        case String():
            return Text
    raise AssertionError(f"{column.place}: no check for {column.inner!r}")


def _typed_dict(name: str, of: Mapping[str, Any], *, total: bool, config: ConfigDict) -> Any:
    return with_config(config)(TypedDict(name, dict(of), total=total))  # type: ignore[operator]


def _record(of: type, **others: Any) -> Any:
    """Build the type of a frozen record of numbers in JSON; ``others`` types other fields."""
    found = {field.name: others.get(field.name, field.type) for field in fields(of)}
    return _typed_dict(of.__name__, found, total=True, config=_CLOSED)


def _setting(setting: Setting[Any]) -> Any:
    if setting.choices:
        return Literal[setting.choices]
    if setting.kind is bool:
        return bool
    low = Gt(setting.low) if setting.open_low else Ge(setting.low)
    high = Lt(setting.high) if setting.open_high else Le(setting.high)
    return Annotated[setting.kind, low, high]


def _member(of: type[StrEnum]) -> Any:
    """Build the type of a text that is converted to a member of an enum."""
    return Annotated[of, Strict(False)]


def _json_text(text: str) -> str:
    from_json(text, allow_inf_nan=False)
    return text


def _distribution(text: str) -> str:
    try:
        as_distribution(text)
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"no distribution of Optuna's: {shorten(str(error))}") from error
    return text


@lru_cache(maxsize=1024)
def as_distribution(text: str) -> BaseDistribution:
    """Parse Optuna's distribution; cached, because all trials of a study repeat a few of them."""
    return json_to_distribution(text)


def external_value(distribution: BaseDistribution, value: float) -> Any:
    """Convert a parameter to Optuna's external value. Raises CorruptValueError."""
    try:
        return distribution.to_external_repr(value)
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise CorruptValueError(
            "trial_params.param_value", f"{value!r} is none of {shorten(repr(distribution))}"
        ) from error


def _check_param(row: RowMapping) -> None:
    with suppress(ValueError, TypeError, LookupError):  # reported at the other column
        distribution = as_distribution(row["distribution_json"])
        external_value(distribution, row["param_value"])


def checked_sections(text: str) -> "Sections":
    """Read the sections of a stored study file. Raises CorruptValueError.

    Reading the column checks only what lists of studies show: building the models of a study file
    takes longer than the rest of such a command.
    """
    try:
        return read_sections(text)
    except ValueError as error:
        raise CorruptValueError("sweep_studies.study_file", describe_error(error, text)) from error


def _check_study_file(row: RowMapping) -> None:
    checked_sections(row["study_file"])


def _with_about(text: str) -> str:
    read_about(text)
    return text


#: Columns with a check of the whole row in addition to their type: the check, and the other columns
#: that it reads.
_ROW_CHECKS: Mapping[str, tuple[Callable[[RowMapping], None], tuple[str, ...]]] = {
    "trial_params.param_value": (_check_param, ("distribution_json",)),
    "sweep_studies.study_file": (_check_study_file, ()),
}

_RUN = {
    "sweep": Text,
    "python": Text,
    "platform": Text,
    "git_commit": Text | None,
    "gpus": list[dict[str, Scalar]] | Text,
    "packages": dict[str, Text | None],
    "at": Time,
}
_RESUMED: Any = _typed_dict("run", _RUN, total=False, config=_OPEN)
_IMAGES: Any = _typed_dict(
    "images",
    {
        **dict.fromkeys(("height", "width", "channels", "n_train", "n_test"), Count),
        "class_names": list[Text],
    },
    total=False,
    config=_OPEN,
)
_PROVENANCE = _typed_dict(
    "provenance",
    {**_RUN, "data_sha256": Text | None, "images": _IMAGES, "resumed": list[_RESUMED]},
    total=False,
    config=_OPEN,
)
#: A text in the place of a number is rejected when the command is applied, and listed unchanged.
_PAYLOAD = _typed_dict(
    "payload",
    {"n_trials": Count | Text, "configuration": dict[str, Scalar]},
    total=False,
    config=_OPEN,
)


def _with_width(config: dict[str, Any]) -> dict[str, Any]:
    if config and "hidden_width" not in config:
        raise ValueError("hidden_width is missing")
    return config


def _config() -> Any:
    """Build the type of a trial's settings.

    Empty for a trial marked invalid before it was dispatched.
    """
    settings = {field.name: _setting(SETTINGS[field.name]) for field in fields(TrialConfig)}
    checked = _typed_dict("config", settings, total=False, config=_CLOSED)
    return Annotated[checked, AfterValidator(_with_width)]


def _param_name() -> Any:
    """Build the type of a setting's name: ``hidden_width``, or with its choice ``sgd.momentum``."""
    return Annotated[str, StringConstraints(pattern=rf"^(\w+\.)*({'|'.join(SETTINGS)})$")]


def _spectrum(packed: bytes) -> bytes:
    unpack_spectrum(packed)
    return packed


_ACCURACIES = _record(Accuracies, **{field.name: Share for field in fields(Accuracies)})
_FEATURES = _record(
    FeatureProbe,
    **dict.fromkeys(("all_labels", "validation", "few_labels", "few_labels_std"), _ACCURACIES),
    **dict.fromkeys(("n_train", "n_few", "n_draws"), Count),
    nearest=list[list[Count]],
)
_OF_BANDS = Annotated[list[Amount], Len(N_BANDS, N_BANDS)]

#: Types of columns whose SQL type is too general, by ``table.column``. A function returns the type
#: when the first value is read.
COLUMNS: Mapping[str, Any] = {
    "sweep_studies.study_file": Annotated[Text, AfterValidator(_with_about)],
    "sweep_studies.phase": _member(StudyPhase),
    "sweep_studies.provenance": _PROVENANCE,
    "sweep_studies.spectrum_bands": _record(
        SpectrumBands,
        n_directions=Annotated[list[Count], Len(N_BANDS, N_BANDS)],
        variances=_OF_BANDS,
        mean_image_errors=_OF_BANDS,
    )
    | None,
    "sweep_epochs.spectrum": Annotated[bytes, AfterValidator(_spectrum)],
    "sweep_trials.config": _config,
    "sweep_trials.seeds": list[Count],
    "sweep_trials.per_class_mse": list[Amount | None] | None,
    "sweep_trials.outcome": Literal[tuple(map(str, Outcome))],
    "sweep_results.per_class_mse": list[Amount | None] | None,
    "sweep_results.diagnostics": _record(Diagnostics) | None,
    "sweep_results.pixel_errors": _record(
        PixelErrors, **{field.name: Share for field in fields(PixelErrors)}
    )
    | None,
    "sweep_decompositions.decomposition": _record(Decomposition, end_to_end=list[float] | None),
    "sweep_probes.probe": _record(Probe, code=_FEATURES, commonest=Share, shown=list[Count]),
    "sweep_probe_baselines.pca": _FEATURES,
    "sweep_probe_baselines.random": _FEATURES,
    "sweep_workers.state": _member(WorkerState),
    "sweep_workers.trainer": _member(Trainer),
    "sweep_leases.process": dict[str, str | float],
    "sweep_commands.payload": _PAYLOAD,
    "sweep_floors.floors": dict[str, Any],
    "sweep_events.at": Time,
    "sweep_events.kind": _member(EventKind),
    "study_user_attributes.value_json": Annotated[Text, AfterValidator(_json_text)],
    "study_system_attributes.value_json": Annotated[Text, AfterValidator(_json_text)],
    "trial_user_attributes.value_json": Annotated[Text, AfterValidator(_json_text)],
    "trial_system_attributes.value_json": Annotated[Text, AfterValidator(_json_text)],
    "trial_params.param_name": _param_name,
    "trial_params.distribution_json": Annotated[Text, AfterValidator(_distribution)],
    **{
        f"{table}.{name}": Amount
        for table, names in {
            "sweep_trials": "train_seconds val_mse val_mse_std test_mse test_mse_std test_bce",
            "sweep_epochs": "val_mse val_bce seconds",
            "sweep_results": "test_mse test_bce",
        }.items()
        for name in names.split()
    },
    "sweep_trials.exact_pixel_share": Share,
    "sweep_results.exact_pixel_share": Share,
    "sweep_trials.n_parameters": Count,
    "sweep_trials.attempt": Count,
    "sweep_trials.number": Count,
    "sweep_studies.n_trials": Count,
}
