"""Framings: where the camera of CILRS sits, and which rows of its image the network is fed.

They were compared by driving (docs/policies.md). Data, checkpoints and exports carry theirs, and
the harness mounts the camera that the weights were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from fusiondrive.errors import ConfigError, WeightsError
from fusiondrive.types import CameraSpec
from policies.preprocess import Preprocessing, preprocessing_from


@dataclass(frozen=True)
class Framing:
    """A camera pose with what is done to its image; defaults are coiltraine's."""

    camera: CameraSpec = field(default_factory=CameraSpec)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def to_dict(self) -> dict[str, object]:
        """Plain values for a card."""
        return {"camera": asdict(self.camera), "preprocessing": self.preprocessing.to_dict()}


# The horizon lies at 35 % of the height where the camera looks down by 15 degrees, at 50 % where
# it looks straight on.
FRAMINGS: Mapping[str, Framing] = {
    "coiltraine": Framing(),
    "whole": Framing(preprocessing=Preprocessing(crop_top=0.0, crop_bottom=1.0)),
    "street": Framing(preprocessing=Preprocessing(crop_top=0.32, crop_bottom=1.0)),
    # the camera of the transfuser repository's CILRS, with coiltraine's rows about the horizon
    "level": Framing(
        CameraSpec(x=1.3, z=2.3, pitch_deg=0.0),
        Preprocessing(crop_top=0.30, crop_bottom=0.96),
    ),
}


def framing(name: str) -> Framing:
    """A framing by name; an unknown one is a ConfigError that lists them."""
    if name not in FRAMINGS:
        raise ConfigError(f"unknown framing '{name}'; known: {', '.join(FRAMINGS)}")
    return FRAMINGS[name]


def framing_from(card: Mapping[str, object], source: str) -> Framing:
    """Rebuild from a card; one without a camera is of coiltraine's pose, as all were at first.

    Raises:
        WeightsError: the card does not fit; names the card.
    """
    preprocessing = preprocessing_from(card, source)
    values = card.get("camera", {})
    try:
        return Framing(CameraSpec(**values), preprocessing)  # type: ignore[arg-type]
    except TypeError as err:
        raise WeightsError(f"{source}: camera: {err}") from err


def common_framing(cards: Mapping[str, Mapping[str, object]]) -> Framing:
    """The framing of data sets, by their names; a ConfigError where they differ."""
    found = {name: framing_from(card, name) for name, card in cards.items()}
    first = next(iter(found.values()), Framing())
    for name, mine in found.items():
        if mine != first:
            raise ConfigError(
                f"{name} was recorded in another framing than {next(iter(found))}: "
                "train on sets of one framing"
            )
    return first
