"""What importing OpenVINO through this package leaves for the rest of the process."""

import subprocess
import sys

import pytest

IMPORT = "from fruits.model.frameworks import import_openvino; ov = import_openvino()"


@pytest.mark.parametrize(
    "use",
    [
        "import openvino; openvino.convert_model",
        "from openvino import convert_model",
        "from openvino.tools.ovc import convert_model",
        "import openvino; assert not hasattr(openvino, 'no_such_name')",
    ],
)
def test_the_converter_is_there_for_those_who_use_it(use: str) -> None:
    subprocess.run([sys.executable, "-c", f"{IMPORT}\n{use}"], check=True, timeout=60)


def test_an_openvino_that_is_already_imported_stays_as_it_is() -> None:
    code = (
        f"import openvino; before = dict(vars(openvino))\n{IMPORT}\n"
        "assert ov is openvino and vars(ov) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
