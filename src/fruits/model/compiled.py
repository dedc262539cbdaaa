"""Networks as OpenVINO has compiled them, kept beside the exported model.

Reading one takes half of the 0.13 s that compiling takes. OpenVINO's own cache (its option
`CACHE_DIR`) would compute a hash of the network each time, and not write files atomically.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from fruits.errors import WeightsError
from fruits.model.weights import write_whole

_HASH = 32


def kept_in(folder: Path, version: str, cpu: str, options: dict[str, Any]) -> Path:
    """The file in the folder of an exported model for what this version of OpenVINO compiles.

    It depends on the options, the CPU's name and its instruction sets, as virtual machines may hide
    some of them.
    """
    made_with = json.dumps([version, cpu, _instruction_sets(), options], sort_keys=True)
    return folder / f"openvino-{hashlib.sha256(made_with.encode()).hexdigest()[:16]}"


def _instruction_sets() -> str:
    """The CPU's, as Linux lists them; empty elsewhere."""
    with suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return line
    return ""


def read(path: Path, core: Any, options: dict[str, Any]) -> Any:
    """The compiled network kept there; None if there is none. A damaged one is removed."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    network = data[_HASH:]
    if hashlib.sha256(network).digest() == data[:_HASH]:
        with suppress(RuntimeError):
            return core.import_model(network, "CPU", options)
    with suppress(OSError):
        path.unlink()
    return None


def keep(path: Path, compiled: Any) -> None:
    """Writes a compiled network, unless the cache is not writable."""
    network = compiled.export_model().getvalue()
    with suppress(WeightsError):
        write_whole(path, hashlib.sha256(network).digest() + network)
