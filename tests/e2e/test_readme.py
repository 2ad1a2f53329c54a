"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from skymesh.jobs.loader import builtin_jobs

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_notebook_finds_the_object_that_fades_fast(tmp_path):
    _unit, notebook = blocks("python")
    assert len(notebook.strip().splitlines()) <= 15
    done = subprocess.run(
        [sys.executable, "-c", notebook],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ztf:ZTF24aaaaafd" in done.stdout
    assert "ztf:ZTF24aaaaasn" not in done.stdout


def test_the_unit_is_a_unit():
    names = {}
    exec(blocks("python")[0], names)
    assert names["BrightPoints"](min_significance=3).min_significance == 3.0


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if text.startswith("name: ")])
def test_a_job_that_is_shown_whole_is_the_built_in_one(text):
    shown = yaml.safe_load(text)
    built_in = yaml.safe_load(builtin_jobs("skymesh_local")[shown["name"]].read_text())
    assert shown == built_in
