"""Sizes of the network, and the observations that each module looks back on."""

from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ..params import Params, Unique
from ..plugins import require_name

ModuleName = Literal["fan", "gat", "tokens"]
MODULES: tuple[ModuleName, ...] = ("fan", "gat", "tokens")  # modules that a phase can switch on
GATV2 = "gatv2"  # graph layer: the graph attention of this package

Size = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class NetworkParams(Params):
    """Sizes of the network.

    A new field has a default: the value that older networks were built with. Their stored parameters lack it.
    A forecast depends on exactly the last ``lookback`` observations of its stock: the Fourier split uses
    ``fan_window`` of them, the convolution ``kernel``, and the attention ``layers`` share the rest. With
    ``market_gate`` the day's market state also weighs the features. ``graph_signed_heads`` of the ``graph_heads``
    weigh each neighbour by the edge's correlation instead of by attention. ``graph_layer`` is ``gatv2`` or a graph
    convolution by name, ``module:class`` or an installed entry point, created with ``graph_layer_arguments``.
    ``horizons`` null: all of the dataset.
    """

    hidden_size: Annotated[int, Field(gt=0, multiple_of=8)]
    lookback: Size
    heads: Size
    layers: Size
    kernel: Size
    dropout: Share
    selection_size: Size
    market_gate: bool
    fan_window: Annotated[int, Field(gt=1)]
    fan_k: Size
    fan_channels: Size
    graph_heads: Size
    graph_signed_heads: Annotated[int, Field(ge=0)]
    graph_dropout: Share
    graph_layer: Annotated[str, AfterValidator(partial(require_name, kind="graph_layers", known=(GATV2,)))] = GATV2
    graph_layer_arguments: dict[str, Any] = Field(default_factory=dict)
    market_tokens: Annotated[int, Field(ge=0)]
    head_dropout: Share
    head_norm: bool
    layer_scale: Annotated[float, Field(gt=0)]
    output_init: Annotated[float, Field(gt=0)]
    quantiles: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Unique]
    horizons: Annotated[tuple[Size, ...], Unique] | None

    @model_validator(mode="after")
    def _require_consistent_sizes(self) -> Self:
        if self.hidden_size % self.heads or self.hidden_size % self.graph_heads:
            raise ValueError("heads and graph_heads must divide hidden_size")
        if self.graph_signed_heads >= self.graph_heads:
            raise ValueError("graph_signed_heads must be less than graph_heads: at least one head must attend")
        if self.attention_reach < self.layers:
            raise ValueError(
                f"lookback {self.lookback} is too short for fan_window {self.fan_window}, kernel {self.kernel} and "
                f"{self.layers} layers: at least {self.lookback - self.attention_reach + self.layers} is needed"
            )
        if self.fan_k > self.fan_window // 2 + 1:
            raise ValueError(
                f"a window of {self.fan_window} has {self.fan_window // 2 + 1} frequencies, not {self.fan_k}"
            )
        if self.fan_channels > self.hidden_size:
            raise ValueError(f"fan_channels {self.fan_channels} is more than hidden_size {self.hidden_size}")
        if 0.5 not in self.quantiles or sorted(set(self.quantiles)) != list(self.quantiles):
            raise ValueError("quantiles must rise and contain 0.5, the point forecast")
        return self

    @model_validator(mode="after")
    def _require_matching_graph_layer(self) -> Self:
        if self.graph_layer == GATV2 and self.graph_layer_arguments:
            raise ValueError("graph_layer_arguments are those of a convolution; graph_layer gatv2 has none")
        if self.graph_layer != GATV2 and self.graph_signed_heads:
            raise ValueError(f"graph_signed_heads must be 0 with graph_layer {self.graph_layer}")
        return self

    @property
    def attention_reach(self) -> int:
        """Count the past steps that all attention layers reach together."""
        return self.lookback - 1 - (self.fan_window - 1) - (self.kernel - 1)

    @property
    def windows(self) -> list[int]:
        """Compute the window of each attention layer, in steps, the current one included."""
        steps, remainder = divmod(self.attention_reach, self.layers)
        return [1 + steps + (layer < remainder) for layer in range(self.layers)]
