from __future__ import annotations

import torch
from sklearn.linear_model import LogisticRegression

from jensen.data.spec import Spec
from jensen.models.autoregressive.fvsbn import build


def test_at_its_optimum_it_is_a_logistic_regression_of_each_bit() -> None:
    dims = 4
    x = (torch.rand(400, dims) < 0.5).double()
    x[:, 2] = torch.where(torch.rand(400) < 0.8, x[:, 0], x[:, 1])
    model = build(Spec((dims,), "binary", levels=2), ordering="3,1,0,2").double()
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = -model.log_prob(x).mean()
        value.backward()
        return value

    optimiser.step(loss)
    found = model.conditionals(x).probs
    for place, i in enumerate([3, 1, 0, 2]):
        before = x[:, [3, 1, 0][:place]].numpy()
        if place == 0:
            torch.testing.assert_close(found[:, i], x[:, i].mean().expand(400), rtol=1e-5, atol=1e-6)
            continue
        fitted = LogisticRegression(C=1e8, tol=1e-8, max_iter=1000).fit(before, x[:, i].numpy())
        expected = torch.from_numpy(fitted.predict_proba(before)[:, 1])
        torch.testing.assert_close(found[:, i], expected, rtol=1e-4, atol=1e-5)


def test_it_starts_without_weights() -> None:
    assert build(Spec((6,), "binary", levels=2)).weight.weight.eq(0).all()
