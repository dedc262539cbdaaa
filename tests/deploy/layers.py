"""Copy images from one Docker engine to another that has none yet; runs in a container, as root.

    python3 - ENGINE HOST IMAGE=ID…

ENGINE and HOST are the data folders of the two engines. Layers are hard-linked, which takes no
space and no time, and engines never write to them.
"""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

CONFIGS = Path("image/overlay2/imagedb/content/sha256")
LAYERS = Path("image/overlay2/layerdb/sha256")
NAMES = Path("image/overlay2/repositories.json")


def main(engine: Path, host: Path, *images: str) -> None:
    def copy(path: Path) -> None:
        (host / path).parent.mkdir(parents=True, exist_ok=True)
        words = ("--archive", "--link", "--no-clobber", "-T", engine / path, host / path)
        subprocess.run(["cp", *words], check=True)  # noqa: S607

    names: dict[str, dict[str, str]] = {}
    for image in images:
        name, _, digest = image.partition("=")
        names.setdefault(name.partition(":")[0], {})[name] = digest
        config = CONFIGS / digest.removeprefix("sha256:")
        copy(config)
        chain = ""
        for diff in json.loads((engine / config).read_text())["rootfs"]["diff_ids"]:
            # https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
            chain = f"sha256:{sha256(f'{chain} {diff}'.encode()).hexdigest()}" if chain else diff
            layer = LAYERS / chain.removeprefix("sha256:")
            if (host / layer).exists():
                continue
            copy(layer)
            files = Path("overlay2", (engine / layer / "cache-id").read_text())
            copy(files)
            copy(Path("overlay2/l", (engine / files / "link").read_text()))
    (host / NAMES).write_text(json.dumps({"Repositories": names}))


main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
