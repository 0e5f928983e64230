import re
from pathlib import Path

import service_kit

# `capture_signals` is uvicorn's.
DOMAIN = re.compile(
    r"attendance|capture(?!_signals)|punch|person|\bface|gallery|enrol|kiosk|roster|employee|biometric"
    r"|embedding|payroll|\bbadge|\bshift|\bholiday|\bcamera",
    re.IGNORECASE,
)


def test_the_plumbing_knows_no_word_of_the_domain() -> None:
    folder = Path(service_kit.__file__).parent
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if DOMAIN.search(line)
    ]
    assert found == []
