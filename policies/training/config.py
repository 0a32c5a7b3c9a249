"""Settings of a training run of CILRS."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from fusiondrive.cli import Flag, check_values
from fusiondrive.paths import path_text
from policies.cilrs_network import NetworkConfig
from policies.training.augment import Augmentation
from policies.training.short_drives import DriveCheck


@dataclass(frozen=True)
class TrainConfig:
    """Everything that changes the result."""

    data: Annotated[
        tuple[str, ...],
        Flag("folders of policies.training.collect", metavar="DIR", read=path_text),
    ]
    backbone: Annotated[str, Flag("of the image, a network of timm")] = "resnet10t"
    slimness: Annotated[float, Flag("0.5 halves its channels", more_than=0)] = 1.0
    minutes: Annotated[float, Flag("budget; 0 trains --epochs", at_least=0)] = 0.0
    epochs: Annotated[float, Flag("budget where --minutes gives none", at_least=0)] = 10.0
    batch: Annotated[int, Flag("images a step", more_than=0)] = 120
    learning_rate: Annotated[float, Flag("at its highest", at_least=0)] = 6e-4
    weight_decay: Annotated[float, Flag("as AdamW takes it", at_least=0)] = 1e-4
    ema_decay: Annotated[float, Flag("of the weights' average", at_least=0, at_most=1)] = 0.998
    speed_dropout: Annotated[
        float,
        Flag("share of samples whose speed is replaced, pedals with it", at_least=0, at_most=1),
    ] = 0.3
    init: Annotated[
        str,
        Flag("weights of an earlier run to begin with", metavar="FILE", read=path_text),
    ] = ""
    lights: Annotated[
        Literal["obey", "ignore"], Flag("ignore: pedals as on a street without traffic lights")
    ] = "obey"
    brightness: Annotated[float, Flag("change of pictures", at_least=0)] = Augmentation.brightness
    contrast: Annotated[float, Flag("change of pictures", at_least=0)] = Augmentation.contrast
    tint: Annotated[float, Flag("change of pictures", at_least=0)] = Augmentation.tint
    noise: Annotated[float, Flag("change of pictures", at_least=0)] = Augmentation.noise
    scenery_swap: Annotated[float, Flag("change of pictures", at_least=0, at_most=1)] = (
        Augmentation.scenery_swap
    )
    transfuser: Annotated[
        float,
        Flag("chance of each change of TransFuser++'s set; 0.5 there", at_least=0, at_most=1),
    ] = Augmentation.transfuser
    brake_weight: Annotated[
        float, Flag("of the brake in the loss; steer has 0.5, throttle 0.45", at_least=0)
    ] = 0.05
    path_weight: Annotated[
        float, Flag("of predicting the route ahead beside the actions", at_least=0)
    ] = 0.0
    held_out: Annotated[
        float, Flag("share of routes kept for validation", at_least=0, at_most=1)
    ] = 0.08
    drives: Annotated[int, Flag("short closed-loop drives at each validation", at_least=0)] = 0
    drive_town: Annotated[str, Flag("where; its ready-made routes stay unseen")] = "Town02"
    drive_maps: Annotated[
        str, Flag("folder with official .xodr files", metavar="DIR", read=path_text)
    ] = ""
    drive_scenery: Annotated[int, Flag("seed of the server", at_least=0)] = 0
    precision: Annotated[
        Literal["fp32", "bf16"],
        Flag("of features and their gradients; bf16 is faster with AVX-512 BF16"),
    ] = "fp32"
    threads: Annotated[int, Flag("of torch", at_least=1)] = 2
    seed: Annotated[int, Flag("of weights and batches", at_least=0)] = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        check_values(self)

    @property
    def check(self) -> DriveCheck:
        """The short drives of a validation."""
        maps = Path(self.drive_maps) if self.drive_maps else None
        return DriveCheck(self.drive_town, self.drives, maps, self.drive_scenery)

    @property
    def network(self) -> NetworkConfig:
        """Sizes of the network to train."""
        return NetworkConfig(backbone=self.backbone, slimness=self.slimness)

    @property
    def augmentation(self) -> Augmentation:
        """How training changes its pictures."""
        return Augmentation(
            **{item.name: getattr(self, item.name) for item in fields(Augmentation)}
        )
