"""Templates and variables of the roles, rendered by Ansible with the defaults of all settings."""

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from places import ROOT

ANSIBLE = ROOT / "ansible"


def template(role: str, name: str, **settings: Any) -> str:
    """Return the text of a role's template."""
    source = (ANSIBLE / "roles" / role / "templates" / name).read_text()
    return str(_render(role, source, settings))


def variable(role: str, name: str, **settings: Any) -> Any:
    """Return the value of a variable of a role."""
    return _render(role, f"{{{{ {name} }}}}", settings)


def _render(role: str, source: str, settings: dict[str, Any]) -> Any:
    loader = DataLoader()
    variables: dict[str, Any] = {"playbook_dir": str(ANSIBLE), "ansible_managed": "Ansible"}
    files = [ANSIBLE / "group_vars/all/defaults.yml"]
    files += [ANSIBLE / "roles" / role / folder / "main.yml" for folder in ("defaults", "vars")]
    for file in filter(Path.exists, files):
        variables |= loader.load_from_file(str(file), trusted_as_template=True) or {}
    return Templar(loader, variables | settings).template(trust_as_template(source))
