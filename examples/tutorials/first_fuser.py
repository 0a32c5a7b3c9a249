"""A first fuser twice: a rule of your own as a class, and a network of your own as an ONNX file.

python first_fuser.py --routes 3 --out runs/first_fuser
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from harness import run

U8 = NDArray[np.uint8]


class Glow:
    """The visible image, lit up where the thermal one is warmer than its surroundings."""

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse a visible image (H, W, 3) and a thermal one (H, W) of the same pixels."""
        around = cv2.blur(thermal, (61, 61))
        warmer = cv2.subtract(thermal, around)  # (H, W), 0 where it is colder
        return np.asarray(cv2.add(rgb, cv2.merge([warmer] * 3)), np.uint8)


def write_network(path: Path) -> None:
    """Write the smallest network that fuses: 0.7 of the visible and 0.3 of the infrared image."""
    from onnx import TensorProto, helper, save

    planes = {"infrared": [1, 1, "H", "W"], "visible": [1, 3, "H", "W"]}  # in [0, 1]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in planes.items()]
    output = helper.make_tensor_value_info("fused", TensorProto.FLOAT, planes["visible"])
    shares = [
        helper.make_tensor("of_visible", TensorProto.FLOAT, [], [0.7]),
        helper.make_tensor("of_infrared", TensorProto.FLOAT, [], [0.3]),
    ]
    nodes = [
        helper.make_node("Mul", ["visible", "of_visible"], ["light"]),
        helper.make_node("Mul", ["infrared", "of_infrared"], ["warmth"]),
        helper.make_node("Add", ["light", "warmth"], ["fused"]),
    ]
    graph = helper.make_graph(nodes, "blend", inputs, [output], shares)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def main() -> None:
    """Drive RGB, the rule and the network on the same routes, into one table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--routes", default="3")
    parser.add_argument("--out", default="runs/first_fuser")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    network = Path("blend.onnx")
    write_network(network)
    drives = (
        ["--arms", "rgb", f"{Path(__file__).stem}:Glow"],
        ["--arms", "student", "--fuser-weights", str(network)],
    )
    for arms in drives:
        words = ["--town", "Town02", "--weather", "fog:40", "--routes", options.routes, *arms]
        code = run.main([*words, "--out", options.out, *further])
        if code != 0:
            raise SystemExit(code)


if __name__ == "__main__":
    main()
