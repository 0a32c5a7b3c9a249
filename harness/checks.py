"""Everything about a run that can be found wrong before a server starts."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from fusiondrive.arms import SWAPPED
from fusiondrive.errors import ConfigError, MapError, unknown_name
from harness.arms import arms_of
from harness.config import PORT_STRIDE, RunConfig
from harness.criteria.own import check_criteria
from harness.probe import DEFAULT_PORT, check_version, is_port_free
from harness.window import check_window
from policies import check_policy
from results.row import LETTERS
from scenarios.hazards.kinds import HAZARDS, ROUTE, read_hazards
from scenarios.route_files import is_random_town, read_route_xml
from scenarios.route_weather import ROUTE_WEATHER
from scenarios.route_xml import town_name
from scenarios.spec import COLLISION_MODES, AnyRoute, RouteSpec, check_traffic, next_route
from scenarios.weather import WEATHERS, preset, weather_name
from scenarios.weather_files import is_weather_file

MAX_PORT = 65535


def check_settings(config: RunConfig) -> None:
    """Check names and files of a configuration; no network is loaded, no port looked at.

    Raises:
        ConfigError: with the first problem found.
    """
    check_weathers(config.weather)
    arms_of(config)
    check_policy(config.policy)
    check_traffic(config.traffic)
    read_hazards(config.hazards)
    check_criteria(config.criteria or ())
    check_names("collision mode", [config.collision_mode], COLLISION_MODES)
    check_towns(config)


def check_machine(config: RunConfig) -> None:
    """Check that a run can take place here: its backend, the display, and ports.

    Raises:
        ConfigError: with the first problem found.
    """
    check_combination(config)
    if config.show:
        check_window("--show", "--video")
    check_ports(config)


def check_names(kind: str, names: Sequence[str], known: object) -> None:
    """Refuse the first name that is not among the known, and names given twice."""
    for name in names:
        if name not in known:  # type: ignore[operator]
            raise unknown_name(kind, name, known)
    if len(set(names)) != len(names):
        raise ConfigError(f"{kind} given twice: {', '.join(names)}")


def check_weathers(names: Sequence[str]) -> None:
    """Refuse the first weather that is unknown, and names given twice.

    Raises:
        ConfigError: says which, and what is known.
    """
    for name in names:
        if name != ROUTE_WEATHER:
            preset(name)
        if is_weather_file(name) and weather_name(name) in (*WEATHERS, ROUTE_WEATHER):
            raise ConfigError(f"weather file {name}: '{weather_name(name)}' is ours; rename it")
    shown = [weather_name(name) for name in names]
    check_names("weather", shown, shown)


def check_towns(config: RunConfig) -> None:
    """Check the towns against the maps directory, the route file and the ready-made routes."""
    towns = [town_name(town) for town in config.town]
    if len(set(towns)) != len(towns):
        raise ConfigError(f"town given twice: {', '.join(config.town)}")
    if config.maps is not None and not config.maps.is_dir():
        raise MapError(f"maps directory {config.maps}: no such directory")
    if config.maps is not None and config.backend != "embedded":
        raise ConfigError(f"maps are for the embedded backend, not for {config.backend}")
    routes = _routes_of_file(config.route_file)
    check_route_weather(config, routes or ())
    check_route_hazards(config, routes or ())
    for town in towns:
        if routes is not None and town not in {route.town for route in routes}:
            known = ", ".join(sorted({route.town for route in routes}))
            raise MapError(f"{config.route_file}: no route in {town}; it has: {known}")
        if is_random_town(town) and config.backend == "docker":
            raise ConfigError(
                f"only the embedded server makes {town}; CARLA itself has no such town"
            )
        if routes is None and town not in ready_made_towns() and not is_random_town(town):
            if config.maps is not None and (config.maps / f"{town}.xodr").is_file():
                raise MapError(
                    f"no ready-made routes for {town}; give a --route-file, or make one: "
                    f"python -m scenarios.generate --town {town} --maps {config.maps}"
                )
            raise unknown_name("town", town, (*ready_made_towns(), "random:SEED"))
        here = [route for route in routes or () if route.town == town]
        if routes is not None and any(arm.fuser.endswith(SWAPPED) for arm in arms_of(config)):
            next_route(here, here[0].route_id)
        if routes is not None and config.route is not None:
            pick_route(here, config.route)


def check_route_weather(config: RunConfig, routes: Sequence[RouteSpec]) -> None:
    """Refuse the weather `route` where no route file gives one."""
    if ROUTE_WEATHER not in config.weather or any(route.weather for route in routes):
        return
    if config.route_file is None:
        raise ConfigError(f"weather '{ROUTE_WEATHER}' needs a route file that gives a weather")
    raise ConfigError(
        f"{config.route_file}: no route in it gives a weather; use another weather than "
        f"'{ROUTE_WEATHER}': {', '.join(WEATHERS)}"
    )


def check_route_hazards(config: RunConfig, routes: Sequence[RouteSpec]) -> None:
    """Refuse the hazards `route` where no route file gives any that are served."""
    if config.hazards != ROUTE or any(route.hazards for route in routes):
        return
    if config.route_file is None:
        raise ConfigError(f"hazards '{ROUTE}' needs a route file that gives hazards")
    raise ConfigError(
        f"{config.route_file}: no route in it gives a hazard that is served; use other hazards "
        f"than '{ROUTE}': {', '.join(HAZARDS)}"
    )


def with_route_hazards(config: RunConfig) -> RunConfig:
    """The configuration with the route file's own hazards, where none were asked for.

    Raises:
        MapError: the file is missing or broken.
    """
    if config.route_file is None or "hazards" in config.model_fields_set:
        return config
    towns = {town_name(town) for town in config.town}
    routes = read_route_xml(config.route_file)
    if not any(route.hazards for route in routes if route.town in towns):
        return config
    return config.model_copy(update={"hazards": ROUTE})


def with_route_weather(config: RunConfig) -> RunConfig:
    """The configuration with the route file's own weather, where none was asked for.

    Raises:
        MapError: the file is missing or broken.
    """
    if config.route_file is None or "weather" in config.model_fields_set:
        return config
    towns = {town_name(town) for town in config.town}
    routes = [route for route in read_route_xml(config.route_file) if route.town in towns]
    if not any(route.weather for route in routes):
        return config
    return config.model_copy(update={"weather": (ROUTE_WEATHER,)})


def ready_made_towns() -> tuple[str, ...]:
    """Towns for which routes ship with the package."""
    from scenarios.route_files import DATA_DIR

    return tuple(sorted({path.stem.split("_")[1] for path in DATA_DIR.glob("routes_*_*.xml")}))


def pick_route(routes: Sequence[AnyRoute], wanted: str) -> AnyRoute:
    """The route of that id; `3` and the `r03` of rows find `03` where no route is called so."""
    by_id = {route.route_id: route for route in routes}
    by_number = {route.route_id.lstrip("0") or "0": route for route in routes}
    names = (wanted, wanted.removeprefix(LETTERS["route_id"]))
    found = next((by_id[name] for name in names if name in by_id), None)
    if found is None:
        found = by_number.get(names[1].lstrip("0") or "0")
    if found is None:
        raise unknown_name("route", wanted, by_id)
    return found


def check_combination(config: RunConfig) -> None:
    """Refuse choices that exclude each other."""
    if config.show and config.width > 1:
        raise ConfigError("show has one window: use it with workers 1")
    check_hosts(config)
    check_engine(config)
    if config.backend == "docker":
        check_docker()


def check_hosts(config: RunConfig) -> None:
    """Refuse servers that are not named as they have to be."""
    given, hosts = config.model_fields_set, config.hosts
    if hosts is None:
        if config.backend == "external" and config.workers > 1:
            raise ConfigError(
                "an external server drives one episode at a time: use workers 1, or name several "
                "with --hosts HOST:PORT HOST:PORT"
            )
        return
    if config.backend != "external":
        raise ConfigError(f"hosts are external servers, and the backend is {config.backend}")
    for key in ("host", "port"):
        if key in given:
            raise ConfigError(f"hosts name all servers, as HOST or HOST:PORT; leave {key} out")
    if "workers" in given and config.workers != len(hosts):
        raise ConfigError(
            f"{len(hosts)} hosts drive {len(hosts)} episodes side by side, and workers is "
            f"{config.workers}; leave workers out"
        )
    check_names("host", hosts, hosts)
    for number, name in enumerate(hosts):
        _, port = config.address(number)
        if port is not None and not 1 <= port <= MAX_PORT:
            raise ConfigError(f"host {name}: expected a port from 1 to {MAX_PORT}")


def check_engine(config: RunConfig) -> None:
    """Refuse settings that an engine has no use for."""
    engine = config.engine
    for key in sorted(config.model_fields_set):
        owner = key.partition("_")[0]
        if owner in ("ray", "slurm") and owner != engine:
            raise ConfigError(
                f"{key} is a setting of engine {owner}, and the engine is {engine}: add --engine "
                f"{owner}, or leave {key} out"
            )
    if engine == "local":
        return
    if config.show:
        raise ConfigError(
            f"show has a window on this machine alone: leave show or engine {engine} out"
        )
    if config.backend == "docker":
        raise ConfigError(
            f"engine {engine} starts embedded servers; start CARLA's containers yourself, and name "
            "them with --backend external --hosts HOST:PORT HOST:PORT"
        )
    if config.backend == "embedded" and config.port is not None:
        raise ConfigError(f"engine {engine} takes free ports of its nodes; leave port out")


def check_docker() -> None:
    """Refuse the docker backend where its command is missing."""
    if shutil.which("docker") is None:
        raise ConfigError(
            "backend 'docker' needs the docker command and a running engine; none was found. "
            "Use backend embedded, or external with --host and --port of a CARLA 0.9.16 server"
        )
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20.0,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise ConfigError("backend 'docker': the engine did not answer within 20 s") from err
    if answer.returncode != 0:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConfigError(f"backend 'docker' needs a running engine: {reason}")


def check_ports(config: RunConfig) -> None:
    """Check that ports to listen on are free, or that somebody answers on the external one."""
    if config.backend == "external":
        wait_s = config.timeouts.connect_s
        for number in range(config.width):
            host, port = config.address(number)
            check_reachable(host, port or DEFAULT_PORT, wait_s)
            check_version(host, port or DEFAULT_PORT, wait_s)
        return
    if config.port is None:
        return
    for worker in range(config.workers):
        first = config.port + PORT_STRIDE * worker
        for port in (first, first + 1):
            if not is_port_free(port):
                raise ConfigError(
                    f"port {port} is in use; choose another --port, or leave it out to take a "
                    "free one (a server that already runs there: --backend external)"
                )


def check_reachable(host: str, port: int, timeout_s: float) -> None:
    """Check that something listens at host:port."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError as err:
        reason = err.strerror or str(err)
        raise ConfigError(
            f"no server at {host}:{port} ({reason}); start CARLA 0.9.16 there, or use "
            "--backend embedded"
        ) from err


def _routes_of_file(path: Path | None) -> tuple[RouteSpec, ...] | None:
    return None if path is None else read_route_xml(path)
