"""TorchScript files: opening them, and refusing pickles that look alike (needs torch)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError as err:
    raise missing_extra(err) from err


class ScriptedFuser:
    """A module called as `module(infrared, visible)`, images in [0, 1]."""

    def __init__(self, path: Path) -> None:
        """Load a file of `torch.jit.save`.

        Raises:
            FusionError: it is missing, or not TorchScript.
        """
        if not path.is_file():
            raise FusionError(f"no TorchScript file at {path}")
        if not is_torchscript(path):
            raise FusionError(
                f"{path} is not a TorchScript file; pickled checkpoints are refused, since they "
                "can run code"
            )
        self.path = path
        try:
            self._module: Any = torch.jit.load(  # type: ignore[no-untyped-call]
                str(path), map_location="cpu"
            )
        except RuntimeError as err:
            reason = str(err).splitlines()[0]
            raise FusionError(f"{path} is not a TorchScript file: {reason}") from err

    def __call__(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fused (B, C, H, W) of infrared (B, 1, H, W) and visible (B, 3, H, W).

        Raises:
            FusionError: the module does not take these images.
        """
        with torch.inference_mode():
            try:
                fused: Tensor = self._module(infrared, visible)
            except RuntimeError as err:
                reason = str(err).strip().splitlines()[-1]
                raise FusionError(
                    f"{self.path} cannot be called as module(infrared, visible): {reason}"
                ) from err
        return fused


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive with code of TorchScript; those of `torch.save` have none."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())
