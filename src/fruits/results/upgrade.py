"""Upgrades results from format 1 to format 2.

In format 1, tables were folders, and the versions of photos were stored separately.
"""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fruits.errors import ResultsError
from fruits.results import tables
from fruits.results.manifest import FORMAT, MANIFEST, from_keys
from fruits.results.store import Results
from fruits.results.tables import KEYS
from fruits.storage import Folder

_DROPPED = ("reduced", "csv", "explained_variance", "variance", "evaluation")


def upgraded(folder: Folder) -> Results:
    """Converts results of format 1 to format 2, which takes effect with the next commit.

    Features and the classifier are kept; the PCA is dropped, as its rows are in a different order.

    Raises:
        ResultsError: a file of the results is missing or damaged.
    """
    data, state = folder.read_with_state(MANIFEST) or (b"{}", "")
    keys: dict[str, Any] = json.loads(data)
    sources = pa.concat_tables(tables.read(folder, _files(folder, keys.pop("sources"))))
    after: dict[str, list[str]] = {}
    for table in ("features", "rejects", "views", "examples"):
        if (path := keys.get(table)) and path not in after:
            after[path] = _rewritten(folder, table, path, sources)
    for table in ("features", "rejects", "views", "examples"):
        keys[table] = after.get(keys.get(table) or "") or None
    keys["features"] = keys["features"] or []
    models = {name: path for name, path in keys["models"].items() if name == "classifier"}
    keys |= {**dict.fromkeys(_DROPPED), "models": models, "format": FORMAT}
    return Results(folder, from_keys(keys), state)


def _rewritten(folder: Folder, table: str, path: str, sources: pa.Table) -> list[str]:
    files = []
    for file in _files(folder, path):
        rows = tables.read_file(folder, file)
        if table != "rejects" and "version" not in rows.column_names:
            places = pc.index_in(rows["path"], sources["path"].combine_chunks())
            rows = rows.append_column("version", sources["version"].take(places))
        if table != "rejects":
            rows = rows.select([*KEYS.names, "features"])
        if rows.num_rows or table == "rejects":
            files.append(tables.new_file(table))
            tables.write(folder, files[-1], rows)
    return files


def _files(folder: Folder, path: str) -> list[str]:
    if files := [f"{path}/{name}" for name in folder.names(path) if name.endswith(".parquet")]:
        return files
    raise ResultsError(
        f"{path} in {folder.address} is missing: restore it from a backup, or use another folder"
    )
