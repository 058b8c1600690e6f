"""Compute activations and their derivatives in buffers, with the kernels that autograd would call.

Notation: z (B, H) the hidden units' inputs, h = f(z) their outputs; ``backward`` turns the
derivative of a loss by h into that by z, in place. Activations without kernels use the reference
trainer's.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sweep.enums import Activation
from sweep.trainer.model import ACTIVATIONS, Function

_Kernel = Callable[..., Tensor]

_threshold_backward: _Kernel = torch.ops.aten.threshold_backward.grad_input
_leaky_relu: _Kernel = torch.ops.aten.leaky_relu.out
_leaky_relu_backward: _Kernel = torch.ops.aten.leaky_relu_backward.grad_input
_elu: _Kernel = torch.ops.aten.elu.out
_elu_backward: _Kernel = torch.ops.aten.elu_backward.grad_input
_gelu: _Kernel = torch.ops.aten.gelu.out
_gelu_backward: _Kernel = torch.ops.aten.gelu_backward.grad_input
_silu: _Kernel = torch.ops.aten.silu.out
_silu_backward: _Kernel = torch.ops.aten.silu_backward.grad_input
_tanh_backward: _Kernel = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward: _Kernel = torch.ops.aten.sigmoid_backward.grad_input

#: torch.nn.functional's defaults, as in ``trainer.model``.
_SLOPE = 0.01
_ALPHA = 1.0


class ActivationKernels(NamedTuple):
    """An activation and its derivative."""

    #: (z, buffer) -> h, which is the buffer, or z itself.
    forward: Callable[[Tensor, Tensor], Tensor]
    #: (derivative by h, z, h) -> derivative by z, in the memory of the first.
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


def linear(z: Tensor, out: Tensor) -> Tensor:
    """Return z."""
    return z


def linear_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Return the gradient unchanged."""
    return grad


def relu(z: Tensor, out: Tensor) -> Tensor:
    """Compute max(z, 0)."""
    return torch.clamp_min(z, 0.0, out=out)


def relu_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of ReLU."""
    return _threshold_backward(grad, h, 0.0, grad_input=grad)


def leaky_relu(z: Tensor, out: Tensor) -> Tensor:
    """Compute z, or 0.01 z below 0."""
    return _leaky_relu(z, _SLOPE, out=out)


def leaky_relu_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of leaky ReLU."""
    return _leaky_relu_backward(grad, z, _SLOPE, False, grad_input=grad)


def elu(z: Tensor, out: Tensor) -> Tensor:
    """Compute z, or exp(z) - 1 below 0."""
    return _elu(z, _ALPHA, out=out)


def elu_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of ELU."""
    return _elu_backward(grad, _ALPHA, 1.0, 1.0, False, z, grad_input=grad)


def gelu(z: Tensor, out: Tensor) -> Tensor:
    """Compute z times the normal distribution function of z."""
    return _gelu(z, out=out)


def gelu_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of GELU."""
    return _gelu_backward(grad, z, grad_input=grad)


def silu(z: Tensor, out: Tensor) -> Tensor:
    """Compute z times the logistic function of z."""
    return _silu(z, out=out)


def silu_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of SiLU."""
    return _silu_backward(grad, z, grad_input=grad)


def tanh(z: Tensor, out: Tensor) -> Tensor:
    """Compute the hyperbolic tangent."""
    return torch.tanh(z, out=out)


def tanh_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of tanh."""
    return _tanh_backward(grad, h, grad_input=grad)


def sigmoid(z: Tensor, out: Tensor) -> Tensor:
    """Compute the logistic function."""
    return torch.sigmoid(z, out=out)


def sigmoid_backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Multiply the gradient by the derivative of the sigmoid."""
    return _sigmoid_backward(grad, h, grad_input=grad)


def by_autograd(function: Function) -> ActivationKernels:
    """Wrap an activation without kernels here: the reference trainer's, derived by autograd."""

    def forward(z: Tensor, out: Tensor) -> Tensor:
        return out.copy_(function(z))

    def backward(grad: Tensor, z: Tensor, h: Tensor) -> Tensor:
        with torch.enable_grad():
            inputs = z.detach().requires_grad_()
            (by_z,) = torch.autograd.grad(function(inputs), inputs, grad)
        return grad.copy_(by_z)

    return ActivationKernels(forward, backward)


KERNELS: dict[Activation, ActivationKernels] = {
    **{name: by_autograd(function) for name, function in ACTIVATIONS.items()},
    Activation.LINEAR: ActivationKernels(linear, linear_backward),
    Activation.RELU: ActivationKernels(relu, relu_backward),
    Activation.LEAKY_RELU: ActivationKernels(leaky_relu, leaky_relu_backward),
    Activation.ELU: ActivationKernels(elu, elu_backward),
    Activation.GELU: ActivationKernels(gelu, gelu_backward),
    Activation.SILU: ActivationKernels(silu, silu_backward),
    Activation.TANH: ActivationKernels(tanh, tanh_backward),
    Activation.SIGMOID: ActivationKernels(sigmoid, sigmoid_backward),
}
