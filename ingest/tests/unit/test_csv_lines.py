import csv

import pytest

from ingest.domain.csv_lines import LONGEST_LINE, lines_of
from ingest.domain.directory_documents import KINDS
from ingest.domain.directory_rows import read_table
from ingest.errors import InvalidRecord

HEADER = b"person_id,home_site_id,display_name\n"


def test_lines_keep_their_ends_and_quoted_ones_go_on():
    text = 'a,b\r\n"1\n2",3\n' + "x" * LONGEST_LINE
    assert "".join(lines_of(text)) == text
    assert list(csv.reader(lines_of('a,"1\r\n2"\r\nb,3'))) == [["a", "1\r\n2"], ["b", "3"]]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b",".join(b"c%d" % number for number in range(1_000_000)) + b"\n", 1),
        (HEADER + b"," * 5_000_000, 2),
        (HEADER + b"p-1,pune,Asha\n" + b"a" * (LONGEST_LINE + 1), 3),
        (HEADER + b'p-1,pune,"' + b"a" * 5_000_000 + b'"\n', 2),
    ],
)
def test_a_line_that_is_too_long_is_refused_before_it_is_parsed(content, line):
    try:
        found = list(read_table(content, KINDS["persons"]).errors)
    except InvalidRecord as refused:  # a header that is wrong ends the reading
        found = refused.errors
    (error,) = found
    assert f"line {line} has " in error.message
    assert str(LONGEST_LINE) in error.message
