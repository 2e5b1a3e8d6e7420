"""How large the network is, and what each part of it may look back on."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..params import Params, Unique

ModuleName = Literal["fan", "gat", "tokens"]
MODULES: tuple[ModuleName, ...] = ("fan", "gat", "tokens")  # what a phase can switch off

Size = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class NetworkParams(Params):
    """The network's sizes.

    A forecast sees exactly its stock's last ``lookback`` observations: ``fan_window`` of them in the Fourier split,
    ``kernel`` in the convolution, and what remains is shared by the attention ``layers``. Without ``market_gate`` the
    market's state does not weigh the features. ``graph_signed_heads`` of the ``graph_heads`` hear each neighbour by the
    edge's correlation instead of attending.
    """

    hidden_size: Annotated[int, Field(gt=0, multiple_of=8)] = 64
    lookback: Size = 20
    heads: Size = 4
    layers: Size = 1
    kernel: Size = 3
    dropout: Share = 0.0
    selection_size: Size = 8
    market_gate: bool = True
    fan_window: Annotated[int, Field(gt=1)] = 12
    fan_k: Size = 2
    fan_channels: Size = 16
    graph_heads: Size = 4
    graph_signed_heads: Annotated[int, Field(ge=0)] = 0
    graph_dropout: Share = 0.0
    market_tokens: Annotated[int, Field(ge=0)] = 0
    head_dropout: Share = 0.0
    head_norm: bool = False
    layer_scale: Annotated[float, Field(gt=0)] = 0.01
    output_init: Annotated[float, Field(gt=0)] = 0.05
    quantiles: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Unique] = (0.1, 0.25, 0.5, 0.75, 0.9)
    horizons: Annotated[tuple[Size, ...], Unique] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.hidden_size % self.heads or self.hidden_size % self.graph_heads:
            raise ValueError("heads and graph_heads must divide hidden_size")
        if self.graph_signed_heads >= self.graph_heads:
            raise ValueError("graph_signed_heads must leave one of graph_heads at least, which attends")
        if self.attention_reach < self.layers:
            raise ValueError(
                f"lookback {self.lookback} is too short for fan_window {self.fan_window}, kernel {self.kernel} and "
                f"{self.layers} layers: it takes {self.lookback - self.attention_reach + self.layers} at least"
            )
        if self.fan_k > self.fan_window // 2 + 1:
            raise ValueError(
                f"a window of {self.fan_window} has {self.fan_window // 2 + 1} frequencies, not {self.fan_k}"
            )
        if self.fan_channels > self.hidden_size:
            raise ValueError(f"fan_channels {self.fan_channels} are more than hidden_size {self.hidden_size}")
        if 0.5 not in self.quantiles or sorted(set(self.quantiles)) != list(self.quantiles):
            raise ValueError("quantiles must rise and hold 0.5, the point forecast")
        return self

    @property
    def attention_reach(self) -> int:
        """Count the steps back that the attention layers share."""
        return self.lookback - 1 - (self.fan_window - 1) - (self.kernel - 1)

    @property
    def windows(self) -> list[int]:
        """Size each attention layer's window, the step itself included."""
        base, more = divmod(self.attention_reach, self.layers)
        return [1 + base + (layer < more) for layer in range(self.layers)]
