"""Files that Python imports in place of modules of the standard library, or of packages."""

import site
import sys
import sysconfig
import traceback
from pathlib import Path

from fruits.errors import FruitsError
from fruits.session.environment import DOCTOR, user_site


def shadowing_modules(error: BaseException | None = None) -> list[str]:
    """Files imported in place of modules of the standard library, or of packages.

    Those of loaded modules and, as a module that fails is not kept, those in an error's traceback.
    """
    files = [
        frame.f_code.co_filename
        for frame, _ in traceback.walk_tb(error.__traceback__ if error else None)
    ]
    for name, module in list(sys.modules.items()):
        if "." not in name and (file := getattr(module, "__file__", None)):
            files.append(file)
    installed = _installed_folders()

    def is_shadow(path: Path) -> bool:
        name = path.parent.name if path.stem == "__init__" else path.stem
        return name in _KNOWN and not any(path.is_relative_to(folder) for folder in installed)

    # Not the command itself, a script without suffix: nothing imports it.
    modules = (file for file in files if file.endswith((".py", ".pyc")) and file[:1] != "<")
    return [file for file in modules if is_shadow(Path(file).resolve())]


def shadowing_files(folder: Path) -> list[str]:
    """Names in a folder that Python would import in place of a module of that name."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        entry.name
        for entry in entries
        if (entry.suffix == ".py" and entry.stem in _KNOWN)
        or (entry.name in _KNOWN and entry.is_dir() and any(entry.glob("*.py")))
    ]


_KNOWN = (sys.stdlib_module_names | {"numpy", "pandas", "pyarrow", "pyspark", "py4j", "PIL"}) | {
    *("boto3", "botocore", "click", "fruits", "jinja2", "openvino", "rich", "keras", "tensorflow"),
}


def _installed_folders() -> list[Path]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {*site.getsitepackages(), *user_site(), str(Path(__file__).parents[1])}
    return [Path(folder).resolve() for folder in folders]


def explain_import_error(error: Exception) -> Exception:
    """The reason why a module of this package can't be imported, if it is a user's own file."""
    if files := shadowing_modules(error):
        return FruitsError(
            f"{files[0]} is imported in place of the module of that name ({error}): "
            "rename it, or remove its folder from PYTHONPATH"
        )
    if isinstance(error, ImportError) and not str(error.name or "").startswith("fruits"):
        words = " ".join(str(error).split())[:300]
        return FruitsError(f"a package is missing or damaged ({words}): {DOCTOR}")
    return error
