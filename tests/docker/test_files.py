"""What the container files say: linted, valid, pinned, and with no more rights than they need."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config import RunConfig
from harness.run import parse
from tests.docker.container import FOLDER, compose, instructions

DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
FILES = ("carla.yaml", "embedded.yaml")
SERVICES = [(name, service) for name in FILES for service in compose(name)["services"]]
OURS = [(name, service) for name, service in SERVICES if service != "carla"]


def service(name: str, which: str) -> dict[str, Any]:
    found: dict[str, Any] = compose(name)["services"][which]
    return found


def test_the_linter_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}")
    if linter is None:
        pytest.skip("hadolint is not installed; it is in the extra `dev`")
    done = subprocess.run(
        [linter, "--no-color", FOLDER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_to_a_release_of_python_and_debian() -> None:
    steps = [*instructions(DOCKERFILE)]
    (pinned,) = [rest for word, rest in steps if word == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.1[0-2]\.\d+-slim-[a-z]+", pinned)
    bases = {rest.split()[0] for word, rest in steps if word == "FROM"}
    assert bases == {"python:${PYTHON}"}


def test_the_image_runs_as_a_user_without_rights_given_as_numbers() -> None:
    (user,) = [rest for word, rest in instructions(DOCKERFILE) if word == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize("name", FILES)
def test_a_compose_file_is_as_the_specification_has_it(name: str) -> None:
    if importlib.util.find_spec("compose_spec") is None:
        pytest.skip("compose-spec is not installed; it is in the extra `dev`")
    from compose_spec import PyCompose

    values = compose(name)
    PyCompose.from_json(json.dumps(values)).validate()
    values["services"]["harness"]["read_onyl"] = True
    with pytest.raises(ValueError, match="read_onyl"):
        PyCompose.from_json(json.dumps(values)).validate()


@pytest.mark.parametrize(("name", "which"), OURS)
def test_our_services_have_a_root_that_is_read_and_no_rights(name: str, which: str) -> None:
    values = service(name, which)
    assert values["read_only"] is True
    assert values["cap_drop"] == ["ALL"]
    assert values["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", values["user"])


@pytest.mark.parametrize("name", FILES)
def test_the_harness_waits_until_its_server_is_healthy(name: str) -> None:
    services = compose(name)["services"]
    ((server, condition),) = services["harness"]["depends_on"].items()
    assert condition == {"condition": "service_healthy"}
    assert {"test", "interval", "timeout", "retries", "start_period"} <= {
        *services[server]["healthcheck"]
    }


@pytest.mark.parametrize("name", FILES)
def test_no_port_leaves_the_network_of_the_containers(name: str) -> None:
    assert all("ports" not in values for values in compose(name)["services"].values())


@pytest.mark.parametrize("name", FILES)
def test_the_harness_drives_on_the_server_of_its_file(name: str) -> None:
    services = compose(name)["services"]
    word, *flags = services["harness"]["command"]
    (config,) = parse(flags)
    assert isinstance(config, RunConfig)
    assert (word, config.backend, config.port) == ("run", "external", 2000)
    assert {config.host} == {*services} - {"harness"}
    assert str(config.directory).startswith("runs/")  # which is mounted
