"""The page stands alone and says in words what has changed."""

import json
import re

from pcrnet.monitoring.log import read_log
from pcrnet.monitoring.page import write_watch
from pcrnet.monitoring.watch import watch


def test_the_page_of_a_change(write_log, tmp_path):
    found = watch(read_log(write_log(120, {"uptake": 1.0})))
    page = write_watch(found, tmp_path / "out", torn=True).read_text()
    assert "Something has changed" in page
    assert "The score uptake has risen" in page
    assert "cut off" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    record = json.loads((tmp_path / "out" / "monitor.json").read_text())
    assert record["alarms"][0]["series"] == "uptake"
    assert record["false_alarms_expected_in_patients"] == 2000


def test_the_page_of_no_change_says_how_little_it_can_know(write_log, tmp_path):
    page = write_watch(watch(read_log(write_log(12))), tmp_path / "out").read_text()
    assert "Nothing speaks for a change" in page
    assert "only a large one" in page
    assert "--outcomes" in page
