"""A torch.optim.Optimizer out of a discovered `update`, for modules of your own.

    from torch_optimizer import DiscoveredOptimizer

    optimizer = DiscoveredOptimizer(module.parameters(), update, total_steps=1000, lr=1.0)
    loss.backward()
    optimizer.step()

`lr` multiplies the rule's own learning rate and can be moved by any scheduler of torch. The rule
computes in numpy on the CPU: right for small nets and for finding out whether it carries over; port
its few lines to torch where speed counts. Needs torch and numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

Update = Callable[..., Any]


class DiscoveredOptimizer(torch.optim.Optimizer):
    """Applies `update(g, state, t, T, p) -> delta` to every parameter.

    total_steps: what the rule is told as T; steps beyond it are told as the last one. lr: multiplier of
    delta. Tensors with more than two axes are shown to the rule as matrices, all axes but the first
    as one; matrices of torch are (out, in) and are shown as (in, out), as the rule knows them.
    Raises: ValueError for a rate or a number of steps that is not positive.
    """

    def __init__(
        self, params: Iterable[Any], update: Update, total_steps: int, lr: float = 1.0
    ) -> None:
        if lr <= 0 or total_steps < 1:
            raise ValueError(f"lr = {lr} and total_steps = {total_steps} must be positive")
        super().__init__(params, {"lr": lr, "total_steps": total_steps})
        self._update = update

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; gradients that are None are passed over."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["total_steps"])
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Give what to save: what the rule remembers is tensors there, as `torch.load` expects."""
        found = super().state_dict()
        state = {number: _packed(kept) for number, kept in found["state"].items()}
        return {**found, "state": state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state_dict)
        parameters = (each for group in self.param_groups for each in group["params"])
        # Torch casts what it loads to the parameters' type; the rule may have counted in another.
        for number, parameter in enumerate(parameters):
            kept = state_dict["state"].get(number, {})
            if "memory" in kept:
                self.state[parameter]["memory"] = _unpacked(kept["memory"])

    def __getstate__(self) -> dict[str, Any]:
        """Give what a copy is made of."""
        return {**super().__getstate__(), "_update": self._update}

    def _move(self, parameter: torch.Tensor, lr: float, total_steps: int) -> None:
        kept = self.state[parameter]
        kept["step"] = t = kept.get("step", 0) + 1
        memory = kept.setdefault("memory", {})
        gradient, weights = _shown(parameter.grad), _shown(parameter)
        delta = np.asarray(
            self._update(gradient, memory, min(t, total_steps), total_steps, weights)
        )
        if delta.shape != weights.shape:
            raise ValueError(f"the rule gave shape {delta.shape} for a tensor {weights.shape}")
        back = np.ascontiguousarray(delta.T).reshape(parameter.shape)
        parameter.sub_(torch.as_tensor(back).to(parameter), alpha=lr)


def _packed(memory: Any) -> Any:
    """Give what a rule remembers with a tensor in place of every array."""
    if isinstance(memory, dict):
        return {key: _packed(value) for key, value in memory.items()}
    if isinstance(memory, list | tuple):
        return type(memory)(map(_packed, memory))
    if isinstance(memory, np.ndarray | np.generic):
        return torch.from_numpy(np.array(memory))
    return memory


def _unpacked(memory: Any) -> Any:
    """Give what `_packed` was given; an array of no axes comes back as a number."""
    if isinstance(memory, dict):
        return {key: _unpacked(value) for key, value in memory.items()}
    if isinstance(memory, list | tuple):
        return type(memory)(map(_unpacked, memory))
    if isinstance(memory, torch.Tensor):
        array = memory.detach().cpu().numpy().copy(order="K")  # products round by it
        return array if array.ndim else array[()]
    return memory


def _shown(tensor: torch.Tensor | None) -> np.ndarray:
    """Give a tensor as the rule knows them: (n,), or (in, out)."""
    assert tensor is not None
    array = tensor.detach().to("cpu", torch.float32).numpy()
    if array.ndim == 0:
        return np.array(array.reshape(1))
    return np.array(array if array.ndim == 1 else array.reshape(array.shape[0], -1).T)
