"""docs/operations/access.md tells what the file says."""

from pathlib import Path

from attendance_deploy.access.permissions import Permissions
from attendance_deploy.access.table import as_markdown

PAGE = Path(__file__).parents[3] / "docs/operations/access.md"


def test_the_page_has_the_tables_of_the_file(permissions: Permissions) -> None:
    page = PAGE.read_text(encoding="utf-8")
    missing = [line for line in as_markdown(permissions).splitlines() if line not in page.splitlines()]
    assert missing == []
