"""Configuration: merging, messages, and the classification that the identity rests on."""

from __future__ import annotations

import socket
from dataclasses import fields
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness.arms import arms_of
from harness.checks import with_route_weather
from harness.config import RunConfig, Timeouts, load_config
from harness.models import check_run
from harness.run import main
from harness.run import parse as parse_parts
from results.identity import OUTCOME_FIELDS, RUNTIME_FIELDS
from scenarios.spec import EpisodeSpec


def parse(flags: list[str]) -> RunConfig:
    (config,) = parse_parts(flags)
    return config


def test_every_field_is_classified_exactly_once() -> None:
    names = set(RunConfig.model_fields) | {field.name for field in fields(EpisodeSpec)}
    assert not OUTCOME_FIELDS & RUNTIME_FIELDS
    assert names == OUTCOME_FIELDS | RUNTIME_FIELDS


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("town: Town03\nweather: [fog, night]\nroute: 3\ntimeouts: {tick_s: 7}\n")
    config = load_config(file, {"weather": ["clear"]})
    assert config.town == ("Town03",)
    assert config.weather == ("clear",)
    assert config.route == "3"
    assert config.timeouts.tick_s == 7.0
    assert config.policy == "cilrs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wether: fog", "unknown config key 'wether'.*known: .*weather"),
        ("timeouts: {tick: 3}", r"unknown config key 'timeouts\.tick'.*known: .*tick_s"),
        ("routes: many", "config key 'routes'.*found 'many'"),
        ("- fog", "expected a mapping of keys, found list"),
        ("town: [", "not readable as YAML"),
    ],
)
def test_a_bad_file_is_named_with_key_and_reason(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(file, {})
    assert str(file) in str(caught.value)


def test_a_configuration_takes_texts_for_paths_and_a_dict_for_its_timeouts() -> None:
    config = RunConfig(out="x", maps="maps", fuser_weights="f.onnx", timeouts={"tick_s": 3})  # type: ignore[arg-type]
    assert (config.directory, config.maps) == (Path("x"), Path("maps"))
    assert (config.fuser_weights, config.timeouts.tick_s) == (Path("f.onnx"), 3.0)


def test_arms_of_a_file_or_of_flags_name_the_run(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("arms: [rgb, oracle:blanked]\n")
    config = load_config(file, {})
    assert [(arm.input, arm.fuser) for arm in arms_of(config)] == [
        ("rgb", "none"),
        ("fused", "oracle:blanked"),
    ]
    assert config.directory == Path("runs/Town02_clear_rgb-oracle-blanked_cilrs")
    with pytest.raises(ConfigError, match="leave input out"):
        arms_of(load_config(file, {"input": ["rgb"]}))


def test_inputs_and_a_fuser_are_arms_as_well() -> None:
    config = parse(["--input", "rgb", "thermal", "fused", "--fuser", "max:swapped"])
    assert [arm.name for arm in arms_of(config)] == ["rgb", "thermal", "max:swapped"]
    assert [arm.name for arm in arms_of(parse(["--input", "enhanced", "--fuser", "clahe"]))] == [
        "clahe"
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--town Town99", "unknown town 'Town99'; known: .*Town02"),
        ("--weather fgo", "unknown weather 'fgo'; known: .*fog"),
        ("--input fusd", "unknown input 'fusd'; known: enhanced, fused, rgb, thermal"),
        ("--policy cilr", "unknown policy 'cilr'; known: .*cilrs"),
        ("--fuser studnt", "unknown fuser 'studnt'; known: .*student"),
        ("--traffic much", "unknown traffic 'much'; known: .*dense"),
        ("--collision-mode go", "unknown collision mode 'go'"),
        ("--policy-weights absent.onnx", "policy weights absent.onnx: no such file"),
        ("--input fused --fuser-weights absent.onnx", "fuser weights absent.onnx: no such file"),
        ("--maps absent", "maps directory absent: no such directory"),
        ("--route-file absent.xml", "route file absent.xml"),
        ("--input rgb rgb", "input given twice"),
        ("--arms rgb dehaz", "unknown arm 'dehaz'; known: .*clahe, clear, dehaze"),
        ("--arms rgb oracle rgb", "arm given twice: rgb"),
        ("--arms student oracle", "arms 'student' and 'oracle' are the same: both drive with stu"),
        ("--arms dehaze:blanked", "dehaze fuses no infrared image that could be blanked; .*oracle"),
        ("--arms rgb restored", r"arm 'restored': no weights of 'restored' yet: .*restored\.onnx"),
        ("--arms oracle_rgb", r"no weights of 'oracle_rgb' yet: .*student_oracle_rgb\.onnx"),
        ("--arms direct:swapped", r"arm 'direct:swapped': no weights .*student_direct\.onnx"),
        ("--arms rgb --fuser oracle", r"arms name inputs and fusers themselves \(rgb\); leave fus"),
        ("--arms rgb --fuser-weights f.onnx", r"no arm takes them \(rgb\); the arm 'student'"),
        (
            "--hazards Foo",
            r"unknown hazard 'Foo'; known: Dynamic.*all, none, pkg\.module:Class, ro",
        ),
        ("--hazards all,HardBreakRoute", "hazards 'all' stands alone"),
        ("--hazards route", "hazards 'route' needs a route file"),
        ("--backend external --port 1", "no server at localhost:1"),
        ("--backend external --workers 2", "one episode at a time"),
    ],
)
def test_bad_input_is_found_before_a_server_starts(flags: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_run(parse(flags.split()))


@pytest.mark.parametrize("flags", ["--polcy expert", "--routes x", "--backend unreal"])
def test_exit_code_2_and_one_line_for_bad_flags(
    flags: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(flags.split()) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            check_run(parse(["--policy", "expert", "--port", str(port)]))


def test_a_foreign_service_is_not_taken_for_a_server() -> None:
    with socket.create_server(("localhost", 0)) as service:
        port = service.getsockname()[1]
        import threading

        def answer() -> None:
            connection, _ = service.accept()
            connection.close()
            connection, _ = service.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        flags = ["--policy", "expert", "--backend", "external", "--port", str(port)]
        with pytest.raises(ConfigError, match="not a CARLA server"):
            check_run(parse(flags))
        thread.join(5.0)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("route: 010", "route", "010"),
        ("route: 08", "route", "08"),
        ("route: 1e3", "route", "1e3"),
        ("policy: no", "policy", "no"),
        ("weather: [fog, off]", "weather", ("fog", "off")),
        ("video: yes\ntrace: off", "video", True),
        ("trace: off", "trace", False),
        ("seed: 010", "seed", 10),
        ("timeouts: {tick_s: 1e1}", "timeouts", Timeouts(tick_s=10.0)),
        ("out: null", "out", None),
        ("out:", "out", None),
        ("town: &t Town03\nroute: *t", "route", "Town03"),
    ],
)
def test_plain_values_of_a_file_stay_as_written(
    tmp_path: Path, text: str, field: str, value: object
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    assert getattr(load_config(file, {}), field) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("town: Town02\nseed: 1\ntown: Town03\n", "line 3, column 1: key 'town' stands in line 1"),
        ("{seed: 1, seed: 2}", "line 1, column 11: key 'seed' stands in line 1"),
        ("timeouts:\n  tick_s: 1\n  tick_s: 2\n", "line 3.*key 'tick_s' stands in line 2"),
        ("[" * 5000, "nested too deeply"),
        ("seed: many", "config key 'seed'.*found 'many'"),
    ],
)
def test_what_yaml_would_swallow_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(file, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes("town: Town03\nroute: Straße\n".encode(encoding))
    assert load_config(file, {}).town == ("Town03",)
    file.write_bytes("town: Straße\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="byte 0xdf in line 1"):
        load_config(file, {})


OWN_WEATHER = """<routes><route id="0" town="Town02">{}
<waypoint x="177" y="-2" yaw="-180"/><waypoint x="120" y="-2" yaw="-180"/></route></routes>"""


def test_a_files_own_weather_is_driven_unless_another_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "r.xml"
    file.write_text(OWN_WEATHER.format("<weather fog_density='50'/>"))
    flags = ["--policy", "expert", "--route-file", str(file)]
    assert with_route_weather(parse(flags)).weather == ("route",)
    assert with_route_weather(parse([*flags, "--weather", "fog"])).weather == ("fog",)
    check_run(parse([*flags, "--weather", "fog", "route"]))
    file.write_text(OWN_WEATHER.format(""))
    assert with_route_weather(parse(flags)).weather == ("clear",)
    with pytest.raises(ConfigError, match="no route in it gives a weather"):
        check_run(parse([*flags, "--weather", "route"]))
    with pytest.raises(ConfigError, match="needs a route file"):
        check_run(parse(["--policy", "expert", "--weather", "route"]))
