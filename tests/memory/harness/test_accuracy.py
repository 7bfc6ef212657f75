"""The comparison with the recorded sizes finds the factors that made them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from memory.harness.accuracy import measure, report
from memory.tokens import count
from tests.memory.harness.records import Script, text, use


def session() -> Script:
    """Sizes are made as 20,000 + 1.2 a token of ours + 40 a call or result."""
    script = Script()
    script.prompt("start here")
    size = 20_000 + 1.2 * count("start here")
    for number in range(1, 30):
        said, answer = f"step {number} " * (number % 7 + 2), "line of text " * (number * 37 % 400 + 5)
        script.answer(
            f"m{number}", text(said), use(f"c{number}", "Bash", {"command": "ls"}), size=round(size)
        )
        script.result(f"c{number}", answer)
        size += 1.2 * (count(said) + count("→ Bash\ncommand: ls") + count(answer)) + 80
    return script


def test_the_factors_are_found() -> None:
    found = measure(session().lines)
    assert found.calls == found.paired == 29 and len(found.prompts) == 29
    assert found.factors[0] == pytest.approx(1.2, abs=0.01)
    assert found.factors[2] == pytest.approx(40, abs=1.5)
    assert max(map(abs, found.residuals())) < 100


def test_a_compaction_is_itemised() -> None:
    script = session()
    script.compact("Summary of it all")
    script.answer("m99", text("on"), size=20_300)
    lines = report("x", measure(script.lines))
    assert any("compaction (auto)" in line and "→ 20,300" in line for line in lines)
    assert sum("residual" in line for line in lines) == 3


def test_the_command_reads_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.jsonl").write_bytes(b"\n".join(session().lines))
    call_command("accuracy", str(tmp_path))
    assert "calls 29: 29 paired" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no file"):
        call_command("accuracy", str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match=r"no \.jsonl"):
        call_command("accuracy", str(tmp_path / "empty"))
