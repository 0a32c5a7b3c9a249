import re
import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, for it binds itself to one core."""
    command = [sys.executable, "-m", "policies.speed", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_shipped_policy_is_timed_and_limits_decide_the_exit_code() -> None:
    generous = run("--steps", "5", "--limit-ms", "1000", "--limit-s", "100")
    assert generous.returncode == 0
    assert re.search(r"cilrs: \d+\.\d\d ms per step .* loaded in \d+\.\d\d s.*met", generous.stdout)
    strict = run("--steps", "5", "--limit-ms", "0.001")
    assert strict.returncode == 1
    assert "MISSED" in strict.stdout


@pytest.mark.parametrize("name", ["expert", "autopilot"])
def test_policies_that_need_the_world_are_refused(name: str) -> None:
    refused = run("--policy", name)
    assert refused.returncode == 2
    assert f"policy '{name}' needs a simulator" in refused.stderr
