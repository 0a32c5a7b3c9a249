"""The robustness commands, small; `make test-long` runs them at full size."""

import pytest

from harness.robustness import determinism, fuzz, soak
from harness.robustness.embedded import EmbeddedServer

pytestmark = pytest.mark.server

SLOW = [pytest.mark.slow, pytest.mark.timeout(3600)]


def failed(checks):
    return [check for check in checks if not check.passed]


def test_some_hostile_messages_leave_the_server_serving():
    checks = failed(fuzz.fuzz(600, 0, "Town02"))
    # Memory settles later than that, and a busy machine may be compiling.
    assert not [check for check in checks if check.name not in ("memory", "its longest tick")]


def test_two_drives_with_a_reload_between_them_are_equal():
    script = determinism.Script("Town02", ticks=5, cars=3, seed=0)
    with EmbeddedServer("--town", "Town02") as server:
        first, second = determinism.run_apart(server.address, script, 2)
    assert determinism.first_difference(first, second) == "same"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(fuzz.main, marks=SLOW, id="fuzz"),
        pytest.param(soak.main, marks=SLOW, id="soak"),
        pytest.param(determinism.main, marks=SLOW, id="determinism"),
    ],
)
def test_at_full_size(command):
    assert command([]) == 0
