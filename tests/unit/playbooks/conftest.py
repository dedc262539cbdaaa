"""The check of the settings, as its tests call it."""

import importlib.util
from types import ModuleType

import pytest
from places import ROOT


@pytest.fixture(scope="session")
def plugin() -> ModuleType:
    file = ROOT / "ansible" / "action_plugins" / "check_settings.py"
    spec = importlib.util.spec_from_file_location("check_settings", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
