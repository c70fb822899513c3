"""A table or an image as the tensors that a model's signature asks for."""

from __future__ import annotations

from typing import Any

from .mlflow_columns import MisfitFile


def is_unnamed(schema: Any) -> bool:
    """Whether the signature is one tensor without a name."""
    return schema is not None and schema.is_tensor_spec() and not schema.has_input_names()


def of_table(frame: Any, schema: Any) -> Any:
    """Return the whole table as the one tensor of the signature, or each named column as a tensor of its name.

    Raises
    ------
    MisfitFile
        If it has another shape.
    """
    specs = schema.inputs
    if len(specs) == 1 and (specs[0].name is None or specs[0].name not in frame.columns):
        array = _shaped(_array(frame), specs[0], "the table")
        return array if specs[0].name is None else {specs[0].name: array}
    # One that is not there may be optional; MLflow knows.
    return {
        spec.name: _shaped(_array(frame[spec.name]), spec, "column {!r}".format(spec.name))
        for spec in specs
        if spec.name in frame.columns
    }


def of_image(pixels: Any, schema: Any) -> Any:
    """Return the one image of a file as a batch: bytes without a signature, else in its type and shape.

    Raises
    ------
    MisfitFile
        If it has another shape, or the signature has several tensors.
    """
    import numpy as np

    batch = pixels[np.newaxis]
    if schema is None:
        return batch.astype(np.uint8)
    if len(schema.inputs) != 1:
        names = ", ".join(str(spec.name) for spec in schema.inputs)
        raise MisfitFile("an image is one tensor, and the signature has several: {}".format(names))
    spec = schema.inputs[0]
    if tuple(spec.shape) == (-1,):
        # Images of any size, each an element.
        array = np.empty(1, dtype=object)
        array[0] = pixels
    else:
        array = _shaped(batch, spec, "the image")
    return array if spec.name is None else {spec.name: array}


def _array(values: Any) -> Any:
    """Return a column or a table as an array, nested lists as further dimensions."""
    import numpy as np

    array = values.to_numpy()
    return array if array.dtype.kind in "biufcM" else np.array(_lists(array))


def _lists(value: Any) -> Any:
    import numpy as np

    if isinstance(value, (list, tuple, np.ndarray)):
        return [_lists(item) for item in value]
    return value


def _shaped(array: Any, spec: Any, what: str) -> Any:
    """Return the array in the type of the tensor and, row by row, in its shape."""
    shape = tuple(spec.shape)
    if _fits(array.shape, shape):
        return array.astype(spec.type)
    if shape and shape[0] in {-1, len(array)} and _alike(array.shape[1:], shape[1:]):
        try:
            return array.astype(spec.type).reshape((len(array), *shape[1:]))
        except ValueError:
            # Told below, with both shapes.
            pass
    raise MisfitFile(
        "{} has the shape {}, which does not fit the tensor {} of the model's signature".format(
            what, array.shape, shape
        )
    )


def _fits(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    return len(have) == len(want) and all(w in (-1, h) for h, w in zip(have, want))


def _alike(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    """Whether rows of one shape can be read as rows of the other without mixing up rows and columns of a picture."""
    have, want = tuple(n for n in have if n != 1), tuple(n for n in want if n != 1)
    return len(have) <= 1 or len(want) <= 1 or _fits(have, want)
