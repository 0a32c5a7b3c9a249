"""ONNX files as they are shipped: matrices in half precision, nothing of where they were made."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from fusiondrive.files import whole_file


def write_onnx(
    network: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    out: Path,
    *,
    names: Sequence[str],
    answers: Sequence[str],
    dynamic_shapes: Any = None,
) -> None:
    """Export a network, whole or not at all.

    Args:
        network: in evaluation mode.
        inputs: of the sizes to export for.
        out: the file.
        names: of the inputs.
        answers: names of the outputs.
        dynamic_shapes: sizes that may change, as `torch.onnx.export` takes them.
    """
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        torch.onnx.export(
            network,
            inputs,
            str(full),
            input_names=names,
            output_names=answers,
            dynamic_shapes=dynamic_shapes,
            opset_version=18,
            dynamo=True,
            optimize=False,  # would fold the norms into the matrices before they are rounded
            external_data=False,
            verbose=False,
        )
        model = onnx.load(str(full))
    _halve_initializers(model)
    _forget_origin(model.graph)
    onnx.checker.check_model(model)
    with whole_file(out) as draft:
        onnx.save(model, str(draft))


def without_paths(facts: Any) -> Any:
    """Folders by their last name: where data lay on one machine says nothing to others."""
    if isinstance(facts, dict):
        return {key: without_paths(value) for key, value in facts.items()}
    if isinstance(facts, list):
        return [without_paths(value) for value in facts]
    if isinstance(facts, str):
        return " ".join(Path(word).name if "/" in word else word for word in facts.split(" "))
    return facts


def _halve_initializers(model: onnx.ModelProto) -> None:
    """Store each float matrix as float16 behind a Cast, which runtimes fold when they load."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name = tensor.name
        values = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _forget_origin(graph: onnx.GraphProto) -> None:
    """Leave out the exporter's notes: they hold paths of this machine, so that bytes differ."""
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    graph.doc_string = ""
    del graph.metadata_props[:]
