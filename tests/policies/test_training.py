import json
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusiondrive.errors import ConfigError, WeightsError
from fusiondrive.types import Command, Observation
from policies.training.dataset import (
    PATH,
    dataset_hash,
    flatten,
    load_episodes,
    recorded_frames,
    recorded_looks,
    sampling_weights,
    save_episode,
    write_card,
)

torch = pytest.importorskip("torch", reason="torch is in the extra `train`")
pytest.importorskip("timm", reason="timm is in the extra `train`")

from policies.cilrs import CilrsPolicy  # noqa: E402
from policies.cilrs_network import NetworkConfig  # noqa: E402
from policies.framing import FRAMINGS, Framing  # noqa: E402
from policies.loading import load_cilrs  # noqa: E402
from policies.training.config import TrainConfig as AnyConfig  # noqa: E402
from policies.training.path_head import SCALE_M, PathHead, path_loss  # noqa: E402
from policies.training.relabel import HOLD_THROTTLE, pedals  # noqa: E402
from policies.training.trainer import train  # noqa: E402

# tiny work: threads only wait for each other on a busy machine
TrainConfig = partial(AnyConfig, threads=1)

pytestmark = pytest.mark.heavy


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def record(
    folder: Path, episodes: int = 4, frames: int = 60, framing: Framing = FRAMINGS["coiltraine"]
) -> None:
    """Frames whose red channel is the steering: something that can be learned."""
    rng = np.random.default_rng(3)
    for key in range(episodes):
        steer = rng.uniform(-0.5, 0.5, frames).astype(np.float32)
        images = np.zeros((frames, 88, 200, 3), dtype=np.uint8)
        images[..., 0] = (128 + 200 * steer).astype(np.uint8)[:, None, None]
        table = pd.DataFrame(
            {
                "frame": np.arange(frames),
                "speed_mps": rng.uniform(0, 9, frames).astype(np.float32),
                "command": rng.choice([int(c) for c in Command], frames).astype(np.int8),
                "steer": steer,
                "throttle": np.float32(0.5),
                "brake": np.float32(0.0),
                "wanted_mps": np.float32(5.0),
                "free_mps": np.float32(8.0),
                "noise_steer": np.float32(0.0),
                "hazard": "",
                "route": f"r{key}",
            }
        )
        if key % 2:  # others are of a time when it was not recorded
            table[list(PATH)] = np.repeat(10.0 * steer[:, None], len(PATH), axis=1)
        save_episode(folder, key, list(images), table)
    write_card(folder, {"command": "test", **framing.to_dict()})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cilrs")
    record(folder / "data")
    config = TrainConfig(
        data=(str(folder / "data"),), slimness=0.25, epochs=3.0, batch=16, held_out=0.34
    )
    train(config, folder / "run")
    return folder


def test_episode_that_was_removed_does_not_count(tmp_path: Path) -> None:
    record(tmp_path, episodes=2, frames=3)
    (tmp_path / "episode_00001.parquet").unlink()
    assert recorded_frames(tmp_path) == {0: 3}
    before = dataset_hash(tmp_path)
    record(tmp_path, episodes=2, frames=3)
    assert dataset_hash(tmp_path) != before


def test_card_names_the_looks_of_the_images(tmp_path: Path) -> None:
    for key, look in enumerate((None, 2, 1, 2)):
        table = pd.DataFrame({"frame": np.arange(3)})
        images = [np.zeros((8, 8, 3), np.uint8)] * 3
        save_episode(tmp_path, key, images, table if look is None else table.assign(look=look))
    assert recorded_looks(tmp_path) == [1, 2]


def test_card_tells_hours_kilometres_and_commands(tmp_path: Path) -> None:
    record(tmp_path, episodes=2)
    tables = [episode.table for episode in load_episodes(tmp_path)]
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["hours"] == pytest.approx(120 * 0.1 / 3600, abs=1e-3)
    assert card["km"] == pytest.approx(sum(t["speed_mps"].sum() for t in tables) / 1e4, abs=0.01)
    commands = pd.concat(tables)["command"]
    assert card["frames by command"]["left"] == (commands == int(Command.LEFT)).sum()
    assert sum(card["frames by command"].values()) == 120


def test_sampling_gives_every_command_the_same_share(tmp_path: Path) -> None:
    record(tmp_path)
    frames = flatten(load_episodes(tmp_path), obey_lights=True)
    weights = sampling_weights(frames)
    shares = [weights[frames.branch == branch].sum() for branch in range(4)]
    assert shares == pytest.approx([0.25] * 4)


def test_images_and_wanted_speeds_come_back(tmp_path: Path) -> None:
    record(tmp_path, episodes=2)
    episodes = load_episodes(tmp_path)
    frames = flatten(episodes, obey_lights=False)
    index = np.array([3, 70])
    red = frames.images(index)[..., 0].mean(axis=(1, 2))
    assert red == pytest.approx(128 + 200 * frames.steer[index], abs=3.0)
    assert set(frames.wanted) == {8.0}
    assert set(flatten(episodes, obey_lights=True).wanted) == {5.0}


def test_pedals_belong_to_the_speed_that_is_given() -> None:
    speed = np.array([0.0, 9.0, 5.0, 0.0], np.float32)
    wanted = np.array([9.0, 9.0, 0.0, 0.0], np.float32)
    throttle, brake = pedals(speed, wanted)
    assert throttle.tolist() == pytest.approx([0.75, HOLD_THROTTLE, 0.0, 0.0])
    assert brake[:2].tolist() == [0.0, 0.0]
    assert brake[2] > 1.0 - 1e-6
    assert brake[3] == pytest.approx(0.7)


def test_data_of_another_version_is_refused(tmp_path: Path) -> None:
    record(tmp_path, episodes=1)
    path = tmp_path / "episode_00000.parquet"
    pd.read_parquet(path).drop(columns="wanted_mps").to_parquet(path)
    with pytest.raises(ConfigError, match="no column wanted_mps"):
        load_episodes(tmp_path)


def test_run_logs_validation_and_resumes(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "run/log.jsonl").read_text().splitlines()]
    assert lines[-1]["steer"] < 0.6
    steps = lines[-1]["step"]
    config = TrainConfig(
        data=(str(run / "data"),), slimness=0.25, epochs=3.2, batch=16, held_out=0.34
    )
    train(config, run / "run", resume=True)
    lines = [json.loads(line) for line in (run / "run/log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] > steps


def test_paths_that_were_not_recorded_teach_nothing(tmp_path: Path) -> None:
    record(tmp_path, episodes=2)
    path_m = torch.from_numpy(flatten(load_episodes(tmp_path), obey_lights=True).path)
    assert torch.isnan(path_m[:60]).all()
    assert not torch.isnan(path_m[60:]).any()
    predicted_m = path_m.clone()
    predicted_m[:60] = 99.0
    predicted_m[60:] += 2.0
    assert float(path_loss(predicted_m, path_m)) == pytest.approx(0.2, rel=1e-5)
    assert float(path_loss(predicted_m[:60], path_m[:60])) == 0.0


def test_the_path_is_that_of_each_sample_s_command() -> None:
    head = PathHead(NetworkConfig())
    joined = torch.randn(4, NetworkConfig.joined_features)
    branch = torch.tensor([2, 0, 2, 3])
    paths = head(joined, branch)
    assert paths.shape == (4, len(PATH))
    torch.testing.assert_close(paths[1], SCALE_M * head.branches[0](joined[1]))


def test_learning_the_path_changes_what_is_seen_and_resumes(run: Path, tmp_path: Path) -> None:
    base = TrainConfig((str(run / "data"),), slimness=0.25, epochs=0.5, batch=16, held_out=0.34)
    train(base, tmp_path / "without")
    train(replace(base, path_weight=1.0), tmp_path / "with")
    models = [
        torch.load(tmp_path / name / "last.pth", weights_only=True)["model"]
        for name in ("without", "with")
    ]
    assert any((models[0][k] != models[1][k]).any() for k in models[0] if "image_fc" in k)
    train(replace(base, path_weight=1.0, epochs=0.6), tmp_path / "with", resume=True)
    state = torch.load(tmp_path / "with/last.pth", weights_only=True)
    assert json.loads(state["fusiondrive_cilrs"])["step"] > 2


def test_half_precision_learns_the_same_within_its_rounding(run: Path, tmp_path: Path) -> None:
    base = TrainConfig((str(run / "data"),), slimness=0.25, epochs=0.2, batch=16, held_out=0.34)
    losses = []
    for precision in ("fp32", "bf16"):
        train(replace(base, precision=precision), tmp_path / precision)
        log = (tmp_path / precision / "log.jsonl").read_text().splitlines()
        losses.append(json.loads(log[-1])["loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_unknown_precision_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown precision 'fp8'; known: fp32, bf16"):
        TrainConfig(("data",), precision="fp8")  # type: ignore[arg-type]


def test_a_run_of_another_network_is_not_gone_on_with(run: Path) -> None:
    config = TrainConfig((str(run / "data"),), slimness=0.5, epochs=9.0, batch=16, held_out=0.34)
    with pytest.raises(ConfigError, match=r"--resume: .*'slimness': 0.25.*'slimness': 0.5"):
        train(config, run / "run", resume=True)


def test_run_begins_with_weights_of_another(run: Path, tmp_path: Path) -> None:
    base = TrainConfig((str(run / "data"),), slimness=0.25, epochs=0.01, batch=16, held_out=0.34)
    after = replace(base, init=str(run / "run/last.pth"), learning_rate=0.0)
    train(after, tmp_path / "second")
    facts, weights = (
        torch.load(tmp_path / "second/last.pth", weights_only=True)[key]
        for key in ("fusiondrive_cilrs", "raw_model")
    )
    first = torch.load(run / "run/last.pth", weights_only=True)["model"]
    assert len(json.loads(facts)["begun_with"]) == 12
    assert all(torch.equal(first[name], weights[name]) for name in first if "branches" in name)
    with pytest.raises(ConfigError, match="this run trains"):
        train(replace(after, slimness=0.5), tmp_path / "third")


def test_exported_files_agree_and_drive_without_torch(run: Path) -> None:
    pytest.importorskip("fusionproxy.runtime")
    from policies.training.export import export

    out = run / "weights/p.onnx"
    assert export(run / "run/last.pth", out) < 1e-3
    assert str(Path(__file__).parents[2]).encode() not in out.read_bytes()  # notes of the exporter
    view = Observation(np.full((300, 400, 3), 90, dtype=np.uint8), 4.0, Command.LEFT, (9.0, 0.0))
    controls = [
        load_cilrs(out.with_suffix(suffix)).act(view, None) for suffix in (".onnx", ".safetensors")
    ]
    assert controls[0].steer == pytest.approx(controls[1].steer, abs=1e-3)
    assert controls[0].throttle == pytest.approx(controls[1].throttle, abs=1e-3)
    out.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"its card p\.json is missing"):
        load_cilrs(out)


def test_pickled_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(pickle.dumps(Path("/")))
    with pytest.raises(WeightsError, match=r"x\.pth"):
        load_cilrs(tmp_path / "x.pth")
    torch.save({"state_dict": Path("/")}, tmp_path / "y.pth")
    with pytest.raises(WeightsError, match="refused, since it holds more than tensors"):
        load_cilrs(tmp_path / "y.pth")


def test_weights_keep_the_framing_of_their_data(tmp_path: Path) -> None:
    from policies.training.export import export

    level = FRAMINGS["level"]
    record(tmp_path / "data", episodes=2, frames=16, framing=level)
    data = (str(tmp_path / "data"),)
    train(TrainConfig(data, slimness=0.25, epochs=0.5, batch=8, held_out=0.5), tmp_path / "run")
    export(tmp_path / "run" / "last.pth", tmp_path / "mine.onnx")
    for file in (tmp_path / "run" / "last.pth", tmp_path / "mine.onnx"):
        policy = load_cilrs(file)
        assert isinstance(policy, CilrsPolicy)
        assert policy.camera == level.camera
        assert policy._loaded.framing == level
