"""Tables that are legible in notebooks."""

from typing import TYPE_CHECKING

import numpy as np

from fruits.classifier.classifier import unit

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


def head(rows: "DataFrame", count: int = 5, numbers: int = 6) -> "pd.DataFrame":
    """The first rows of a Spark DataFrame, by its first column.

    Of columns of arrays, the first `numbers` elements have a column each, with two decimals.
    """
    from pyspark.sql import functions
    from pyspark.sql.types import ArrayType

    columns = []
    for field in rows.schema:
        column = rows[field.name]
        if isinstance(field.dataType, ArrayType):
            # Not [i], which fails beyond the end of a shorter array.
            elements = (functions.get(column, functions.lit(i)) for i in range(numbers))
            columns += [
                functions.round(element, 2).alias(f"{field.name}[{i}]")
                for i, element in enumerate(elements)
            ]
        else:
            columns.append(column)
    first: pd.DataFrame = rows.orderBy(rows.columns[0]).limit(count).select(*columns).toPandas()
    return first.dropna(axis="columns", how="all").round(2)


def similar_labels(means: "pd.DataFrame", count: int = 10) -> "pd.DataFrame":
    """The most similar pairs of labels, by the cosine of their mean features.

    `means` has a row for each label, with the columns `label` and `mean`.
    """
    import pandas as pd

    names = np.array(means["label"], object)
    vectors = unit(
        np.array(means["mean"].tolist(), np.float32).reshape(len(names), -1 if len(names) else 1)
    )
    first, second = np.triu_indices(len(names), 1)
    cosines = (vectors @ vectors.T)[first, second]
    order = np.argsort(-cosines, kind="stable")[:count]
    columns = {"label": names[first[order]], "other label": names[second[order]]}
    return pd.DataFrame({**columns, "cosine": cosines[order].round(3)})
