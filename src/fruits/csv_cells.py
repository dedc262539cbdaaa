"""Text in CSV files that are also opened in spreadsheets.

Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` as a formula, and a formula can send
data elsewhere or start programs. Paths and labels are the names that strangers gave their files, so
in CSV such a text gets an apostrophe in front, as does one that looks as if it already had one: so
`plain` is the exact inverse. Source: OWASP, "CSV Injection",
https://owasp.org/www-community/attacks/CSV_Injection.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

if TYPE_CHECKING:
    from pyspark.sql import Column

# Some spreadsheets drop spaces, tabs and line breaks, or read full-width signs as the usual ones.
_FORMULA = r"(?:[\t\r\n]| *[=+@＝＋－＠-])"
_UNSAFE = rf"^('*{_FORMULA})"
_ESCAPED = rf"^'('*{_FORMULA})"

Texts = TypeVar("Texts")  # pa.Array or pa.ChunkedArray


def escape(texts: Texts) -> Texts:
    """Texts as they are written to CSV."""
    escaped: Texts = pc.replace_substring_regex(texts, _UNSAFE, r"'\1")
    return escaped


def plain(texts: Texts) -> Texts:
    """Texts of which `escape` made these."""
    plain: Texts = pc.replace_substring_regex(texts, _ESCAPED, r"\1")
    return plain


def escape_in_spark(column: str) -> "Column":
    """As `escape`, for a column of a Spark DataFrame."""
    from pyspark.sql import functions as f

    return f.regexp_replace(column, _UNSAFE, "'$1").alias(column)


def write_csv(table: pa.Table, where: Any) -> None:
    """Writes a table as CSV, its texts escaped and quoted, to a file's name or a binary file."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            table = table.set_column(i, field, escape(table.column(i)))
    pyarrow.csv.write_csv(table, where)
