"""The text that agents are configured with, and what the Leaderboard's scripts put around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness.config import RunConfig, load_config
from policies import make_policy
from policies.leaderboard.config import AgentConfig
from policies.leaderboard.policy import LeaderboardPolicy

AGENT = """
import os, pathlib
from leaderboard.autoagents.autonomous_agent import AutonomousAgent
def get_entry_point():
    return "Splits"
class Splits(AutonomousAgent):
    def setup(self, path_to_conf_file):
        print("setting up")
        parts = path_to_conf_file.split("+")
        self.config, self.net, self.name = parts[0], parts[1], parts[-1]
        assert os.path.exists(self.config) and os.path.exists(self.net), path_to_conf_file
        self.path = pathlib.Path(os.environ["SAVE_PATH"]) / pathlib.Path(os.environ["ROUTES"]).stem
        self.path.mkdir(parents=True, exist_ok=False)
        os.chdir(self.path)
    def sensors(self):
        return [{"type": "sensor.camera.rgb", "id": "c", "width": 4.0, "height": 2, "fov": 90}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.py").write_text("lr = 1")
    (tmp_path / "net.pth").write_bytes(b"weights")
    (tmp_path / "agent.py").write_text(AGENT)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SAVE_PATH", str(tmp_path / "saved"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hash_of(config: str) -> str:
    return make_policy("leaderboard:agent.py", agent_config=config).weights_hash()


def test_the_text_reaches_setup_unchanged_and_its_files_are_hashed(folder: Path) -> None:
    policy = make_policy("leaderboard:agent.py", agent_config="config.py+net.pth+try1")
    assert isinstance(policy, LeaderboardPolicy)
    assert policy.config.text == "config.py+net.pth+try1"
    first = policy.weights_hash()
    assert hash_of("config.py+net.pth+try2") != first  # agents read settings from such names, too
    (folder / "net.pth").write_bytes(b"other weights")
    assert hash_of("config.py+net.pth+try1") != first


def test_what_an_agent_saves_and_where_it_goes_while_it_is_asked_is_forgotten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # its folder must be new each time
        make_policy("leaderboard:agent.py", agent_config="config.py+net.pth")
    assert not (folder / "saved").exists()
    assert Path.cwd() == folder
    assert os.environ["SAVE_PATH"] == str(folder / "saved")


def test_a_misspelt_file_is_said_before_and_in_the_failure(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match=r"setup: AssertionError.*no such file: nett\.pth"):
        make_policy("leaderboard:agent.py", agent_config="config.py+nett.pth+try1")
    assert "no file 'nett.pth'; handed to the agent as it is" in caplog.text
    assert "try1" not in caplog.text


def test_home_relative_and_whole_names(folder: Path) -> None:
    (folder / "a+b.yaml").write_text("")
    config = AgentConfig("~/config.py+~/net.pth+~try")
    assert config.text == f"{folder}/config.py+{folder}/net.pth+~try"
    assert AgentConfig("a+b.yaml").parts == ("a+b.yaml",)
    assert AgentConfig("only_traj").missing == ()
    assert AgentConfig(None).text == ""
    assert list(AgentConfig(folder / "config.py").content()) == [b"config.pylr = 1"]


def test_an_agent_is_found_at_home_and_with_a_space(folder: Path) -> None:
    (folder / "my agents").mkdir()
    (folder / "my agents/a gent.py").write_text(AGENT)
    make_policy("leaderboard:~/my agents/a gent.py", agent_config="config.py+net.pth")
    with pytest.raises(ConfigError, match="a folder; give the agent's Python file"):
        make_policy("leaderboard:~/my agents")


def test_a_configuration_takes_text_and_paths(folder: Path) -> None:
    assert RunConfig(agent_config=folder / "net.pth").agent_config == f"{folder}/net.pth"  # type: ignore[arg-type]
    assert load_config(None, {"agent_config": "a.py+b.pth+c"}).agent_config == "a.py+b.pth+c"
