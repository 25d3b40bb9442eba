from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "evaluate.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_an_error_of_the_user_is_two_lines_and_exit_code_2(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "nowhere" in result.stderr


def test_the_script_is_one_readable_paragraph() -> None:
    assert len((ROOT / "evaluate.py").read_text().splitlines()) < 60


def test_a_run_is_judged_and_the_report_named(tmp_path: Path) -> None:
    rows = "".join(f"P{i},{i % 5},{int(i % 3 > 0)},{0.2 + 0.01 * i:.2f}\n" for i in range(40))
    (tmp_path / "predictions.csv").write_text("patient_id,fold,yT0,prob_yT0\n" + rows)
    (tmp_path / "config.yaml").write_text("evaluation: {bootstrap_draws: 200}\n")
    result = run(tmp_path, "--evaluation.seed=3")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"report: {tmp_path / 'report' / 'index.html'}"
    wrong = run(tmp_path, "evaluation.folds=7")
    assert wrong.returncode == 2
    assert "evaluation.folds" in wrong.stderr


def test_a_table_of_anybody_is_one_external_test_set(tmp_path: Path) -> None:
    rows = "".join(f"P{i},{int(i % 3 > 0)},{0.2 + 0.01 * i:.2f}\n" for i in range(40))
    (tmp_path / "p.csv").write_text("patient_id,yT0,prob_yT0\n" + rows)
    table, out = tmp_path / "p.csv", tmp_path / "out"
    few = "evaluation.bootstrap_draws=200"
    result = run("--predictions", table, few, "--out", out)
    assert result.returncode == 0, result.stderr
    assert json.loads((out / "metrics.json").read_text())["folds"] is None
    missing = run("--predictions", table)
    assert missing.returncode == 2
    assert "--out" in missing.stderr


def test_help_tells_what_can_be_judged() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert "--predictions" in result.stdout
