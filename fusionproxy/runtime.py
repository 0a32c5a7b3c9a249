"""Runs ONNX files and OpenVINO IR on the CPU without torch.

ONNX runs on OpenVINO, or on ONNX Runtime where that is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import FusionError, first_line
from fusionproxy.formats import IR
from fusionproxy.roofline import Layer, layers_of

F32 = NDArray[np.float32]


class _Engine(Protocol):
    name: str
    input_shapes: tuple[tuple[int | None, ...], ...]

    def run(self, inputs: tuple[F32, ...], *, channels_last: bool = False) -> list[F32]: ...


class _OpenVino:
    name = "openvino"

    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        self._core = openvino.Core()
        self._path = path
        self._config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",  # bf16 is slower and not repeatable across CPUs
            "ENABLE_CPU_PINNING": False,  # the caller's thread would wait for one core at each call
        }
        self._model = self._core.read_model(path)
        self.input_shapes = tuple(
            tuple(side.get_length() if side.is_static else None for side in item.partial_shape)
            for item in self._model.inputs
        )
        self._requests: dict[tuple[tuple[tuple[int, ...], ...], bool], Any] = {}

    def layers(self, shapes: tuple[tuple[int, ...], ...]) -> list[Layer]:
        return layers_of(self._request(shapes).get_compiled_model())

    def run(self, inputs: tuple[F32, ...], *, channels_last: bool = False) -> list[F32]:
        found = tuple(item.shape for item in inputs)
        shapes = tuple(map(_channels_second, found)) if channels_last else found
        request = self._request(shapes, channels_last=channels_last)
        results = request.infer(dict(enumerate(inputs)), share_inputs=True, share_outputs=True)
        return [np.asarray(results[i]) for i in range(len(results))]

    def _request(self, shapes: tuple[tuple[int, ...], ...], *, channels_last: bool = False) -> Any:
        # Fixed shapes run about three times as fast as dynamic ones, so each size is compiled.
        key = (shapes, channels_last)
        if key not in self._requests:
            model = self._model.clone()
            model.reshape({i: list(shape) for i, shape in enumerate(shapes)})
            model = self._turned(model) if channels_last else model
            compiled = self._core.compile_model(model, "CPU", self._config)
            self._requests = {key: compiled.create_infer_request()}
        return self._requests[key]

    @staticmethod
    def _turned(model: Any) -> Any:
        """The model with images as its convolutions work on them, so that nothing is reordered."""
        import openvino
        from openvino.preprocess import PrePostProcessor

        border = PrePostProcessor(model)
        outer, inner = openvino.Layout("NHWC"), openvino.Layout("NCHW")
        for i in range(len(model.inputs)):
            border.input(i).tensor().set_layout(outer)
            border.input(i).model().set_layout(inner)
        for i in range(len(model.outputs)):
            border.output(i).tensor().set_layout(outer)
            border.output(i).model().set_layout(inner)
        return border.build()


class _OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        offered = onnxruntime.get_available_providers()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=[name for name in wanted if name in offered]
        )
        self._names = [item.name for item in self._session.get_inputs()]
        self.input_shapes = tuple(
            tuple(side if isinstance(side, int) else None for side in item.shape)
            for item in self._session.get_inputs()
        )

    def run(self, inputs: tuple[F32, ...], *, channels_last: bool = False) -> list[F32]:
        if channels_last:
            turned = tuple(np.ascontiguousarray(item.transpose(0, 3, 1, 2)) for item in inputs)
            return [item.transpose(0, 2, 3, 1) for item in self.run(turned)]
        feeds = dict(zip(self._names, inputs, strict=True))
        return [np.asarray(item) for item in self._session.run(None, feeds)]


_ENGINES: tuple[tuple[str, type[_OpenVino] | type[_OnnxRuntime]], ...] = (
    ("openvino", _OpenVino),
    ("onnxruntime", _OnnxRuntime),
)


class OnnxModel:
    """A network of an ONNX file or an IR; it is called with float32 arrays in input order."""

    def __init__(self, path: Path, threads: int = 2, runtime: str | None = None) -> None:
        """Load the file.

        Args:
            path: the `.onnx` file, or the `.xml` of an IR, which runs on OpenVINO alone.
            threads: CPU threads for one call.
            runtime: `openvino` or `onnxruntime`; by default the first that is installed.

        Raises:
            FusionError: the file is missing or no network, or no runtime is installed.
        """
        if not path.is_file():
            raise FusionError(f"no {_kind(path)} file at {path}")
        if path.suffix == IR and not path.with_suffix(".bin").is_file():
            raise FusionError(f"{path} has no weights beside it; expected {path.stem}.bin")
        self._engine = _load(path, threads, runtime)

    @property
    def runtime(self) -> str:
        """Name of the runtime in use."""
        return self._engine.name

    @property
    def input_shapes(self) -> tuple[tuple[int | None, ...], ...]:
        """Shape of each input in the file's order; None where any size is taken."""
        return self._engine.input_shapes

    def __call__(self, *inputs: NDArray[Any]) -> list[F32]:
        """Run the network; its outputs are new arrays in the file's order.

        Raises:
            FusionError: the number of inputs or one of their shapes is not the file's.
        """
        return [np.array(item) for item in self.views(*inputs)]

    def views(self, *inputs: NDArray[Any]) -> list[F32]:
        """Run the network as a call does, without copies: the next run may overwrite the arrays."""
        self._check(tuple(item.shape for item in inputs))
        return self._engine.run(_ready(inputs))

    def views_of_images(self, *inputs: NDArray[Any]) -> list[F32]:
        """Run a network of images as `views` does, with the channels last: (N, H, W, C)."""
        self._check(tuple(_channels_second(item.shape) for item in inputs))
        return self._engine.run(_ready(inputs), channels_last=True)

    def _check(self, found: tuple[tuple[int, ...], ...]) -> None:
        expected = self.input_shapes
        if len(expected) != len(found) or not all(map(_fits, expected, found)):
            raise FusionError(f"the network takes inputs of shapes {expected}, found {found}")

    def layers(self, *inputs: NDArray[Any]) -> list[Layer]:
        """List the layers as they run at the sizes of these inputs.

        Raises:
            FusionError: the runtime does not say; OpenVINO does.
        """
        if not isinstance(self._engine, _OpenVino):
            raise FusionError(f"{self.runtime} does not say which layers it runs; openvino does")
        return self._engine.layers(tuple(item.shape for item in inputs))


def _ready(inputs: tuple[NDArray[Any], ...]) -> tuple[F32, ...]:
    return tuple(np.ascontiguousarray(item, dtype=np.float32) for item in inputs)


def _channels_second(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(N, H, W, C) as (N, C, H, W)."""
    return (shape[0], shape[-1], *shape[1:-1])


def _fits(expected: tuple[int | None, ...], found: tuple[int, ...]) -> bool:
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(a is None or a == b for a, b in pairs)


def _kind(path: Path) -> str:
    return "OpenVINO" if path.suffix == IR else "ONNX"


def _load(path: Path, threads: int, runtime: str | None) -> _Engine:
    known = [name for name, _ in _ENGINES]
    if runtime is not None and runtime not in known:
        raise FusionError(f"unknown runtime '{runtime}'; known: {', '.join(known)}")
    if path.suffix == IR:
        runtime = runtime or "openvino"
        if runtime != "openvino":
            raise FusionError(f"{path} runs on openvino; {runtime} takes .onnx")
    for name, engine in _ENGINES:
        if runtime not in (None, name):
            continue
        try:
            return engine(path, threads)
        except ImportError:
            continue
        except Exception as err:  # each runtime has its own exception types for a broken file
            raise FusionError(
                f"{path} is not a network that {name} can load ({first_line(err)})"
            ) from err
    wanted = runtime or " or ".join(known)
    raise FusionError(f"{path} needs {wanted}, which is not installed: pip install {known[0]}")
