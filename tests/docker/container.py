"""Containers without an engine: a Dockerfile's steps and a compose file's services, run for real.

The steps run in a root of their own by Linux's namespaces, with the mounts, the user and the
read-only root that the files ask for. This machine's Python stands for that of the base image.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
SANDBOX = Path(__file__).with_name("sandbox.sh")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
BASE = "/base"  # where the base image's Python is
PATH = f"{BASE}/bin:/usr/local/bin:/usr/bin:/bin"
# What reaches package registries here, and what numpy needs on this processor.
PASSED = re.compile(r"PIP_.*|.*_PROXY|SSL_CERT.*|REQUESTS_CA.*|OPENBLAS_.*", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")  # as .dockerignore


class Mount(NamedTuple):
    """A place of this machine in the container; `tmpfs` is memory."""

    mode: str  # rw or ro
    here: str
    there: str


@dataclass
class Image:
    """An image under construction: the folders that its steps fill, and its settings."""

    home: Path  # everything of it is below
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def place(self, there: str) -> Path:
        """The folder of this machine that stands for one of the image's."""
        path = self.home / there.strip("/").replace("/", "_")
        path.mkdir(parents=True, exist_ok=True)
        return path


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile: the word, and what follows it in one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def build(home: Path) -> Image:
    """Run the steps of the Dockerfile, each as it stands there."""
    _make_base(home / "base")
    image = Image(home)
    for word, rest in instructions((FOLDER / "Dockerfile").read_text(encoding="utf-8")):
        _step(image, word, rest)
    return image


def _make_base(folder: Path) -> None:
    """A Python of its own, whose scripts name it by its place in the container."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    for script in (folder / "bin").glob("pip*"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace(str(folder), BASE), encoding="utf-8")


def _step(image: Image, word: str, rest: str) -> None:
    if word == "FROM":
        image.environment, image.folder, image.user = {"PATH": PATH}, "/", "0:0"
    elif word == "WORKDIR":
        image.folder = rest
    elif word == "USER":
        image.user = rest
    elif word == "ENV":
        for setting in shlex.split(rest):
            name, _, value = setting.partition("=")
            image.environment[name] = value.replace("$PATH", image.environment["PATH"])
    elif word == "COPY":
        _copy(image, shlex.split(rest))
    elif word == "RUN":
        made = (Mount("rw", str(image.place(there)), there) for there in _named(rest))
        done = run(image, ["sh", "-c", rest], mounts=[*made], access="rw")
        assert done.returncode == 0, done.stderr
    elif word in ("ENTRYPOINT", "CMD"):
        setattr(image, "entrypoint" if word == "ENTRYPOINT" else "command", json.loads(rest))
    else:
        assert word in ("ARG", "VOLUME"), f"no such step is known here: {word}"


def _named(step: str) -> list[str]:
    """Folders below the root that a step names, and those that steps before it have filled."""
    found = re.findall(r"(?:^|[\s\"])(/(?:src|wheels|opt/fusiondrive|cache|data/runs))\b", step)
    return [*dict.fromkeys(("/src", *found))]


def _copy(image: Image, words: Sequence[str]) -> None:
    if words[0].startswith("--from="):
        assert words[1] == words[2], "both stages have the folder at the same place"
        return
    *sources, target = words
    for source in sources:
        path = image.place(image.folder) / ("" if target == "./" else target)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, path, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / source, path)


def compose(name: str) -> dict[str, Any]:
    """A compose file with its variables replaced by their defaults and its anchors resolved."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(VARIABLE.sub(r"\2", text))
    return found


def start(
    image: Image, words: Sequence[str], mounts: Sequence[Mount], *, user: str, access: str
) -> subprocess.Popen[str]:
    """Start a command in the image.

    Args:
        image: its settings, and the Python of its base.
        words: the command.
        mounts: further places, in order.
        user: numbers of user and group.
        access: to the root: rw or ro.
    """
    root = image.home / "root"
    root.mkdir(exist_ok=True)
    base = sys.base_prefix
    system = [Mount("ro", place, place) for place in (*SYSTEM, *_further(base))]
    all_mounts = [
        *system,
        *(Mount("rw", place, place) for place in ("/proc", "/dev")),
        Mount("ro", str(image.home / "base"), BASE),
        *mounts,
    ]
    passed = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    process = subprocess.Popen(
        ["unshare", "--mount", "bash", SANDBOX, root, access, user, image.folder, *words],
        env={**passed, **image.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("".join(f"{' '.join(mount)}\n" for mount in all_mounts))
    process.stdin.close()
    process.stdin = None
    return process


def run(
    image: Image,
    words: Sequence[str],
    mounts: Sequence[Mount] = (),
    *,
    user: str = "0:0",
    access: str = "ro",
    limit_s: float = 3000.0,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the image to its end, see `start`."""
    process = start(image, words, [Mount("rw", "tmpfs", "/tmp"), *mounts], user=user, access=access)
    try:
        out, err = process.communicate(timeout=limit_s)
    finally:
        process.kill()
    return subprocess.CompletedProcess([*words], process.returncode, out, err)


@dataclass
class Service:
    """A service of a compose file on an image."""

    image: Image
    values: Mapping[str, Any]
    volumes: Mapping[str, Path]  # the folders that stand for what it mounts
    port: int  # in place of 2000, which something else may use here

    def mounts(self) -> list[Mount]:
        """What the service sees beside its root."""
        found = [Mount("ro", str(self.image.place("/opt/fusiondrive")), "/opt/fusiondrive")]
        found += [Mount("rw", "tmpfs", item.partition(":")[0]) for item in self.values["tmpfs"]]
        for item in self.values["volumes"]:
            source, _, there = item.partition(":")
            found.append(Mount("rw", str(self.volumes[source]), there))
        hosts = self.image.home / "hosts"
        hosts.write_text("127.0.0.1 localhost server\n", encoding="utf-8")
        return [*found, Mount("ro", str(hosts), "/etc/hosts")]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start its command, or another one, with its user and its root."""
        command = [*self.image.entrypoint, *(words or self.values["command"])]
        return self._start(command)

    def is_healthy(self) -> bool:
        """Whether its health check passes now."""
        kind, *command = self.values["healthcheck"]["test"]
        assert kind == "CMD"
        process = self._start(command)
        process.communicate(timeout=60.0)
        return process.returncode == 0

    def _start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        words = [re.sub(r"(?<=--port=)2000$", str(self.port), word) for word in command]
        access = "ro" if self.values["read_only"] else "rw"
        return start(self.image, words, self.mounts(), user=self.values["user"], access=access)


def _further(base: str) -> Iterator[str]:
    """Where this machine's Python and its own package sources are, if not among the system's."""
    if not base.startswith("/usr"):
        yield base
    for path in sorted(Path("/opt").glob("*")):
        if path.name != "fusiondrive":
            yield str(path)
