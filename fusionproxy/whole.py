"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fusionproxy.errors import FusionError

PARTIAL = "partial"


@contextmanager
def whole_file(path: Path, *errors: type[Exception]) -> Iterator[Path]:
    """A file to write, of the same suffix, that takes the place of `path` at the end or is gone.

    Args:
        path: the file to be.
        errors: what the writer raises besides OSError when the disk is full or read-only.

    Raises:
        FusionError: it cannot be written.
    """
    partial = path.with_name(f"{path.stem}.{os.getpid()}.{PARTIAL}{path.suffix}")
    caught: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield partial
        partial.replace(path)
    except FusionError:
        raise  # of what is written, not of writing it
    except caught as err:
        raise FusionError(f"{path} cannot be written ({err}); what is there stays") from err
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill; its files move into `folder` at the end, or all are gone.

    Raises:
        FusionError: they cannot be written.
    """
    folder = folder.absolute()  # the name of `.`
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.{PARTIAL}")
    try:
        partial.mkdir(parents=True)
        yield partial
        for path in sorted(item for item in partial.rglob("*") if item.is_file()):
            target = folder / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except FusionError:
        raise
    except OSError as err:
        raise FusionError(f"{folder} cannot be written ({err}); what is there stays") from err
    finally:
        shutil.rmtree(partial, ignore_errors=True)
