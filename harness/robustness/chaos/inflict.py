"""Does each kind of harm to a run, and waits for what the harness promises to do about it."""

from __future__ import annotations

import re
import resource
import signal
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from harness.robustness.chaos.campaign import HAND, Campaign
from harness.robustness.chaos.journal import Entry
from harness.robustness.chaos.plan import Harm, Kind
from harness.robustness.chaos.processes import Process, Role, is_connected
from harness.robustness.chaos.runner import RunnerProcess

VICTIM_WAIT_S = 60.0  # a runner that has just begun has no server yet
NOTICE_WAIT_S = 120.0
END_WAIT_S = 180.0
PAUSE_S = (0.5, 3.0)
LEAST_LIMIT = 8192  # bytes: what processes share in memory has files, too, and is no full disk
POLL_S = 0.05
FULL = re.compile(r"^error: .* cannot be written: ")
TAKEN = re.compile(r"^error: another run is writing to ")


class Outcome(NamedTuple):
    """What came of a harm."""

    seconds: float | None = None  # until it was noticed
    as_promised: bool = True
    detail: str = ""


def inflict(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> None:
    """Do a harm, wait for its end, and write both down."""
    at, rows = time.strftime("%H:%M:%S"), campaign.ledger.count()
    found = _WAYS[harm.kind](campaign, runner, harm)
    campaign.journal.add(Entry(harm.kind.value, harm.number, at, rows, *found))


def _signal_child(
    campaign: Campaign, runner: RunnerProcess, harm: Harm, role: Role, number: signal.Signals
) -> Outcome:
    """Send a signal to a server or worker, and wait until it is replaced."""
    victim = _victim(runner, harm, role, is_driven=number is signal.SIGSTOP)
    runner.lines()  # what is said up to here is no answer
    if victim is None or not victim.send(number):
        return Outcome(detail="the run ended first")
    found_s = runner.noticed(NOTICE_WAIT_S)
    if found_s is None and runner.exit_code() is None:
        campaign.note(HAND, detail=f"{harm.kind.value} was not noticed in {NOTICE_WAIT_S:.0f} s")
        victim.send(signal.SIGKILL)
        return Outcome(NOTICE_WAIT_S, as_promised=False)
    return Outcome(found_s, as_promised=_is_gone(victim), detail=f"process {victim.pid}")


def _kill_server(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    return _signal_child(campaign, runner, harm, Role.SERVER, signal.SIGKILL)


def _kill_worker(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    return _signal_child(campaign, runner, harm, Role.WORKER, signal.SIGKILL)


def _hang_server(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    return _signal_child(campaign, runner, harm, Role.SERVER, signal.SIGSTOP)


def _pause_server(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    """A machine that is asleep for a moment: nothing is to come of it."""
    victim = _victim(runner, harm, Role.SERVER, is_driven=True)
    if victim is None or not victim.send(signal.SIGSTOP):
        return Outcome(detail="the run ended first")
    time.sleep(PAUSE_S[0] + harm.draw * (PAUSE_S[1] - PAUSE_S[0]))
    victim.send(signal.SIGCONT)
    return Outcome(detail=f"process {victim.pid}")


def _kill_runner(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    campaign.leave(runner.kill())
    campaign.bury()
    campaign.start()
    return Outcome()


def _tear_row(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    campaign.leave(runner.kill())
    campaign.bury()
    cut = campaign.ledger.tear(1.0 - harm.draw)
    campaign.start()
    return Outcome(detail=f"{cut} bytes of the last row")


def _fill_disk(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    """Let no file of the runner grow any more: the next row does not fit, or a part of it does.

    The limit is RLIMIT_FSIZE, which needs no rights; a small file system of its own would need
    them. In half of the cases it also holds for servers and workers.
    """
    room = int(harm.draw * 1000.0)  # of a row of about 1,300 bytes
    limit = max(campaign.ledger.size() + room, LEAST_LIMIT)
    since_s = time.monotonic()
    children = runner.children()
    for pid in (runner.pid, *(child.pid for child in children if harm.number % 2)):
        try:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        except ProcessLookupError:
            continue
    code = runner.wait(END_WAIT_S)
    found_s = time.monotonic() - since_s
    if code is None:
        campaign.note(HAND, detail=f"a full disk did not end the run in {END_WAIT_S:.0f} s")
        runner.kill()
    campaign.leave([child for child in children if child.is_alive])
    said = runner.lines()
    last = said[-1] if said else ""
    campaign.bury()
    campaign.start()
    if code == 0:
        return Outcome(detail="the run ended first")
    return Outcome(found_s, as_promised=code == 2 and bool(FULL.match(last)), detail=last)


def _start_second(campaign: Campaign, runner: RunnerProcess, harm: Harm) -> Outcome:
    """Another runner on the same folder: it is refused with one line, and the first goes on."""
    _victim(runner, harm, Role.SERVER)  # before it has one, the other may get the folder first
    with RunnerProcess(campaign.options) as second:
        code = second.wait(END_WAIT_S)
        if code is None:
            return Outcome(as_promised=False, detail=f"it ran for {END_WAIT_S:.0f} s")
        said = second.lines()
    if runner.exit_code() == 0:
        return Outcome(detail="the run ended first")
    is_refused = code == 2 and len(said) == 1 and bool(TAKEN.match(said[0]))
    detail = "" if is_refused else f"exit code {code}: {said}"
    return Outcome(as_promised=is_refused and runner.exit_code() is None, detail=detail)


_WAYS: Mapping[Kind, Callable[[Campaign, RunnerProcess, Harm], Outcome]] = {
    Kind.KILL_SERVER: _kill_server,
    Kind.KILL_WORKER: _kill_worker,
    Kind.KILL_RUNNER: _kill_runner,
    Kind.TORN_ROW: _tear_row,
    Kind.FULL_DISK: _fill_disk,
    Kind.SECOND_RUNNER: _start_second,
    Kind.HANG_SERVER: _hang_server,
    Kind.PAUSE_SERVER: _pause_server,
}


def _victim(
    runner: RunnerProcess, harm: Harm, role: Role, *, is_driven: bool = False
) -> Process | None:
    """One of the servers or workers that there are; None where the run ends before there is one.

    Args:
        runner: whose child it is.
        harm: chooses among them.
        role: of the child.
        is_driven: whether it has to be a server with a client. One that hangs before is given up
            after `timeouts.server_start_s`, since starting may take as long.
    """
    deadline_s = time.monotonic() + VICTIM_WAIT_S
    while time.monotonic() < deadline_s and runner.exit_code() is None:
        found = runner.children(role)
        if is_driven:
            found = [server for server in found if _is_driven(server)]
        if found:
            return found[int(harm.draw * len(found))]
        time.sleep(POLL_S)
    return None


def _is_driven(server: Process) -> bool:
    """Whether a client has begun to read the server's states, from the port beside its first."""
    port = server.value_of(b"--port")
    return bool(port) and is_connected(int(port) + 1)


def _is_gone(victim: Process) -> bool:
    """Whether the runner has removed the process that it replaces."""
    deadline_s = time.monotonic() + VICTIM_WAIT_S
    while victim.is_alive and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return not victim.is_alive
