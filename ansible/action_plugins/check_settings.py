"""The action `check_settings`: fails with one line for each setting that is wrong.

Names, kinds and defaults are those of group_vars/all/defaults.yml; RULES and LEAST are what a kind
can't express. Files are found from here, not by a variable that the command line could replace.
"""

import importlib.util
import ipaddress
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ansible.parsing.vault import EncryptedString
from ansible.plugins.action import ActionBase

FOLDER = Path(__file__).resolve().parents[1]
PINNED = ("region", "cluster_name", "bucket", "subnet_id", "network_cidr", "connect")
"""They decide which resources are meant, and how hosts are reached: all commands must agree, and
the inventory reads no -e."""

_NO = ("false", "no", "off", "0")

LEAST = {
    "workers": 1,
    "sessions": 1,
    "master_disk_gb": 10,
    "worker_disk_gb": 10,
    "old_versions_days": 1,
    "backup_days": 1,
    "executor_memory_mb": 450,  # Spark refuses less
    "driver_memory_mb": 450,
}


def problems(
    defaults: Mapping[str, Any], own: Mapping[str, Any], used: Mapping[str, Any], knobs: set[str]
) -> list[str]:
    """What is wrong with the settings, a line each.

    `own` is cluster.yml, `used` the values after evaluation, which -e may have changed; `knobs` are
    names of roles' own defaults.
    """
    found = [
        _unknown(name, {*defaults, *knobs}) for name in own if _is_unknown(name, defaults, knobs)
    ]
    for name, default in defaults.items():
        stated = own.get(name, default)
        if name in PINNED and used.get(name) != stated:
            found.append(
                f"{name} is {used.get(name)!r} on the command line, but {stated!r} in "
                "ansible/cluster.yml, all that the inventory and other commands read: "
                f"set `{name}` there, and leave it out of the command"
            )
        elif name in used and not isinstance(used[name], EncryptedString):
            found += filter(None, [_problem(name, used[name], default, used)])
    return found


def _is_unknown(name: object, defaults: Mapping[str, Any], knobs: set[str]) -> bool:
    return name not in defaults and name not in knobs and not str(name).startswith("ansible_")


def _unknown(name: object, known: set[str]) -> str:
    near = get_close_matches(str(name), sorted(known), 1)
    hint = f"did you mean `{near[0]}`?" if near else "remove it."
    return (
        f"ansible/cluster.yml sets {name!r}, which is no setting: {hint} "
        "All settings are in ansible/group_vars/all/defaults.yml"
    )


def _problem(name: str, value: Any, default: Any, used: Mapping[str, Any]) -> str | None:
    if isinstance(default, str) and "{{" in default and value is not None:
        return None  # of any kind, and it may need facts of hosts
    if wrong := _wrong_kind(value, default):
        return f"{name} is {value!r}: {wrong}"
    if isinstance(default, int) and not isinstance(default, bool):
        least = LEAST.get(name, 0)
        return f"{name} is {value}: it must be at least {least}" if int(value) < least else None
    rule = RULES.get(name)
    return rule(value, used) if rule else None


def _wrong_kind(value: Any, default: Any) -> str | None:
    """What is wrong if the value is not of the default's kind. `-e NAME=VALUE` only passes text."""
    text = str(value).strip()
    if value is None:
        return "it has no value; write one, or delete the line"
    if isinstance(default, bool):
        good = text.lower() in ("true", "yes", "on", "1", *_NO)
        return None if good else "it must be true or false"
    if isinstance(default, int):
        good = not isinstance(value, bool) and isinstance(value, int | str) and text.isascii()
        return None if good and re.fullmatch("-?[0-9]+", text) else "it must be a whole number"
    if isinstance(default, str):
        return (
            None
            if isinstance(value, str)
            else "it must be text, in quotes if YAML takes it for something else"
        )
    if isinstance(default, list):
        good = isinstance(value, list) and all(isinstance(item, str | int) for item in value)
        return None if good else "it must be a list, such as [a, b]"
    return (
        None if isinstance(value, dict) else "it must be names with values, such as {name: value}"
    )


def _images(place: str, used: Mapping[str, Any]) -> str | None:
    if place not in ("built_here", "built_on_master"):
        return f"images is {place!r}: it must be built_here or built_on_master"
    if place == "built_on_master" and used.get("registry"):
        return (
            "images is built_on_master, and registry is set, to which this machine would push: "
            "remove one of the two (the master gives the workers its images without a registry)"
        )
    return None


def _fresh(fresh: Any, used: Mapping[str, Any]) -> str | None:
    if str(fresh).lower() in _NO or used.get("images") == "built_on_master":
        return None
    return (
        "fresh is for images that are built_on_master: those of this machine are built anew by "
        "`make images FRESH=1`"
    )


def _build_environment(environment: dict[Any, Any], _: Mapping[str, Any]) -> str | None:
    for name, value in environment.items():
        if name not in ("DEBIAN", "WEIGHTS") or not isinstance(value, str):
            return (
                f"build_environment has {name!r}: {value!r}: it may have DEBIAN and WEIGHTS, with "
                "texts as values"
            )
    return None


def _cluster_name(name: str, _: Mapping[str, Any]) -> str | None:
    # Part of the names of an IAM role (NAME-REGION-host, 64 characters), of ECR's repositories (no
    # double hyphen), of a parameter (not aws…, ssm…) and of a security group (not sg-…).
    if re.fullmatch("(?!aws|ssm|sg-)[a-z](-?[a-z0-9])*", name) and len(name) <= 40:
        return None
    return (
        f"cluster_name is {name!r}: use at most 40 lower-case letters (a to z), digits and single "
        "hyphens, beginning with a letter, but not with aws, ssm or sg-"
    )


def _bucket(name: str, used: Mapping[str, Any]) -> str | None:
    if not name:
        return (
            "set `bucket` in ansible/cluster.yml (`bucket: my-team-fruits`); if the file does not "
            "exist, copy ansible/cluster.example.yml to it"
        )
    # Names with dots match no certificate of AWS. Other stores are addressed by path.
    other = bool(used.get("s3_endpoint_url"))
    letters = "[a-z0-9]([.]?[a-z0-9-])*" if other else "[a-z0-9-]*"
    good = re.fullmatch(letters, name) and 3 <= len(name) <= 63 and name[0] != "-" != name[-1]
    reserved = name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(
        ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
    )
    if good and name[-1] != "." and not reserved:
        return None
    return (
        f"bucket is {name!r}: use 3 to 63 lower-case letters (a to z), digits and hyphens, "
        "beginning and ending with a letter or digit (no dots: TLS fails with them), "
        "and no beginning or end that S3 reserves, such as xn-- and -s3alias"
    )


def _zone(zone: str, used: Mapping[str, Any]) -> str | None:
    region = used.get("region")
    if not zone or re.fullmatch(f"{re.escape(str(region))}[a-z]", zone):
        return None
    return (
        f"availability_zone is {zone!r}: it must be {region} and one letter, such as {region}b "
        "(Local and Wavelength Zones may be outside the European Union)"
    )


def _subnet(subnet: str, _: Mapping[str, Any]) -> str | None:
    if not subnet or re.fullmatch("subnet-[0-9a-f]{8,17}", subnet):
        return None
    return (
        f"subnet_id is {subnet!r}: it must be empty or the ID of a subnet, such as "
        "subnet-0123456789abcdef0"
    )


def _range(addresses: str, _: Mapping[str, Any]) -> str | None:
    try:
        if 16 <= ipaddress.IPv4Network(addresses).prefixlen <= 28:
            return None
    except ValueError:
        pass
    return (
        f"network_cidr is {addresses!r}: it must be an IPv4 range from /16 to /28, such as "
        "10.42.0.0/24"
    )


def _sources(name: str) -> Callable[[list[str], Mapping[str, Any]], str | None]:
    def rule(sources: list[Any], _: Mapping[str, Any]) -> str | None:
        for source in sources:
            try:
                if not re.fullmatch(r"[0-9.]+/[0-9]+", str(source)):
                    raise ValueError
                ipaddress.IPv4Network(source, strict=False)
            except ValueError:
                return (
                    f"set {name} to IPv4 addresses in CIDR notation, such as [203.0.113.7/32]: "
                    f"{source!r} is none"
                )
        return None

    return rule


def _hub_user(name: str, used: Mapping[str, Any]) -> str | None:
    if not re.fullmatch("[a-z][a-z0-9_-]{0,30}", name):
        return (
            f"hub_user is {name!r}: use up to 31 lower-case letters (a to z), digits, - and _, "
            "beginning with a letter"
        )
    if name in used.get("secrets_reserved", []):
        return (
            f"hub_user is {name!r}, the name of a file in ansible/secrets, where the password "
            "would replace it: choose another name"
        )
    return None


def _hub_domain(domain: str, used: Mapping[str, Any]) -> str | None:
    if not domain:
        return None
    label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if (
        not re.fullmatch(rf"({label}\.)+{label}", domain)
        or len(domain) > 253
        or domain[-1].isdigit()
    ):
        return f"hub_domain is {domain!r}: it must be a name in DNS, such as fruits.example.org"
    if not used.get("hub_from"):
        return "set hub_from to the addresses that may open the Hub, [0.0.0.0/0] for all"
    everybody = any(re.fullmatch("[0-9.]+/0", str(source)) for source in used["hub_from"])
    if not everybody and not used.get("hub_certificate"):
        return (
            "a certificate authority must reach the Hub to verify its name, but hub_from does not "
            "let it: set hub_certificate to files of your own, or hub_from to [0.0.0.0/0]"
        )
    return None


def _hub_certificate(files: dict[Any, Any], _: Mapping[str, Any]) -> str | None:
    if not files:
        return None
    if set(files) != {"certificate", "key"} or not all(isinstance(f, str) for f in files.values()):
        return "hub_certificate must be {certificate: FILE, key: FILE}, files on this machine"
    for file in files.values():
        if not Path(file).is_absolute():
            return f"hub_certificate: write the whole path of {file!r}"
    return None


def _acme_server(address: str, _: Mapping[str, Any]) -> str | None:
    if not address or re.fullmatch(r"https://[^\s{}\"]+", address):
        return None
    return f"acme_server is {address!r}: it must be an address that begins with https://"


def _hub_oauth(oauth: dict[Any, Any], used: Mapping[str, Any]) -> str | None:
    """The rules are in the Hub's image, which has the same settings."""
    if not oauth:
        return None
    if not used.get("hub_domain"):
        return "hub_oauth needs hub_domain: the provider sends browsers back to that name"
    file = FOLDER.parent / "images" / "jupyterhub" / "oauth_settings.py"
    spec = importlib.util.spec_from_file_location("oauth_settings", file)
    assert spec
    assert spec.loader
    settings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(settings)
    wrong = settings.problem(oauth)
    return f"hub_oauth: {wrong}" if wrong else None


def _connect(way: str, _: Mapping[str, Any]) -> str | None:
    if way in ("ssh", "ssm"):
        return None
    return f"connect is {way!r}: it must be ssh, or ssm for AWS's Session Manager"


def _ssh_jump(jump: str, _: Mapping[str, Any]) -> str | None:
    if not jump or re.fullmatch(r"([\w.-]+@)?\w[\w.-]*(:[0-9]{1,5})?", jump, re.ASCII):
        return None
    return (
        f"ssh_jump is {jump!r}: it must be empty or one host, such as alice@bastion.example.org "
        "or bastion.example.org:2222"
    )


def _extra_tags(tags: dict[Any, Any], _: Mapping[str, Any]) -> str | None:
    seen = {"name": "Name", "fruits:cluster": "fruits:cluster", "fruits:role": "fruits:role"}
    if len(tags) > 40:
        return f"extra_tags has {len(tags)} tags: AWS accepts 50 in all, so have at most 40"
    for name, value in tags.items():
        if not isinstance(name, str) or not isinstance(value, str):
            return (
                f"extra_tags: {name!r} and its value {value!r} must be text, in quotes if YAML "
                "takes them for something else"
            )
        if not 1 <= len(name) <= 128 or len(value) > 256:
            return (
                f"extra_tags: {name[:40]!r}: AWS accepts names of 1 to 128 characters, and values "
                "of up to 256"
            )
        if name.lower().startswith("aws:") or not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            return (
                f"extra_tags: AWS refuses {name!r} with the value {value!r}: use letters, digits, "
                "spaces and + - = . _ : / @, and no name that begins with aws:"
            )
        if other := seen.get(name.lower()):
            return (
                f"extra_tags: {name!r} is taken by {other!r}: use another name (IAM ignores case)"
            )
        seen[name.lower()] = name
    return None


def _alert_email(address: str, used: Mapping[str, Any]) -> str | None:
    amount = str(used.get("monthly_budget") or 0).strip()
    budget = amount != "0"
    if not amount.isdigit() or (not budget and not address):
        return None
    if not address:
        return "set alert_email, which gets the alarms of monthly_budget, or remove monthly_budget"
    if not budget:
        return "set monthly_budget, of which alert_email gets the alarms, or remove alert_email"
    if re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+[.][^@\s,;<>.]+", address):
        return None
    return f"alert_email is {address!r}: it must be one address, such as team@example.org"


_TAG = re.compile(r"[\w \t+\-=.:/@]*")

RULES: dict[str, Callable[[Any, Mapping[str, Any]], str | None]] = {
    "images": _images,
    "fresh": _fresh,
    "build_environment": _build_environment,
    "cluster_name": _cluster_name,
    "bucket": _bucket,
    "availability_zone": _zone,
    "subnet_id": _subnet,
    "network_cidr": _range,
    "connect": _connect,
    "ssh_from": _sources("ssh_from"),
    "ssh_jump": _ssh_jump,
    "hub_user": _hub_user,
    "hub_domain": _hub_domain,
    "hub_from": _sources("hub_from"),
    "hub_certificate": _hub_certificate,
    "acme_server": _acme_server,
    "hub_oauth": _hub_oauth,
    "extra_tags": _extra_tags,
    "alert_email": _alert_email,
}


class ActionModule(ActionBase):  # type: ignore[misc]
    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        defaults = self._read(FOLDER / "group_vars" / "all" / "defaults.yml")
        knobs: set[str] = set()
        for file in sorted(FOLDER.glob("roles/*/defaults/main.yml")):
            knobs |= {*self._read(file)}
        used = {name: self._value(name, task_vars or {}) for name in defaults}
        if found := problems(defaults, self._read(FOLDER / "cluster.yml"), used, knobs):
            result.update(failed=True, msg="\n".join(found))
        return result

    def _read(self, file: Path) -> dict[str, Any]:
        return (self._loader.load_from_file(str(file)) or {}) if file.exists() else {}

    def _value(self, name: str, task_vars: dict[str, Any]) -> Any:
        """The value after evaluation; as it stands where the inventory reads it without."""
        value = task_vars.get(name)
        if name in PINNED or isinstance(value, EncryptedString):
            return value
        try:
            return self._templar.template(value)
        except Exception:
            return value
