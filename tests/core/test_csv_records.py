"""Records of a CSV file: each is counted once, and a broken one costs its own lines."""

import csv
import io
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.core.csv_records import MAX_RECORD, CsvRecord, CsvSplitter

TEXT = st.text(alphabet='",;\t\r\nab "', max_size=12) | st.text(alphabet='"\n', max_size=300)
LINE = st.text(alphabet="ab; '", max_size=12)
WIDTH = 5


def fits(cells: Sequence[str]) -> bool:
    return cells[0].startswith("S-") and cells[-1] == "EUR"


def read(
    text: str,
    width: int = WIDTH,
    delimiter: str = ",",
    pieces: int = 1,
    fits: Callable[[list[str]], bool] | None = fits,
) -> list[CsvRecord]:
    lines = io.StringIO(text, newline="").readlines()
    splitter = CsvSplitter(delimiter, width, fits)
    found = []
    size = len(lines) // pieces + 1
    for start in range(0, len(lines), size):
        found += list(splitter.read(lines[start : start + size]))
    found += list(splitter.read([], last=True))
    return [record for record in found if record is not None]


def write(rows: Sequence[Sequence[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\r\n", "\n"]),
    pieces=st.integers(1, 9),
)
def test_records_of_any_text_are_read_back(
    rows: list[tuple[str, ...]], delimiter: str, end: str, pieces: int
) -> None:
    rows = [("S-1", *row, "EUR") for row in rows]
    # Python's writer leaves CR in other line ends without quotes.
    text = write(rows, delimiter, end) if end == "\r\n" else _quoted(rows, delimiter)
    found = read(text, WIDTH, delimiter, pieces)
    assert [tuple(record.cells or ()) for record in found] == rows


def _quoted(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows(rows)
    return text.getvalue()


BROKEN = st.one_of(
    LINE.map(lambda text: f'S-0,"12{text},1,x,EUR'),  # never closed
    LINE.map(lambda text: f'S-0,"a"b{text},1,x,EUR'),
    st.integers(1, 4).map(lambda count: ",".join("x" * count)),
)
# A value that begins with a delimiter closes the one before, as RFC 4180 reads it.
GOOD = st.tuples(*[TEXT.filter(lambda text: not text.startswith(","))] * 3)


@settings(max_examples=150)
@given(rows=st.lists(BROKEN | GOOD, max_size=8), pieces=st.integers(1, 9))
@example(rows=['S-0,"12 inch,1,x,EUR', ("a\n,b", "", "")], pieces=1)
def test_broken_records_cost_no_other(rows: list[str | tuple[str, ...]], pieces: int) -> None:
    good = [("S-1", *row, "EUR") for row in rows if isinstance(row, tuple)]
    text = "".join(
        f"{row}\r\n" if isinstance(row, str) else write([("S-1", *row, "EUR")]) for row in rows
    )
    found = read(text, pieces=pieces)
    assert [tuple(record.cells) for record in found if record.cells] == good
    assert len(found) == len(rows)
    assert all(record.reason for record in found if record.cells is None)


ROW = "S-1,Spoon,1,x,EUR"


@pytest.mark.parametrize(
    ("lines", "read_lines"),
    [
        (['S-0,Pan 12" deep,1,x,EUR', ROW], [1, 2]),
        (['S-0,"12 deep,1,x,EUR', ROW, ROW], [2, 3]),
        (['S-0,"12 deep,1,x,EUR', ROW, 'S-1,TV 40",1,x,EUR', ROW], [2, 3, 4]),
        (['S-0,"12 deep,1,x,EUR', 'S-0,"13 deep,1,x,EUR', ROW], [3]),
        (['S-0,"12 deep,1,x,EUR', 'S-1,"two', 'lines",1,x,EUR', ROW], [2, 4]),
        (['S-0,"12 deep,1,x,EUR', ROW, "", ROW, 'S-1,TV 40",1,x,EUR'], [2, 4, 5]),
        (['S-0,"12 deep,1,x,EUR', "S-0,x", "?", ROW, 'S-1,TV 40",1,x,EUR'], [4, 5]),
        (['S-0,"12 deep,1,x,EUR', "S-0,x,1,x,USD", 'S-1,TV 40",1,x,EUR'], [2, 3]),
        (['S-0,"12 deep,1,x,USD', ROW, "", 'S-1,TV 40",1,x,EUR'], [2, 4]),
        (['S-0,"12" deep,1,x,EUR', ROW], [2]),
        (['S-0, "12, deep",1,x,EUR', ROW], [2]),
        (['S-0,"two', 'lines",1,x', ROW], [3]),
        (['S-0,"short', ROW, 'S-1,Pan,TV 40",x,EUR', ROW], [2, 3, 4]),
        (['S-1,"say ""hi""",1,"",EUR', ROW], [1, 2]),
        (["S-1,'t Hooft,1,x,EUR", "", "  ", ROW], [1, 4]),
        ([f'S-0,"{"x" * MAX_RECORD}",1,x,EUR', ROW], [2]),
        (['S-0,"' + "x\n" * MAX_RECORD, ROW], [MAX_RECORD + 2]),
    ],
)
def test_records_after_a_stray_quote_are_read(lines: list[str], read_lines: list[int]) -> None:
    found = read("\n".join(lines) + "\n", pieces=3)
    assert [record.line for record in found if record.cells] == read_lines


def test_stray_quote_in_a_file_of_few_columns_costs_its_line() -> None:
    text = 'S-0,"5 inch,EUR\nS-1,a,EUR\n\nS-1,b,EUR\nS-1,12",EUR\n'
    assert [record.line for record in read(text, 3) if record.cells] == [2, 4, 5]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('1,"5 inch,a\n2,b,c\n\n3,d,e\nx\n4,12",f\n', [2, 4, 6]),
        ('1,"red, blue\n2, green",a\n', [1]),  # two lines of a text
        ('1,"Dear Bob, hi\n\nI thank you, really, again\nBye\nYours, A",a\n', [1]),
        ('1,"red\n2,b,c\n3,d,e\nx",a\n', [1]),
    ],
)
def test_stray_quote_among_any_cells_is_one_that_hides_rows(text: str, lines: list[int]) -> None:
    found = read(text, 3, fits=None)
    assert [record.line for record in found if record.cells and len(record.cells) == 3] == lines


def test_lines_inside_a_value_that_look_like_rows_stay_text() -> None:
    value = f"Colours:\n{ROW}\n{ROW}\n"
    assert [record.cells for record in read(write([("S-1", value, "1", "x", "EUR")]))] == [
        ["S-1", value, "1", "x", "EUR"]
    ]


def test_record_that_does_not_fit_costs_all_its_lines() -> None:
    (record,) = read('S-1,"two\nlines\nof text",1,x,EUR,more\n')
    assert (record.line, record.cells) == (1, None)
    assert record.reason == "Send 5 values; this record has 6."


def test_record_of_wrong_values_costs_no_text_that_looks_like_a_row() -> None:
    text = f'S-0,"Colours:\n{ROW}\n",1,x,USD\n'
    assert [record.line for record in read(text)] == [1]
