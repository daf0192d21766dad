"""LSTM layers (Hochreiter and Schmidhuber, 1997), the arithmetic of torch.nn.LSTM, for very many inputs at batch 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LstmState = tuple[Tensor, Tensor]  # hidden and cell state, each (layers, B, H)


class Lstm(nn.Module):
    """Stacked LSTM layers over (B, T, F).

    Written out because on a CPU torch.nn.LSTM packs its weights again in every call: for ATVIO's ten
    thousand inputs that was more than half the time of a frame, six times the product itself.
    """

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.ModuleList(nn.Linear(hidden if i else inputs, 4 * hidden) for i in range(layers))
        self.from_memory = nn.ModuleList(nn.Linear(hidden, 4 * hidden, bias=False) for _ in range(layers))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Unit-variance gates whatever the number of inputs (PyTorch's own bound would saturate them all here)."""
        for from_input, from_memory in self._layers():
            nn.init.uniform_(
                from_input.weight, -((3.0 / from_input.in_features) ** 0.5), (3.0 / from_input.in_features) ** 0.5
            )
            nn.init.zeros_(from_input.bias)
            nn.init.ones_(from_input.bias[self.hidden : 2 * self.hidden])  # remember at first (Gers et al., 2000)
            if not from_memory.weight.is_meta:  # on meta tensors, which only have a shape, this imports for seconds
                nn.init.orthogonal_(from_memory.weight)

    def forward(self, inputs: Tensor, state: LstmState | None = None) -> tuple[Tensor, LstmState]:
        """Inputs (B, T, F) and the state that a call before returned -> memory (B, T, H), state."""
        layers, (B, T) = self._layers(), inputs.shape[:2]
        if state is None:
            zeros = inputs.new_zeros(len(layers), B, self.hidden)
            state = (zeros, zeros)
        memory, last_hidden, last_cell = inputs, [], []
        for (from_input, from_memory), hidden, cell in zip(layers, *state, strict=True):
            gates = from_input(memory)  # (B, T, 4 H), all steps in one product
            outputs = []
            for t in range(T):
                i, f, g, o = (gates[:, t] + from_memory(hidden)).chunk(4, dim=-1)  # 4 x (B, H)
                cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
                hidden = o.sigmoid() * cell.tanh()
                outputs.append(hidden)
            memory = torch.stack(outputs, dim=1)  # (B, T, H)
            last_hidden.append(hidden)
            last_cell.append(cell)
        return memory, (torch.stack(last_hidden), torch.stack(last_cell))

    def _layers(self) -> list[tuple[nn.Linear, nn.Linear]]:
        return list(zip(self.from_input, self.from_memory, strict=True))  # type: ignore[arg-type]
