"""Times students by runtime and image size; random weights, which do not change the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from fusionproxy.benchmark_metrics import synthetic_pair
from fusionproxy.config import preset
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.inference import OnnxStudent, unit_planes
from fusionproxy.pair_source import Pair
from fusionproxy.quantize import import_nncf, write_int8
from fusionproxy.roofline import least_ms
from fusionproxy.runtime import OnnxModel
from fusionproxy.speed import (
    Call,
    Timing,
    copies,
    copies_gb,
    gemm,
    gemm_gflop,
    time_calls,
)

try:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from fusionproxy.scripted import ScriptedFuser
    from fusionproxy.student import Padded, build
    from fusionproxy.writers import F32, quiet, write_onnx, write_torchscript
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

Images = tuple[F32, F32]  # infrared (1, 1, H, W), visible (1, 3, H, W)
RUNTIMES = ("torch", "torchscript", "onnxruntime", "openvino", "openvino-int8")
GEMM, COPIES = "product", "copies"
HARNESS_SIZE = (400, 300)  # what the harness's camera gives


@dataclass(frozen=True)
class Plan:
    """What is timed."""

    students: Sequence[str]
    runtimes: Sequence[str]
    sizes: Sequence[tuple[int, int]]  # width, height
    rounds: int
    threads: int


class Cell(NamedTuple):
    """One student on one runtime at one size."""

    student: str
    runtime: str
    width: int
    height: int
    timing: Timing
    gflop: float
    millions: float  # of parameters
    gemm_ratio: float  # medians: the network's by the matrix product's
    gemm_share: float  # of the product's GFLOP/s, both at their best
    least_ms: float | None  # by the roofline; OpenVINO at single precision only


class Machine(NamedTuple):
    """What the machine can do at most, measured in the same rounds."""

    gflops: float
    gbytes: float  # GB/s, read and written


class Files:
    """A student with random weights in every format that the runtimes take."""

    def __init__(self, name: str, folder: Path, plan: Plan) -> None:
        torch.manual_seed(0)
        self.student: Padded = build(preset(name)).eval()
        self.millions = sum(p.numel() for p in self.student.parameters()) / 1e6
        self._gflop: dict[tuple[int, ...], float] = {}  # by the infrared's shape
        self.onnx = folder / f"{name}.onnx"
        self.int8, self.script = folder / f"{name}.int8.xml", folder / f"{name}.torchscript"
        write_onnx(self.student, self.onnx)
        if "torchscript" in plan.runtimes:
            write_torchscript(self.student, self.script)
        if "openvino-int8" in plan.runtimes:
            images = [synthetic_pair(seed, 320, 256) for seed in range(2)]
            pairs = [Pair("", "", infrared, visible) for _, infrared, visible in images]
            write_int8(self.onnx, self.int8, self.student.config.preset, pairs)

    def gflop(self, images: Images) -> float:
        """Two a multiplication, of convolutions and matrix products."""
        size = images[0].shape
        if size not in self._gflop:
            with torch.inference_mode(), FlopCounterMode(display=False) as counter:
                self.student(*map(torch.from_numpy, images))
            self._gflop[size] = float(counter.get_total_flops()) / 1e9
        return self._gflop[size]


def _torch(files: Files, images: Images, threads: int) -> Call:
    infrared, visible = map(torch.from_numpy, images)

    def run() -> object:
        with torch.inference_mode():
            return files.student(infrared, visible)

    return run


def _torchscript(files: Files, images: Images, threads: int) -> Call:
    module, (infrared, visible) = ScriptedFuser(files.script), map(torch.from_numpy, images)
    return lambda: module(infrared, visible)


def _network(path: Path, images: Images, threads: int, runtime: str) -> Call:
    model = OnnxModel(path, threads, runtime)
    return lambda: model.views(*images)


CALLS: Mapping[str, Callable[[Files, Images, int], Call]] = {
    "torch": _torch,
    "torchscript": _torchscript,
    "onnxruntime": lambda f, images, n: _network(f.onnx, images, n, "onnxruntime"),
    "openvino": lambda f, images, n: _network(f.onnx, images, n, "openvino"),
    "openvino-int8": lambda f, images, n: _network(f.int8, images, n, "openvino"),
}


def check_plan(plan: Plan) -> None:
    """Raise FusionError where a name is unknown or a runtime is not installed."""
    for student in plan.students:
        preset(student)
    unknown = [name for name in plan.runtimes if name not in RUNTIMES]
    if unknown:
        raise FusionError(f"unknown runtime '{unknown[0]}'; known: {', '.join(RUNTIMES)}")
    if min(plan.rounds, plan.threads) < 1:
        raise FusionError("--rounds and --threads: expected 1 or more")
    if "openvino-int8" in plan.runtimes:
        import_nncf()


def benchmark_students(plan: Plan, say: Callable[[str], None]) -> tuple[list[Cell], Machine]:
    """Time every student, runtime and size; those of one size in turn with the product.

    Raises:
        FusionError: as `check_plan`.
    """
    check_plan(plan)
    quiet()
    torch.set_num_threads(plan.threads)
    torch.set_flush_denormal(True)  # denormals slow a CPU down by an order of magnitude
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fusionproxy-")))
        files = {}
        for name in plan.students:
            say(f"making {name}")
            files[name] = Files(name, folder, plan)
        sizes = {}
        for size in plan.sizes:
            say(f"timing {size[0]}x{size[1]}")
            sizes[size] = _time_size(plan, files, size)
        machine = Machine(
            gemm_gflop() / min(found[GEMM, ""].best for found in sizes.values()) * 1e3,
            copies_gb(plan.threads) / min(found[COPIES, ""].best for found in sizes.values()) * 1e3,
        )
        cells = [
            _cell(plan, files[student], (student, runtime), size, sizes[size], machine)
            for student in plan.students
            for size in plan.sizes
            for runtime in plan.runtimes
        ]
    return cells, machine


def _images(size: tuple[int, int]) -> Images:
    _, infrared, visible = synthetic_pair(0, *size)
    return unit_planes(visible, infrared)


def _time_size(
    plan: Plan, files: Mapping[str, Files], size: tuple[int, int]
) -> dict[tuple[str, str], Timing]:
    images = _images(size)
    calls: dict[str, Call] = {GEMM: gemm(), COPIES: copies(plan.threads)}
    for name, item in files.items():
        for runtime in plan.runtimes:
            calls[f"{name} {runtime}"] = CALLS[runtime](item, images, plan.threads)
    found = time_calls(calls, plan.rounds)
    return {(name.partition(" ")[0], name.partition(" ")[2]): t for name, t in found.items()}


def _cell(
    plan: Plan,
    files: Files,
    of: tuple[str, str],
    size: tuple[int, int],
    found: Mapping[tuple[str, str], Timing],
    machine: Machine,
) -> Cell:
    timing, images = found[of], _images(size)
    gflop = files.gflop(images)
    least = None
    if of[1] == "openvino":
        layers = OnnxModel(files.onnx, plan.threads, "openvino").layers(*images)
        least = least_ms(layers, machine.gflops, machine.gbytes)
    return Cell(
        *of,
        *size,
        timing,
        gflop,
        files.millions,
        timing.median / found[GEMM, ""].median,
        gflop / timing.best * 1e3 / machine.gflops,
        least,
    )


def time_harness(plan: Plan) -> Timing:
    """The `cpu` student as the harness calls it: bytes in, bytes out, at its camera's size."""
    with TemporaryDirectory(prefix="fusionproxy-") as folder:
        path = Path(folder) / "cpu.onnx"
        write_onnx(build(preset("cpu")).eval(), path)
        fuser = OnnxStudent(path, plan.threads)
        _, infrared, visible = synthetic_pair(0, *HARNESS_SIZE)
        return time_calls({"": lambda: fuser.fuse(visible, infrared)}, plan.rounds)[""]
