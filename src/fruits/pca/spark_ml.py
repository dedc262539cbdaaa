"""Reads and writes models in the format of Spark ML, without a JVM.

Spark's own writer runs two jobs per model, which takes seconds of a short run. Spark keeps the
format (JSON metadata and Parquet data) readable across versions; see "ML persistence: Saving and
Loading Pipelines", https://spark.apache.org/docs/latest/ml-pipeline.html. The tests check that
Spark loads these models.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fruits.storage import Folder

_ROW_METADATA = "org.apache.spark.sql.parquet.row.metadata"
_DENSE = 1
_VECTOR = pa.struct(
    [
        ("type", pa.int8()),
        ("size", pa.int32()),
        ("indices", pa.list_(pa.int32())),
        ("values", pa.list_(pa.float64())),
    ]
)
_MATRIX = pa.struct(
    [
        ("type", pa.int8()),
        ("numRows", pa.int32()),
        ("numCols", pa.int32()),
        ("colPtrs", pa.list_(pa.int32())),
        ("rowIndices", pa.list_(pa.int32())),
        ("values", pa.list_(pa.float64())),
        ("isTransposed", pa.bool_()),
    ]
)


def save(
    folder: Folder,
    path: str,
    model: str,
    params: Mapping[str, Any],
    data: Mapping[str, NDArray[np.float64]],
) -> None:
    """Saves a model of the class `org.apache.spark.ml.{model}`.

    `data` holds its vectors and matrices by the names that the class uses. The uid of the model is
    the class name without "Model".
    """
    from pyspark import __version__
    from pyspark.ml.linalg import MatrixUDT, VectorUDT
    from pyspark.sql.types import StructField, StructType

    about = {
        "class": f"org.apache.spark.ml.{model}",
        "timestamp": time.time_ns() // 1_000_000,
        "sparkVersion": __version__,
        "uid": model.rpartition(".")[2].removesuffix("Model"),
        "paramMap": dict(params),
        "defaultParamMap": {},
    }
    udts = {1: VectorUDT, 2: MatrixUDT}
    fields = [StructField(name, udts[array.ndim]()) for name, array in data.items()]
    row = pa.table({name: _column(array) for name, array in data.items()})
    out = pa.BufferOutputStream()
    pq.write_table(row.replace_schema_metadata({_ROW_METADATA: StructType(fields).json()}), out)
    for name, content in (
        ("metadata/part-00000", json.dumps(about).encode() + b"\n"),
        ("data/part-00000.parquet", out.getvalue().to_pybytes()),
    ):
        folder.write(f"{path}/{name}", content)
        folder.write(f"{path}/{name.partition('/')[0]}/_SUCCESS", b"")


def load(folder: Folder, path: str) -> dict[str, NDArray[np.float64]]:
    """The vectors and matrices of a model that was saved by `save` or by Spark."""
    (name,) = (name for name in folder.names(f"{path}/data") if name.endswith(".parquet"))
    with folder.open(f"{path}/data/{name}") as source:
        (row,) = pq.read_table(source).to_pylist()
    return {name: _array(value) for name, value in row.items()}


def _column(array: NDArray[np.float64]) -> pa.Array:
    """A column with one row, in the storage format of Spark ML's vectors and matrices."""
    if array.ndim == 1:
        dense = {"type": _DENSE, "values": array}
        return pa.array([dense], _VECTOR)
    rows, columns = array.shape
    dense = {"type": _DENSE, "numRows": rows, "numCols": columns, "isTransposed": False}
    return pa.array([dense | {"values": array.ravel(order="F")}], _MATRIX)


def _array(value: dict[str, Any]) -> NDArray[np.float64]:
    values = np.array(value["values"], np.float64)
    if "numRows" not in value:
        return values
    shape = value["numRows"], value["numCols"]
    return values.reshape(shape) if value["isTransposed"] else values.reshape(shape[::-1]).T
