"""The gateway's own settings: each is explained, and its limits of bodies are those of ingest."""

import re
from pathlib import Path

import pytest

from ingest.http.uploads import ENVELOPE_BYTES
from ingest.settings import Settings as IngestSettings

GATEWAY = Path(__file__).parents[1] / "deploy/gateway"
START = (GATEWAY / "start-gateway").read_text(encoding="utf-8")
SETTING = re.compile(r'^export (GATEWAY_\w+)="\$\{\1:-(.*)\}"', re.MULTILINE)
# Computed from others.
MADE = {"GATEWAY_CAPTURE_BYTES", "GATEWAY_IMPORT_BYTES", "GATEWAY_SCANNED_BYTES"}


def test_every_setting_is_explained() -> None:
    readme = (GATEWAY / "README.md").read_text(encoding="utf-8")
    assert [name for name, _ in SETTING.findall(START) if f"`{name}`" not in readme] == []


def test_templates_name_no_other_variables() -> None:
    known = {name for name, _ in SETTING.findall(START)} | MADE
    used = {
        name
        for template in GATEWAY.glob("templates/*.template")
        for name in re.findall(r"\$\{(\w+)\}", template.read_text(encoding="utf-8"))
    }
    assert used <= known


@pytest.mark.parametrize("name", ["max_image_bytes", "max_enrolment_bytes", "max_import_bytes"])
def test_bodies_are_as_large_as_ingest_takes_them(name: str) -> None:
    assert dict(SETTING.findall(START))[f"GATEWAY_{name}".upper()] == str(
        IngestSettings.model_fields[name].default
    )


def test_the_envelope_of_a_multipart_body_is_that_of_ingest() -> None:
    assert f"envelope={ENVELOPE_BYTES} " in START
