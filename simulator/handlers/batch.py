"""Batches: many commands in one call, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from simulator.errors import ActorError, LookupFailed
from simulator.handlers import actors, episode, lights, vehicles
from simulator.handlers.method import Context, Method
from simulator.net import wire
from simulator.net.listening import one_line
from simulator.net.wire import Form


class Command(NamedTuple):
    """One alternative of the variant."""

    name: str
    function: Callable[..., Any]


_SPAWN = 0
_CONSOLE = 20

# `carla/rpc/Command.h` 0.9.16, in the order of the variant.
COMMANDS = (
    Command("SpawnActor", actors.create),
    Command("DestroyActor", actors.destroy),
    Command("ApplyVehicleControl", vehicles.control),
    Command("ApplyVehicleAckermannControl", vehicles.ackermann),
    Command("ApplyWalkerControl", actors.walk),
    Command("ApplyVehiclePhysicsControl", vehicles.apply_physics_control),
    Command("ApplyTransform", actors.set_transform),
    Command("ApplyWalkerState", actors.set_walker_state),
    Command("ApplyTargetVelocity", actors.set_velocity),
    Command("ApplyTargetAngularVelocity", actors.set_angular_velocity),
    Command("ApplyImpulse", actors.add_impulse),
    Command("ApplyForce", actors.add_force),
    Command("ApplyAngularImpulse", actors.add_angular_impulse),
    Command("ApplyTorque", actors.add_torque),
    Command("SetSimulatePhysics", actors.set_simulate_physics),
    Command("SetEnableGravity", actors.set_enable_gravity),
    Command("SetAutopilot", vehicles.set_autopilot),
    Command("ShowDebugTelemetry", vehicles.show_telemetry),
    Command("SetVehicleLightState", vehicles.set_light_state),
    Command("ApplyLocation", actors.set_location),
    Command("ConsoleCommand", episode.console_command),
    Command("SetTrafficLightState", lights.set_state),
)


def apply_batch(context: Context, commands: list[Any], do_tick: bool = False) -> list[Any]:
    """Run commands in their order; each result is the actor's id or an error."""
    with context.world.lock:
        results = [_answer(context, command[0]) for command in commands]
    context.host.note_batch()
    if do_tick:
        context.host.tick_cue(context.connection)
    return results


def _answer(context: Context, command: list[Any]) -> list[Any]:
    try:
        return wire.ok(_run(context, command))
    except LookupFailed as err:
        return wire.failure(err.named(f"command::{COMMANDS[command[0]].name}"))
    except ActorError as err:
        return wire.failure(str(err))
    except (TypeError, ValueError, KeyError, IndexError) as err:
        return wire.failure(f"malformed command {_named(command)}: {one_line(repr(err))}")


def _named(command: Any) -> str:
    """What to call a command that cannot be run."""
    try:
        return f"{COMMANDS[command[0]].name} {one_line(command[1], 60)}"
    except (TypeError, IndexError):
        return one_line(command, 60)


def _run(context: Context, command: list[Any]) -> int:
    """Do one command; returns the id of its actor."""
    number, fields = command
    if not 0 <= number < len(COMMANDS):
        raise ActorError(f"unknown batch command {number}")
    function = COMMANDS[number].function
    if number == _SPAWN:
        return _spawn(context, fields)
    function(context, *fields)
    return 0 if number == _CONSOLE else int(fields[0])


def _spawn(context: Context, fields: list[Any]) -> int:
    """Spawn, then run what is to follow with the id of the new actor in place of its own."""
    description, pose, parent, _attachment, bone, followers = fields
    parent_id = int(parent[1]) if parent[0] else 0
    actor_id = actors.create(context, description, pose, parent_id, bone=str(bone)).actor_id
    for follower in followers:
        number, own = follower[0]
        if number not in (_SPAWN, _CONSOLE):
            _answer(context, [number, [actor_id, *own[1:]]])
    return actor_id


METHODS = {"apply_batch": Method(apply_batch, Form.BARE, is_locked=False)}
