"""AR(p): each row of a series a linear function of the p before it and Gaussian noise, by least squares.

Sources: Yule (1927), On a method of investigating periodicities in disturbed series; for several channels (a vector
autoregression), Lütkepohl (2005), New Introduction to Multiple Time Series Analysis, sections 2.2 and 3.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.baseline.fitting import covariance_factor, needs_real


class Autoregression(nn.Module):
    """p(x) = ∏_t N(x_t; c_k + Σ_{j=1..k} A_kj x_{t-j}, Σ_k), k = min(t - 1, p), of a window x of T rows of C channels.

    A row with p rows before it is predicted by AR(p), one with fewer by the autoregression of as many lags as it has,
    AR(0) for the first: so this is the density of the whole window and not one given its first p rows, and it needs
    no stationarity. Of a stationary AR(p) process it is the exact likelihood, where the autoregressions of fewer lags
    are those that the process implies.

    Each is fitted by least squares to all windows: A_k and c_k minimise the squared residuals, and Σ_k is their
    covariance, which maximises the likelihood given the first k rows. The parameters are float64 buffers, for
    k = 0 .. P: `coefficients` (P + 1, P, C, C), of which [k, j - 1] is A_kj, `intercepts` (P + 1, C), and `factors`
    (P + 1, C, C), the Cholesky factors of Σ_k; `chosen` is p.

    Args:
        spec: what x is, windows (T, C).
        order: p; None chooses it by the held-out likelihood.
        max_order: P, the largest p that is tried.
    """

    coefficients: Tensor
    intercepts: Tensor
    factors: Tensor
    chosen: Tensor

    def __init__(self, spec: Spec, *, order: int | None, max_order: int) -> None:
        super().__init__()
        self.spec, self.order = spec, order
        rows, channels = spec.event_shape
        most = order if order is not None else min(max_order, rows - 1)
        eye = torch.eye(channels, dtype=torch.float64)
        self.register_buffer("coefficients", eye.new_zeros(most + 1, most, channels, channels))
        self.register_buffer("intercepts", eye.new_zeros(most + 1, channels))
        self.register_buffer("factors", eye.repeat(most + 1, 1, 1))
        self.register_buffer("chosen", torch.tensor(most))

    def conditionals(self, x: Float[Tensor, "batch time channels"]) -> MultivariateNormal:
        """p(x_t | the rows before it) for every t, batch_shape (B, T), event_shape (C,)."""
        windows, order = x.double(), int(self.chosen)
        lags = [min(t, order) for t in range(windows.shape[1])]
        start = [self._predicted(windows[:, : t + 1], t) for t in range(min(order, len(lags)))]
        means = torch.cat([*start, self._predicted(windows, order)], 1) if len(lags) > order else torch.cat(start, 1)
        return MultivariateNormal(means, scale_tril=self.factors[lags], validate_args=False)

    def log_prob(self, x: Float[Tensor, "batch time channels"]) -> Float[Tensor, "batch"]:
        """log p(x) of whole windows in nats, (B, T, C) -> (B,), in float64."""
        return self.conditionals(x).log_prob(x.double()).sum(1)

    def forecast(self, given: Float[Tensor, "time channels"], steps: int) -> MultivariateNormal:
        """p(the next `steps` rows | the rows given, of which the last p matter): event_shape (steps C,), row by row.

        x_t = m_t + F_t e with e standard normal: the mean m and the factor F of each row follow from those before it.

        Raises:
            JensenError: where steps is below 1.
        """
        if steps < 1:
            raise JensenError(f"a forecast needs a step or more, got steps={steps}")
        channels = self.intercepts.shape[1]
        means = list(given.double())
        noise = self.factors.new_zeros(channels, steps * channels)
        factors = [noise] * len(means)
        for step in range(steps):
            k = min(len(means), int(self.chosen))
            matrices = self.coefficients[k, :k]
            mean, factor = self.intercepts[k].clone(), noise.clone()
            factor[:, step * channels : (step + 1) * channels] = self.factors[k]
            for j in range(k):
                mean += matrices[j] @ means[-1 - j]
                factor += matrices[j] @ factors[-1 - j]
            means.append(mean)
            factors.append(factor)
        return MultivariateNormal(
            torch.cat(means[len(given) :]), scale_tril=torch.cat(factors[len(given) :]), validate_args=False
        )

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples time channels"]:
        """Windows from their first row on: (N, T, C), in the default floating point type."""
        rows, channels = self.spec.event_shape
        law = self.forecast(self.intercepts.new_empty(0, channels), rows)
        return law.sample(torch.Size([num_samples])).to(torch.get_default_dtype()).view(num_samples, rows, channels)

    @torch.no_grad()
    def fit_to(
        self, x: Float[Tensor, "batch time channels"], validation: Float[Tensor, "_ time channels"]
    ) -> dict[str, Tensor]:
        """Least squares for every number of lags; p is the one under which the validation windows are likeliest.

        Raises:
            JensenError: too few rows for so many coefficients, no validation windows to choose p by, or residuals of
                a singular covariance.
        """
        most, channels = self.coefficients.shape[1], self.intercepts.shape[1]
        if self.order is None and not len(validation):
            raise JensenError("ar chooses its order by held-out likelihood, and no rows are held out: set order=2, say")
        # Windows overlap, a row after each other: so many different rows are there.
        rows = len(x) + x.shape[1] - 1
        if rows - most <= most * channels + 1 + channels:
            raise JensenError(
                f"{most} lags of {channels} channels need more than {most * channels + 1 + channels + most} rows of "
                f"training data, got {rows}: set max_order or order lower"
            )
        windows = x.double()
        for k in range(most + 1):
            self._least_squares(windows, k)
        if self.order is None:
            held_out = []
            for order in range(most + 1):
                self.chosen.fill_(order)
                held_out.append(self.log_prob(validation).mean())
            self.chosen.copy_(torch.stack(held_out).argmax())
        return {"log_prob": self.log_prob(x).mean()}

    def _least_squares(self, windows: Tensor, k: int) -> None:
        """c_k, A_k and Σ_k."""
        rows, channels = windows.shape[1:]
        past = [windows[:, k - j : rows - j] for j in range(1, k + 1)]
        design = torch.cat([torch.ones_like(windows[:, k:, :1]), *past], -1).flatten(0, 1)
        now = windows[:, k:].flatten(0, 1)
        # By the singular values, so that a channel that is a function of others has some coefficients and not none.
        solution = torch.linalg.lstsq(design, now, driver="gelsd" if design.device.type == "cpu" else None).solution
        residuals = now - design @ solution
        self.intercepts[k] = solution[0]
        if k:
            self.coefficients[k, :k] = solution[1:].view(k, channels, channels).mT
        self.factors[k] = covariance_factor(residuals.T @ residuals / len(residuals), self.spec)

    def _predicted(self, windows: Tensor, k: int) -> Tensor:
        """c_k + Σ_j A_kj x_{t-j} of each row t that has k before it, (B, T - k, C)."""
        rows = windows.shape[1]
        mean = self.intercepts[k].expand(len(windows), rows - k, -1)
        for j in range(1, k + 1):
            mean = mean + windows[:, k - j : rows - j] @ self.coefficients[k, j - 1].T
        return mean


def build(spec: Spec, *, order: int | None = None, max_order: int = 10) -> Autoregression:
    """A linear autoregression of windows of a series.

    Args:
        spec: what x is.
        order: the number p of rows that each is predicted from; none chooses it by the validation data's likelihood.
        max_order: the largest p that is tried, at most one less than the rows of a window.

    Raises:
        JensenError: where x is no window of real rows, or an order is out of range.

    >>> model = build(Spec((5, 1), "real"), order=2)
    >>> model.log_prob(torch.zeros(1, 5, 1))
    tensor([-4.5947], dtype=torch.float64)
    """
    needs_real("ar", spec, "a model of discrete x, such as made")
    if len(spec.event_shape) != 2:
        raise JensenError(f"ar needs windows of a series, got x of shape {spec.event_shape}: set window=10, say")
    for name, value, least in (("order", order, 0), ("max_order", max_order, 1)):
        if value is not None and value < least:
            raise JensenError(f"{name} must be at least {least}, got {value}")
    if order is not None and order >= spec.event_shape[0]:
        raise JensenError(
            f"order={order} needs windows of more than {order} rows, got {spec.event_shape[0]}: set window higher"
        )
    return Autoregression(spec, order=order, max_order=max_order)
