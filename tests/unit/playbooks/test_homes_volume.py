"""The volume of the homes is formatted only if it is blank; files stand in for devices."""

import re
import subprocess
from pathlib import Path

from plays import play

_MB = 1024 * 1024


def _device(path: Path, *command: str, damage: tuple[int, int] | None = None) -> dict[str, str]:
    """A device of 64 MB, prepared by a command; then zeros from one offset to another."""
    with path.open("wb") as file:
        file.truncate(64 * _MB)
    if command:
        subprocess.run([*command, path], check=True, capture_output=True)
    if damage:
        with path.open("r+b") as file:
            file.seek(damage[0])
            file.write(bytes(damage[1] - damage[0]))
    return {"homes_device": str(path)}


def test_only_a_blank_volume_is_formatted(tmp_path: Path) -> None:
    homes = ("mkfs.ext4", "-q", "-L", "fruits-homes")
    entry = r"\200\0\0\0\203\0\0\0\0\10\0\0\0\10\0\0"  # of a partition table, before its signature
    table = f"(printf '{entry}'; head -c 48 /dev/zero; printf '\\125\\252')"
    partitions = ("sh", "-c", f'{table} | dd of="$0" bs=1 seek=446 conv=notrunc')
    written = ("sh", "-c", 'printf data | dd of="$0" bs=1M seek=5 conv=notrunc')
    devices = {
        "blank": _device(tmp_path / "blank"),
        "homes": _device(tmp_path / "homes", *homes),
        "another": _device(tmp_path / "another", "mkfs.ext4", "-q", "-L", "photos"),
        "unnamed": _device(tmp_path / "unnamed", "mkfs.ext4", "-q"),
        "damaged": _device(tmp_path / "damaged", *homes, damage=(0, 4096)),
        "swap": _device(tmp_path / "swap", "mkswap"),
        "partitions": _device(tmp_path / "partitions", *partitions),
        "written": _device(tmp_path / "written", *written),
    }
    before = {name: (tmp_path / name).read_bytes() for name in devices}
    role = {"name": "homes", "tasks_from": "format"}
    first = play(tmp_path, devices, {"ansible.builtin.include_role": role})
    recap = first.stdout.partition("PLAY RECAP")[2]
    results = dict(re.findall(r"^(\w+) .*changed=(\d+ .*failed=\d)", recap, re.MULTILINE))
    failed = {name for name, counts in results.items() if counts.endswith("failed=1")}
    changed = {name for name, counts in results.items() if counts.startswith("1 ")}
    assert failed == {"another", "unnamed", "damaged", "swap", "partitions", "written"}
    assert changed == {"blank"}, first.stdout
    assert all(
        (tmp_path / name).read_bytes() == before[name] for name in devices if name != "blank"
    )
    assert "is left as it is" in first.stdout

    formatted = (tmp_path / "blank").read_bytes()
    second = play(tmp_path, {"blank": devices["blank"]}, {"ansible.builtin.include_role": role})
    assert re.search(r"blank .*changed=0 .*failed=0", second.stdout), second.stdout
    assert (tmp_path / "blank").read_bytes() == formatted
