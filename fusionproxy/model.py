"""A fusion student in one object, opened by name or file, for numpy arrays or torch tensors.

from fusionproxy import FusionProxy
fused = FusionProxy.from_pretrained("student_distilled").fuse(rgb, thermal)
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiondrive.files import whole_file
from fusionproxy.errors import FusionError
from fusionproxy.formats import INT8, IR, PREFERRED, TORCHSCRIPT, stem_of, weights_hash
from fusionproxy.inference import grown, is_tiny
from fusionproxy.order import is_ours
from fusionproxy.runtime import OnnxModel

F32 = NDArray[np.float32]
Range = tuple[float, float]
SHIPPED = Path(__file__).parent / "weights"
DEFAULT = "student_distilled"  # of those that ship; real pairs are what it has learnt from
PICKLES = (".pt", ".pth", ".pkl", ".bin", ".ckpt")
SMALLEST = 2  # pixels a side


def shipped_names() -> tuple[str, ...]:
    """Names of the weights that come with the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.onnx")))


class FusionProxy:
    """A frozen fusion student."""

    def __init__(self, path: Path, run: Callable[[F32, F32], F32]) -> None:
        self.path = path
        self._run = run  # infrared (B, 1, H, W), visible (B, 3, H, W) to (B, 3, H, W)

    @classmethod
    def from_pretrained(cls, name: str | Path, threads: int = 2) -> FusionProxy:
        """Open shipped weights by name, a file, or a folder of `save_pretrained`.

        ONNX files run on OpenVINO or ONNX Runtime and IR (`.xml`, `.int8.xml`) on OpenVINO without
        torch; TorchScript and safetensors need torch, which has its own number of threads.

        Raises:
            FusionError: the name is unknown, or the file is missing, foreign or a pickle.
        """
        path = _find(name)
        if path.suffix in (".onnx", IR):
            model = OnnxModel(path, threads)
            return cls(path, lambda infrared, visible: _run_any_size(model, infrared, visible))
        return cls(path, _torch_runner(path))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy the weights with the files beside them (card, other formats) into a folder.

        Returns:
            The folder.

        Raises:
            FusionError: the folder holds other weights.
        """
        folder = Path(folder)
        stem = stem_of(self.path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = [
                p
                for p in folder.iterdir()
                if p.suffix in PREFERRED and stem_of(p) != stem and is_ours(p)
            ]
            if held:
                raise FusionError(f"{folder} holds other weights ({held[0].name}); take another")
            for path in sorted(self.path.parent.glob(f"{stem}.*")):
                if path.parent.resolve() != folder.resolve():
                    with whole_file(folder / path.name) as partial:
                        shutil.copyfile(path, partial)
        except OSError as err:
            raise FusionError(f"{folder} cannot be a folder of weights ({err})") from err
        return folder

    def weights_hash(self) -> str:
        """SHA-256 of the file, first 12 hex digits."""
        return weights_hash(self.path)

    def fuse(
        self,
        rgb: Any,
        thermal: Any,
        *,
        rgb_range: Range | None = None,
        thermal_range: Range | None = None,
    ) -> Any:
        """Fuse aligned images of one size.

        Images of a batch are fused one by one, so that each comes out as if it were alone, to the
        bit.

        Args:
            rgb: numpy (H, W, 3) or (B, H, W, 3), or torch (3, H, W) or (B, 3, H, W).
            thermal: numpy (H, W), (H, W, 1) or with B first, or torch (1, H, W) or (B, 1, H, W).
            rgb_range: the values of black and white. By default 0 to 255 for 8 bits and 0 to 1
                for floats; 16-bit images need it.
            thermal_range: likewise for the thermal image; values beyond are clipped.

        Returns:
            The fused image or batch, with the type, layout and range of `rgb`.

        Raises:
            FusionError: a shape, type or value is not the expected one, or the sizes differ.
        """
        torch = sys.modules.get("torch")
        are_tensors = [torch is not None and isinstance(x, torch.Tensor) for x in (rgb, thermal)]
        if are_tensors[0] is not are_tensors[1]:
            one, other = ("rgb", "thermal") if are_tensors[0] else ("thermal", "rgb")
            raise FusionError(f"{one} is a torch tensor but {other} is not; give two of a kind")
        if torch is not None and are_tensors[0]:
            arrays = [x.detach().cpu() for x in (rgb, thermal)]
            arrays = [x.float() if x.is_floating_point() else x for x in arrays]
            planes = self._fuse(
                arrays[0].numpy(),
                arrays[1].numpy(),
                (rgb_range, thermal_range),
                channels_first=True,
            )
            return torch.from_numpy(planes).to(dtype=rgb.dtype, device=rgb.device)
        return self._fuse(
            np.asarray(rgb), np.asarray(thermal), (rgb_range, thermal_range), channels_first=False
        )

    def _fuse(
        self,
        rgb: NDArray[Any],
        thermal: NDArray[Any],
        ranges: tuple[Range | None, Range | None],
        *,
        channels_first: bool,
    ) -> NDArray[Any]:
        visible = _visible_planes(rgb, channels_first)
        infrared = _infrared_planes(thermal, channels_first, is_batch=rgb.ndim == 4)
        _check_sizes(visible, infrared)
        low, high = _range_of("rgb", rgb, ranges[0])
        fused = self._run_each(
            _unit("thermal", infrared, _range_of("thermal", thermal, ranges[1])),
            _unit("rgb", visible, (low, high)),
        )
        if not channels_first:
            fused = fused.transpose(0, 2, 3, 1)
        if rgb.ndim == 3:
            fused = fused[0]
        scaled = np.clip(fused, 0, 1) * np.float32(high - low) + np.float32(low)
        if np.issubdtype(rgb.dtype, np.integer):
            scaled = np.rint(scaled)
        return np.ascontiguousarray(scaled.astype(rgb.dtype))

    def _run_each(self, infrared: F32, visible: F32) -> F32:
        """Fuse the images of a batch one by one into (B, 3, H, W).

        Network files take one image, and sums over a batch would be rounded differently.
        """
        images = []
        for i in range(len(visible)):
            fused = self._run(infrared[i : i + 1], visible[i : i + 1])
            if fused.shape != (1, *visible.shape[1:]):
                raise FusionError(
                    f"{self.path} is no student of this kind: expected an output of "
                    f"{(1, *visible.shape[1:])}, found {fused.shape}"
                )
            images.append(fused)
        return np.concatenate(images)


def _find(name: str | Path) -> Path:
    path = Path(name).expanduser()
    if str(name) in shipped_names():
        return SHIPPED / f"{name}.onnx"
    if path.is_dir():
        return _of_folder(path)
    if path.suffix in PICKLES:
        raise FusionError(
            f"{path}: pickled checkpoints are refused, since they can run code; export the student "
            "with `python -m fusionproxy.export` or save it as safetensors"
        )
    if not path.is_file():
        known = ", ".join(shipped_names())
        raise FusionError(f"no student '{name}'; known names: {known}; or give a file or folder")
    if path.suffix not in PREFERRED:
        raise FusionError(f"{path}: expected a file of {', '.join(PREFERRED)}")
    return path


def _of_folder(folder: Path) -> Path:
    """The preferred weights of a folder; int8 only where there is no other file."""
    found = [
        path for suffix in PREFERRED for path in sorted(folder.glob(f"*{suffix}")) if is_ours(path)
    ]
    if not found:
        raise FusionError(f"no file of {', '.join(PREFERRED)} in {folder}")
    stems = sorted({stem_of(path) for path in found})
    if len(stems) > 1:
        raise FusionError(f"{folder} holds several students: {', '.join(stems)}; name a file")
    exact = [path for path in found if not path.name.endswith(INT8)]
    return (exact or found)[0]


def _run_any_size(model: OnnxModel, infrared: F32, visible: F32) -> F32:
    height, width = infrared.shape[2:]
    if is_tiny(height, width):
        fused = model(grown(infrared, 2), grown(visible, 2))[0]
        return fused[..., :height, :width]
    return model(infrared, visible)[0]


def _torch_runner(path: Path) -> Callable[[F32, F32], F32]:
    import torch  # takes seconds

    from fusionproxy.scripted import ScriptedFuser
    from fusionproxy.student import load

    torch.set_flush_denormal(True)  # denormals slow a CPU down by an order of magnitude
    student = ScriptedFuser(path) if path.suffix == TORCHSCRIPT else load(path)

    def run(infrared: F32, visible: F32) -> F32:
        with torch.inference_mode():
            fused: F32 = student(torch.from_numpy(infrared), torch.from_numpy(visible)).numpy()
        return fused

    return run


def _check_sizes(visible: NDArray[Any], infrared: NDArray[Any]) -> None:
    if visible.shape[0] != infrared.shape[0] or visible.shape[2:] != infrared.shape[2:]:
        a, b = visible.shape, infrared.shape
        raise FusionError(
            f"rgb is {a[0]} x {a[2]} x {a[3]} but thermal is {b[0]} x {b[2]} x {b[3]} (images "
            "x rows x columns); align and resize one"
        )
    if not len(visible):
        raise FusionError("the batch is empty; expected one image or more")
    if min(visible.shape[2:]) < SMALLEST:
        size = f"{visible.shape[2]} x {visible.shape[3]}"
        raise FusionError(f"{size} pixels; expected {SMALLEST} x {SMALLEST} or more")


def _visible_planes(rgb: NDArray[Any], channels_first: bool) -> NDArray[Any]:
    """Arrange a visible image or batch as planes (B, 3, H, W)."""
    axis = -3 if channels_first else -1
    if rgb.ndim not in (3, 4) or rgb.shape[axis] != 3:
        layout = "(3, H, W) or (B, 3, H, W)" if channels_first else "(H, W, 3) or (B, H, W, 3)"
        kind = "a grey image" if rgb.ndim == 2 else f"shape {rgb.shape}"
        raise FusionError(f"rgb: expected {layout}, found {kind}")
    batch = rgb if rgb.ndim == 4 else rgb[None]
    return batch if channels_first else batch.transpose(0, 3, 1, 2)


def _infrared_planes(
    thermal: NDArray[Any], channels_first: bool, *, is_batch: bool
) -> NDArray[Any]:
    """Arrange a thermal image or batch as planes (B, 1, H, W).

    An image of three channels is refused, unlike a batch whose images are three columns wide.
    """
    if channels_first:
        if thermal.ndim in (3, 4) and thermal.shape[-3] == 1:
            return thermal if thermal.ndim == 4 else thermal[None]
        raise FusionError(
            f"thermal: expected (1, H, W) or (B, 1, H, W), found shape {thermal.shape}"
        )
    if thermal.ndim == 2:
        return thermal[None, None]
    if thermal.ndim in (3, 4) and thermal.shape[-1] == 1:
        batch = thermal if thermal.ndim == 4 else thermal[None]
        return batch.transpose(0, 3, 1, 2)
    if thermal.ndim == 3 and (is_batch or thermal.shape[-1] != 3):
        return thermal[:, None]
    raise FusionError(
        "thermal: expected one channel, (H, W), (H, W, 1), (B, H, W) or (B, H, W, 1), found shape "
        f"{thermal.shape}"
    )


def _range_of(name: str, image: NDArray[Any], given: Range | None) -> Range:
    if given is not None:
        if not given[0] < given[1]:
            raise FusionError(f"{name}_range: expected low < high, found {given[0]} {given[1]}")
        return given
    if image.dtype == np.uint8:
        return 0.0, 255.0
    if np.issubdtype(image.dtype, np.floating):
        return 0.0, 1.0
    raise FusionError(
        f"{name}: {image.dtype} values have no declared range; give {name}_range=(low, high)"
    )


def _unit(name: str, planes: NDArray[Any], limits: Range) -> F32:
    """Scale planes from a range of values to floats in [0, 1]; values beyond are clipped."""
    low, high = limits
    values = planes.astype(np.float32)
    if not np.isfinite(values).all():
        raise FusionError(f"{name}: {np.count_nonzero(~np.isfinite(values))} values are NaN or inf")
    if np.issubdtype(planes.dtype, np.floating) and limits == (0.0, 1.0):
        worst = float(max(-values.min(), values.max() - 1.0))
        if worst > 1e-3:
            span = f"{values.min():g} to {values.max():g}"
            raise FusionError(f"{name}: floats of {span}; expected 0 to 1, or give {name}_range")
    unit = (values - np.float32(low)) * np.float32(1 / (high - low))  # as `OnnxStudent`, to the bit
    return np.ascontiguousarray(np.clip(unit, 0.0, 1.0))
