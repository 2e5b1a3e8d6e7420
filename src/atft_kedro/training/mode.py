"""How training computes: how long, in which precision, and how suspiciously."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..params import Params


class TrainingParams(Params):
    """What an environment decides about a training."""

    epochs: Annotated[int, Field(gt=0)] = 10
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    deterministic: bool = False
    detect_anomaly: bool = False

    @model_validator(mode="after")
    def _suspicion_is_eager(self) -> Self:
        if self.detect_anomaly and self.compile:
            raise ValueError("detect_anomaly needs compile: false, for compiled code hides the line at fault")
        return self
