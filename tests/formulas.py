"""The formulas of five posts on the gradients of networks, put right where they are misprinted, in NumPy.

    000  "Gradients for Neural Nets": sigmoid nets without bias, half squared error
    001  "Gradients and You - Backpropagation and Neural Nets": ReLU, softmax, log loss, L2 penalty
    002  "Computing Neural Network Gradients": affine layer, ReLU, convolution with stride
    003  "Gradient for Neural Network": BP1-BP4, for a batch BP1b-BP4b, softmax with cross-entropy
    004  "Understanding gradient descent and Backpropagation": the error of a neuron and the four equations

An example is a row in 000 and 001, a column in 002 and 003, a vector in 004. A weight has the neuron it comes from as its
first index in 000, 001 and 003, the one that it goes to in 002 and 004. Nothing here uses the engine.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(z)))


def sigmoid_slope(z: Any) -> Any:
    return sigmoid(z) * (1 - sigmoid(z))


def tanh_slope(z: Any) -> Any:
    return 1 / np.cosh(z) ** 2


# ---- 000: sigmoid nets without bias, L = sum of (y - yhat)^2 / 2 ---------------------------------------------------


def prediction(X: Array, W: Array) -> Array:
    """000 eq. 0 and 11: yhat = sigma(X.W)."""
    return sigmoid(X @ W)


def slope_of_prediction(yhat: Array, X: Array) -> Array:
    """000 eq. 3 and 14-16, one example: d yhat/d w_i = yhat (1 - yhat) x_i."""
    return yhat * (1 - yhat) * X.T


def delta_1(yhat: Array, y: Array) -> Array:
    """000 eq. 5: (yhat - y) * yhat * (1 - yhat), an entry per example."""
    return (yhat - y) * yhat * (1 - yhat)


def one_layer(X: Array, W: Array, y: Array) -> Array:
    """000 eq. 4, 6 and the last formula, for many inputs too (its empty section): dL/dW = X^T . delta_1."""
    return X.T @ delta_1(prediction(X, W), y)


def one_layer_by_component(x: Array, yhat: float, y: float) -> Array:
    """000, the last formula ("in general"): dL/dw_i = (yhat - y) yhat (1 - yhat) x_i."""
    return np.array([(yhat - y) * yhat * (1 - yhat) * x_i for x_i in x])


class TwoLayers(NamedTuple):
    delta_1: Array
    delta_2: Array
    dW1: Array
    dW2: Array


def two_layers(X: Array, W1: Array, W2: Array, y: Array) -> TwoLayers:
    """000's last two sections, left empty there, for one input or many: the delta goes back through W2 and h (1 - h)."""
    h = sigmoid(X @ W1)
    delta_2 = delta_1(sigmoid(h @ W2), y)
    delta = delta_2 @ W2.T * h * (1 - h)
    return TwoLayers(delta, delta_2, X.T @ delta, h.T @ delta_2)


# ---- 001: two layers, ReLU, softmax, log loss, L2 on weights and biases --------------------------------------------


class ReluSoftmaxNet(NamedTuple):
    f: Array  # i x l, weighted features
    h: Array  # i x l, hidden
    s: Array  # i x j, scores
    p: Array  # i x j, softmax(s)
    loss: float
    ds: Array
    dh: Array
    df: Array
    dW1: Array
    db1: Array
    dW2: Array
    db2: Array


def log_loss(s: Array, y: Any) -> Array:
    """001's L_i = -log softmax(s_i)_{y_i}, as logsumexp(s_i) - s_{i y_i}, which does not overflow."""
    highest = s.max(axis=1)
    return highest + np.log(np.exp(s - highest[:, None]).sum(axis=1)) - s[np.arange(len(s)), y]


def relu_softmax_net(X: Array, y: Any, W1: Array, b1: Array, W2: Array, b2: Array, strength: float) -> ReluSoftmaxNet:
    """001's forward pass and the seven gradients of its backward pass.

    L = (1/N) sum_i L_i + lambda (sum of W1^2, W2^2, b1^2, b2^2); dL/ds_ij = (softmax(s_i)_j - [j = y_i]) / N.
    """
    f = X @ W1 + b1
    h = np.maximum(0, f)
    s = h @ W2 + b2
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = log_loss(s, y).mean() + strength * sum((w**2).sum() for w in (W1, b1, W2, b2))
    ds = (p - (np.arange(s.shape[1]) == np.asarray(y)[:, None])) / len(X)
    dh = ds @ W2.T
    df = dh * (f > 0)
    return ReluSoftmaxNet(
        *(f, h, s, p, loss, ds, dh, df),
        dW1=X.T @ df + 2 * strength * W1,
        db1=df.sum(axis=0) + 2 * strength * b1,
        dW2=h.T @ ds + 2 * strength * W2,
        db2=ds.sum(axis=0) + 2 * strength * b2,
    )


# ---- 002: affine, ReLU, convolution --------------------------------------------------------------------------------


def affine(W: Array, X: Array, b: Array) -> Array:
    """002: Y = W X + b, Y_ij = sum_l W_il X_lj + b_i; an example is a column."""
    return W @ X + b[:, None]


def affine_by_weight(W: Array, X: Array) -> Array:
    """002: dY_ij/dW_pq = delta_ip X_qj, with indices i, j, p, q."""
    return np.einsum("ip,qj->ijpq", np.eye(len(W)), X)


def affine_by_bias(W: Array, X: Array) -> Array:
    """002: dY_ij/db_p = delta_ip, with indices i, j, p."""
    return np.einsum("ip,j->ijp", np.eye(len(W)), np.ones(X.shape[1]))


def affine_by_input(W: Array, X: Array) -> Array:
    """002: dY_ij/dX_pq = W_ip delta_jq, with indices i, j, p, q."""
    return np.einsum("ip,jq->ijpq", W, np.eye(X.shape[1]))


def affine_gradients(W: Array, X: Array, dY: Array) -> tuple[Array, Array, Array]:
    """002: dE/dW = dE/dY X^T, dE/db = the sum of dE/dY over the examples, dE/dX = W^T dE/dY; dE/dY is d_o x n."""
    return dY @ X.T, dY.sum(axis=1), W.T @ dY


def relu_gradient(X: Array, dY: Array) -> Array:
    """002: dE/dX = dE/dY o [x_ij > 0]."""
    return dY * (X > 0)


def output_size(n: int, kernel: int, stride: int, padding: int = 0) -> int:
    """002: floor((n - k) / s) + 1, where n counts the padding on both sides."""
    return (n + 2 * padding - kernel) // stride + 1


def padded(X: Array, padding: tuple[int, int]) -> Array:
    return np.pad(X, ((0, 0), (0, 0), *((p, p) for p in padding)))


def convolution(X: Array, W: Array, b: Array, stride: tuple[int, int]) -> Array:
    """002: Y_{n,o,h,w} = sum_{c,i,j} W_{o,c,i,j} X_{n,c,h s+i,w s+j} + b_o (a cross-correlation). The post has one o.

    X is padded already: the post's way of having no border cases.
    """
    (s, t), (rows, columns) = stride, W.shape[2:]
    height, width = output_size(X.shape[2], rows, s), output_size(X.shape[3], columns, t)
    Y = np.empty((len(X), len(W), height, width))
    for h, w in np.ndindex(height, width):
        window = X[:, :, h * s : h * s + rows, w * t : w * t + columns]
        Y[:, :, h, w] = np.einsum("ocij,ncij->no", W, window) + b
    return Y


def convolution_by_input(X: Array, W: Array, stride: tuple[int, int], h: int, w: int) -> Array:
    """002: dY_{n,h,w}/dX_{n,c,i,j} = W_{c, i - h s, j - w s} where that is inside the kernel, else 0; one n, one o."""
    slope = np.zeros(X.shape)
    for c, i, j in np.ndindex(X.shape):
        at = (i - h * stride[0], j - w * stride[1])
        if all(0 <= a < size for a, size in zip(at, W.shape[1:], strict=True)):
            slope[c, i, j] = W[(c, *at)]
    return slope


def convolution_by_weight(X: Array, W: Array, stride: tuple[int, int], h: int, w: int) -> Array:
    """002: dY_{n,h,w}/dW_{c,i,j} = X_{n, c, h s + i, w s + j}; one n, one o."""
    (s, t), (rows, columns) = stride, W.shape[1:]
    return X[:, h * s : h * s + rows, w * t : w * t + columns]


def convolution_gradients(X: Array, W: Array, dY: Array, stride: tuple[int, int]) -> tuple[Array, Array, Array]:
    """002: dE/dX, dE/dW and dE/db of a convolution, for padded X.

    dE/dX_{n,c,i,j} = sum_{o,h,w} dE/dY_{n,o,h,w} W_{o, c, i - h s, j - w s}, dE/dW_{o,c,i,j} = sum_{n,p,q} dE/dY_{n,o,p,q}
    X_{n, c, p s + i, q s + j}, dE/db_o = sum_{n,h,w} dE/dY_{n,o,h,w}.
    """
    dX, dW = np.zeros(X.shape), np.zeros(W.shape)
    for n, o, h, w in np.ndindex(dY.shape):
        dX[n] += dY[n, o, h, w] * convolution_by_input(X[n], W[o], stride, h, w)
        dW[o] += dY[n, o, h, w] * convolution_by_weight(X[n], W[o], stride, h, w)
    return dX, dW, dY.sum(axis=(0, 2, 3))


# ---- 003: BP1 to BP4, an example or a batch of them in columns -----------------------------------------------------


def bp1(nabla_a: Array, slope: Array) -> Array:
    """003 BP1, BP1b: delta^L = nabla_a C o sigma'(z^L)."""
    return nabla_a * slope


def bp1_by_matrix(nabla_a: Array, jacobian: Array) -> Array:
    """003 BP1 for an activation of all the z at once, such as softmax: delta^L = (da/dz)^T nabla_a C, one example."""
    return jacobian.T @ nabla_a


def bp2(w: Array, delta: Array, slope: Array) -> Array:
    """003 BP2, BP2b: delta^l = (w^{l+1} delta^{l+1}) o sigma'(z^l)."""
    return (w @ delta) * slope


def bp3(delta: Array) -> Array:
    """003 BP3: dC/db^l = delta^l, one example."""
    return delta


def bp4(a: Array, delta: Array) -> Array:
    """003 BP4: dC/dw^l = a^{l-1} delta^l^T, one example."""
    return np.outer(a, delta)


def bp3b(delta: Array) -> Array:
    """003 BP3b: dC/db^l = (1/m) delta^l 1, where a column of delta is that of one example's own cost."""
    return delta @ np.ones(delta.shape[1]) / delta.shape[1]


def bp4b(a: Array, delta: Array) -> Array:
    """003 BP4b: dC/dw^l = (1/m) a^{l-1} delta^l^T."""
    return a @ delta.T / delta.shape[1]


def softmax(z: Array) -> Array:
    """003: a_i = exp(z_i) / sum_j exp(z_j), down each column."""
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def softmax_jacobian(a: Array) -> Array:
    """003: da_i/dz_j = a_i (I_ij - a_j), one example."""
    return a[:, None] * (np.eye(len(a)) - a)


def cross_entropy_slope(a: Array, t: Array) -> Array:
    """003: dC/da_j = -t_j / a_j of C = -sum_j t_j log a_j."""
    return -t / a


def softmax_delta(a: Array, t: Array) -> Array:
    """003: delta^L = a sum(t) - t for softmax with cross-entropy; a - t where sum(t) = 1."""
    return a * t.sum(axis=0) - t


# ---- 004: the error e of a neuron, index by index ------------------------------------------------------------------


def quadratic_cost(a: Array, y: Array) -> float:
    """004: c_x = (1/2) sum_j (y_j - a_j)^2."""
    return 0.5 * float(((y - a) ** 2).sum())


def output_error(a: Array, y: Array, slope: Array) -> Array:
    """004 eq. 1: e_j^[L] = dc/da_j^[L] g'(z_j^[L]), with dc/da_j = a_j - y_j."""
    return np.array([(a[j] - y[j]) * slope[j] for j in range(len(a))])


def earlier_error(w: Array, e: Array, slope: Array) -> Array:
    """004 eq. 2: e_j^[l] = sum_k w_kj^[l+1] e_k^[l+1] g'(z_j^[l])."""
    return np.array([sum(w[k, j] * e[k] for k in range(len(e))) * slope[j] for j in range(len(slope))])


def bias_slope(e: Array) -> Array:
    """004 eq. 3: dc/db_j^[l] = e_j^[l]."""
    return e


def weight_slope(a: Array, e: Array) -> Array:
    """004 eq. 4: dc/dw_jk^[l] = a_k^[l-1] e_j^[l]."""
    return np.array([[a_k * e_j for a_k in a] for e_j in e])


def last_weight_slope(a: Array, t: Array, slope: Array, before: Array) -> Array:
    """004, the formula that stands apart: dE/dw_jk = (a_j - t_j) g'(z_j) a_k^[L-1], last layer only."""
    return np.array([[(a[j] - t[j]) * slope[j] * a_k for a_k in before] for j in range(len(a))])
