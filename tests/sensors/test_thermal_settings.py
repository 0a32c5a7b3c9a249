"""Settings of the thermal camera: one way to write them, and one line for each wrong one."""

import pytest

from fusiondrive.errors import ConfigError
from harness.config import load_config
from harness.env_config import EnvConfig
from results.identity import ADDED_FIELDS, Identity
from sensors.thermal_settings import ThermalSettings, read_thermal, thermal_text

FAULTS = "polarity=flip,contrast=0.3,noise=4,shift=5px,rotation=2deg"
ALL = f"{FAULTS},freeze=1s,dropout=0.1,latency=0.1s"


def test_the_default_is_a_cautious_ratio_and_no_fault() -> None:
    assert read_thermal("") == ThermalSettings() == read_thermal({})
    assert (ThermalSettings().text, ThermalSettings().has_faults) == ("fog_ratio=0.5", False)
    assert not read_thermal("fog_ratio=0.1").has_faults


def test_text_and_mapping_are_the_same_and_written_in_one_way() -> None:
    assert thermal_text(ALL) == f"fog_ratio=0.5,{ALL}"
    assert thermal_text(thermal_text(ALL)) == thermal_text(ALL)
    assert thermal_text(" shift = 5.0 px , fog_ratio=1.0") == "fog_ratio=1,shift=5px"
    assert thermal_text({"shift": "5", "fog_ratio": 1}) == "fog_ratio=1,shift=5px"
    assert read_thermal(ALL).has_faults


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("fog=1", "unknown thermal setting 'fog'; known: contrast, dropout, fog_ratio, freeze"),
        ("noise=100", "thermal setting 'noise': expected 0 to 64, found '100'"),
        ("shift=2m", "thermal setting 'shift': expected -200 to 200 px, found '2m'"),
        ("dropout=nan", "thermal setting 'dropout': expected 0 to 1, found 'nan'"),
        ("fog_ratio", "thermal: expected KEY=VALUE such as fog_ratio=0.5, found 'fog_ratio'"),
        ("noise=1,noise=2", "thermal setting 'noise' was given twice"),
        ("polarity=up", "unknown thermal polarity 'up'; known: flip, normal"),
        (3, "thermal: expected text such as fog_ratio=0.5,shift=5px or a mapping, found 3"),
    ],
)
def test_a_wrong_setting_is_one_line_before_a_server_starts(given: object, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        load_config(None, {"thermal": given})
    if isinstance(given, str):
        with pytest.raises(ConfigError, match=line):
            EnvConfig(thermal=given)


def identity(**more: object) -> str:
    facts = dict.fromkeys(Identity.__dataclass_fields__, "x")
    facts |= dict.fromkeys(ADDED_FIELDS, "")
    values = {**facts, "look": 1, "seed": 0, "thermal_look": None, **more}
    return Identity(**values).digest()  # type: ignore[arg-type]


def test_settings_are_part_of_what_an_infrared_episode_is_and_of_no_other() -> None:
    plain = identity()
    first = identity(thermal="fog_ratio=0.5", thermal_look=2)
    assert len({plain, first, identity(thermal="fog_ratio=1", thermal_look=2)}) == 3
    assert identity(thermal="fog_ratio=0.5", thermal_look=3) != first
    assert plain == "a2d3ca2a4569db0c"  # as before there were settings
