from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from jensen.data import Spec
from jensen.errors import JensenError
from jensen.evaluation.onednn import OneDNNLinear
from jensen.models.latent.likelihoods.start import set_output_bias
from jensen.nets import Squashed, decoder, encoder
from jensen.nets.recurrent import RecurrentDecoder, RecurrentEncoder


@pytest.mark.parametrize("shape", [(30, 8), (7, 1), (2, 3), (12,)])
@pytest.mark.parametrize("hidden", [(5,), (6, 4), (3, 4, 5)])
@pytest.mark.parametrize("per_entry", [1, 2])
def test_shapes_and_everything_takes_part(shape: tuple[int, ...], hidden: tuple[int, ...], per_entry: int) -> None:
    spec = Spec(shape, "real")
    inward, outward = RecurrentEncoder(spec, 4, hidden), RecurrentDecoder(spec, 2, spec.num_dims * per_entry, hidden)
    x, z = torch.randn(3, *shape, requires_grad=True), torch.randn(3, 2, requires_grad=True)
    codes, outputs = inward(x), outward(z)
    assert codes.shape == (3, 4)
    assert outputs.shape == (3, spec.num_dims * per_entry)
    gradients = torch.autograd.grad((codes * torch.randn(3, 4)).sum(), [x, *inward.parameters()])
    assert (gradients[0] != 0).all(), "every step is read"
    gradients += torch.autograd.grad((outputs * torch.randn_like(outputs)).sum(), [z, *outward.parameters()])
    assert all(bool(g.isfinite().all()) and float(g.abs().max()) > 0 for g in gradients)
    assert ((outputs[0] - outputs[1]) != 0).all(), "every output depends on z"


def test_outputs_lie_in_the_order_of_the_event() -> None:
    spec, per_entry = Spec((6, 3), "real"), 2
    net = RecurrentDecoder(spec, 2, spec.num_dims * per_entry, (5,))
    z = torch.randn(4, 2)

    def outputs() -> Tensor:
        return net(z).detach().unflatten(-1, (6, 3, per_entry))

    before = outputs()
    with torch.no_grad():
        net.output.weight[2 * per_entry + 1] = 0
    changed = (outputs() != before).any(0)
    assert changed[:, 2, 1].all()
    assert changed.sum() == 6
    # Time runs along the first axis of the event: a shorter series is the beginning of a longer one.
    shorter = RecurrentDecoder(Spec((2, 3), "real"), 2, 2 * 3 * per_entry, (5,))
    shorter.load_state_dict(net.state_dict())
    torch.testing.assert_close(shorter(z).unflatten(-1, (2, 3, per_entry)), outputs()[:, :2])


def test_outputs_start_at_the_mean_over_time() -> None:
    spec = Spec((6, 3), "real")
    net = RecurrentDecoder(spec, 2, 18, (5,))
    z, values = torch.randn(4, 2), torch.randn(18)
    before = net(z) - net.output.bias.repeat(6)
    set_output_bias(Squashed(nn.Sequential(net)), values)
    torch.testing.assert_close(net(z), before + values.view(6, 3).mean(0).repeat(6))


def test_an_example_does_not_depend_on_its_batch() -> None:
    spec = Spec((9, 2), "real")
    inward, outward = RecurrentEncoder(spec, 4, (8, 6)), RecurrentDecoder(spec, 2, 18, (8, 6))
    x, z = torch.randn(7, 9, 2), torch.randn(5, 7, 2)
    torch.testing.assert_close(inward(x)[2:3], inward(x[2:3]))
    torch.testing.assert_close(outward(z)[3, 2], outward(z[3, 2]))


def test_categories_become_indicators() -> None:
    net = RecurrentEncoder(Spec((6,), "categorical", levels=5), 2, (4,))
    assert net.layers[0].input_size == 5
    x = torch.randint(5, (3, 6))
    assert net(x).shape == (3, 2)
    assert RecurrentEncoder(Spec((6, 2), "categorical", levels=5), 2, (4,)).layers[0].input_size == 10


def test_mixed_precision_and_the_evaluations_products() -> None:
    spec = Spec((12, 4), "binary")
    net = nn.Sequential(RecurrentEncoder(spec, 4, (8, 6)), RecurrentDecoder(spec, 4, 48, (8, 6)))
    x = torch.rand(6, 12, 4).round()
    plain = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(x)
    # bfloat16 keeps 8 bits; four layers, of which gates have slopes of at most 1.
    assert (mixed.float() - plain).abs().max() < 4 * 2**-8
    gradients = torch.autograd.grad(mixed.float().square().sum(), list(net.parameters()))
    assert all(g.dtype == torch.float32 and bool(g.isfinite().all()) for g in gradients)
    with torch.no_grad(), OneDNNLinear():
        torch.testing.assert_close(net(x), plain.detach(), atol=1e-5, rtol=1e-5)


def test_layers_can_be_differentiated_in_evaluation() -> None:
    # cuDNN asks whether the layer trains.
    net = RecurrentDecoder(Spec((12, 4), "real"), 3, 48, (8, 6)).eval()
    assert not net.training
    assert all(layer.training for layer in net.layers)


@pytest.mark.parametrize(
    ("spec", "hidden", "said"),
    [
        (Spec((1, 8, 8), "unit"), (8,), "needs series .* got x of shape \\(1, 8, 8\\): choose net=convolutional"),
        (Spec((30, 8), "real"), (), "needs the units of each layer"),
        (Spec((30, 8), "real"), (8, 0), "needs the units of each layer"),
    ],
)
def test_what_does_not_suit_is_refused(spec: Spec, hidden: tuple[int, ...], said: str) -> None:
    with pytest.raises(JensenError, match=said) as error:
        encoder(spec, 2, "recurrent", hidden)
    assert "\n" not in str(error.value)
    with pytest.raises(JensenError, match=said):
        decoder(spec, 2, spec.num_dims, "recurrent", hidden)
