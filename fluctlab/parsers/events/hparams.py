"""Hyperparameters that TensorBoard's hparams plugin logged (Keras' ``hp.hparams``, PyTorch's ``add_hparams``)."""

from __future__ import annotations

import math
from typing import Any

from fluctlab.limits import Limits
from fluctlab.model import Scalar, clean_text

__all__ = ["HPARAMS_TAG", "read_hyperparameters"]

#: All records of the plugin have a tag below this one; what ``hp_metric`` and the like log are ordinary scalars.
HPARAMS_TAG = b"_hparams_/"


def read_hyperparameters(payload: bytes, limits: Limits) -> dict[str, Scalar]:
    """Read what a session says it was started with.

    An experiment's record lists the values a hyperparameter may have; where that is one value, it is taken too.

    Returns
    -------
    dict
        Empty where the record holds none. Whole numbers are given as int: the plugin knows only floats.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2

    found: dict[str, Scalar] = {}
    try:
        event = event_pb2.Event.FromString(payload)
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name != "hparams":
                continue
            data = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
            for info in data.experiment.hparam_infos:
                if len(info.domain_discrete.values) == 1:
                    found.setdefault(_name(info.name, limits), _scalar(info.domain_discrete.values[0], limits))
            # a map has no order of its own
            for name, logged in sorted(data.session_start_info.hparams.items()):
                found[_name(name, limits)] = _scalar(logged, limits)
    except DecodeError:
        return found
    found.pop("", None)
    return found


def _name(name: str, limits: Limits) -> str:
    return clean_text(name, limits.max_name_chars)


def _scalar(logged: Any, limits: Limits) -> Scalar:
    kind = logged.WhichOneof("kind")
    if kind == "number_value":
        number = float(logged.number_value)
        return int(number) if math.isfinite(number) and number.is_integer() and abs(number) < 2**53 else number
    if kind == "string_value":
        return clean_text(logged.string_value, limits.max_value_chars)
    if kind == "bool_value":
        return bool(logged.bool_value)
    if kind == "list_value":
        return clean_text(
            ", ".join(str(_scalar(v, limits)) for v in logged.list_value.values[:1000]), limits.max_value_chars
        )
    return None
