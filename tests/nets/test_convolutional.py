from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from jensen.data import Spec
from jensen.errors import JensenError
from jensen.evaluation.onednn import OneDNNLinear
from jensen.nets import decoder, encoder
from jensen.nets.convolutional import ConvolutionalDecoder, ConvolutionalEncoder, halved

# (channels, height, width) and the deepest net that each allows.
SIZES = [
    ((1, 28, 28), 5),
    ((1, 28, 20), 5),
    ((3, 5, 7), 3),
    ((2, 1, 9), 4),
    ((4, 7, 1), 3),
    ((1, 2, 2), 1),
    ((5, 17, 31), 5),
    ((3, 32, 32), 5),
]
ALL = [(shape, depth) for shape, deepest in SIZES for depth in range(1, deepest + 1)]


def grey(shape: tuple[int, ...]) -> Spec:
    return Spec(shape, "unit")


@pytest.mark.parametrize(("shape", "depth"), ALL)
@pytest.mark.parametrize(("per_entry", "dense"), [(1, ()), (3, ()), (1, (7, 6))])
def test_sizes_mirror_and_everything_takes_part(
    shape: tuple[int, int, int], depth: int, per_entry: int, dense: tuple[int, ...]
) -> None:
    spec, hidden = grey(shape), tuple(range(3, 3 + depth))
    inward, outward = (
        ConvolutionalEncoder(spec, 4, hidden, dense=dense),
        ConvolutionalDecoder(spec, 2, spec.num_dims * per_entry, hidden, dense=dense),
    )
    x, z = torch.rand(3, *shape, requires_grad=True), torch.randn(3, 2, requires_grad=True)
    codes, outputs = inward(x), outward(z)
    assert codes.shape == (3, 4)
    assert outputs.shape == (3, spec.num_dims * per_entry)
    # Random weights, so that no sum of gradients is 0 by chance.
    gradients = torch.autograd.grad((codes * torch.randn(3, 4)).sum(), [x, *inward.parameters()])
    assert (gradients[0] != 0).all(), "every pixel is read"
    gradients += torch.autograd.grad((outputs * torch.randn_like(outputs)).sum(), [z, *outward.parameters()])
    assert all(bool(g.isfinite().all()) and float(g.abs().max()) > 0 for g in gradients)
    apart = (outputs[0] - outputs[1]).detach()
    assert (apart != 0).all(), "every output depends on z"


@pytest.mark.parametrize("shape", [(1, 28, 20), (3, 5, 7)])
def test_outputs_lie_in_the_order_of_the_event(shape: tuple[int, int, int]) -> None:
    spec, per_entry = grey(shape), 2
    net = ConvolutionalDecoder(spec, 2, spec.num_dims * per_entry, (4, 5))
    z = torch.randn(6, 2)

    def outputs() -> Tensor:
        return net(z).detach().unflatten(-1, (*shape, per_entry))

    before = outputs()
    entry = (shape[0] - 1, 3, 4, 1)
    moved = torch.zeros(*shape, per_entry)
    moved[entry] = 5.0
    net.set_output_bias(moved.flatten())
    torch.testing.assert_close(outputs() - before, moved.expand(6, *moved.shape), atol=1e-5, rtol=0)
    # And of the last convolution's outputs, those of one channel and one number of the P.
    with torch.no_grad():
        net.stages[-1].weight[:, entry[0] * per_entry + 1] = 0
        net.bias.zero_()
    changed = (outputs() != before).flatten(0, 0).any(0)
    assert changed[entry[0], :, :, 1].all()
    assert changed.sum() == shape[1] * shape[2]


def test_an_example_does_not_depend_on_its_batch() -> None:
    spec = grey((3, 13, 10))
    inward, outward = ConvolutionalEncoder(spec, 4, (8, 16)), ConvolutionalDecoder(spec, 2, spec.num_dims, (8, 16))
    x, z = torch.rand(7, 3, 13, 10), torch.randn(5, 7, 2)
    torch.testing.assert_close(inward(x)[2:3], inward(x[2:3]))
    torch.testing.assert_close(outward(z)[3, 2], outward(z[3, 2]))
    assert outward(z[:0]).shape == (0, 7, spec.num_dims)


def test_dense_layers_mirror_too() -> None:
    inward = ConvolutionalEncoder(grey((1, 4, 4)), 4, (3,), dense=(7, 6))
    outward = ConvolutionalDecoder(grey((1, 4, 4)), 2, 16, (3,), dense=(7, 6))
    widths = [layer.weight.shape for layer in [*inward.dense[::2], inward.output]]
    assert widths == [(7, 12), (6, 7), (4, 6)]
    assert [layer.weight.shape for layer in [*outward.dense[::2], outward.input]] == [(6, 2), (7, 6), (12, 7)]


@pytest.mark.parametrize(
    ("net", "dense", "said"),
    [
        ("dense", (8,), "dense=8 are layers between convolutional stages and z, and net=dense has no such stages"),
        ("convolutional", (8, 0), "mend dense"),
    ],
)
def test_bad_dense_layers(net: Any, dense: tuple[int, ...], said: str) -> None:
    for make in (partial(encoder, grey((1, 4, 4)), 4), partial(decoder, grey((1, 4, 4)), 2, 16)):
        with pytest.raises(JensenError, match=said):
            make(net, (3,), dense=dense)


def test_shifting_an_image_shifts_what_the_stages_see() -> None:
    net = ConvolutionalEncoder(grey((1, 24, 24)), 1, (4, 4)).stages
    x = torch.zeros(1, 1, 24, 24)
    x[..., 8:12, 8:12] = torch.rand(4, 4)
    torch.testing.assert_close(net(x)[..., 1:4, 1:4], net(x.roll((4, 4), (2, 3)))[..., 2:5, 2:5])


def test_levels_become_channels() -> None:
    spec = Spec((2, 4, 3), "categorical", levels=5)
    net = ConvolutionalEncoder(spec, 1, (3,))
    assert net.stages[0].weight.shape[1] == 10
    x = torch.randint(5, (6, 2, 4, 3))
    seen = []
    net.stages[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net(x)
    for channel in range(2):
        for level in range(5):
            torch.testing.assert_close(seen[0][:, channel * 5 + level], (x[:, channel] == level).float())


def test_bytes_are_scaled() -> None:
    net = ConvolutionalEncoder(Spec((1, 4, 4), "8-bit", levels=256), 2, (3,))
    assert net(torch.randint(256, (5, 1, 4, 4))).isfinite().all()


def test_mixed_precision_and_the_evaluations_products() -> None:
    spec = grey((1, 28, 20))
    net = torch.nn.Sequential(ConvolutionalEncoder(spec, 4, (8, 16)), ConvolutionalDecoder(spec, 4, 560, (8, 16)))
    x = torch.rand(6, 1, 28, 20)
    plain = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(x)
    # bfloat16 keeps 8 bits; six layers.
    assert (mixed.float() - plain).abs().max() < 6 * 2**-8 * plain.abs().max()
    gradients = torch.autograd.grad(mixed.float().square().sum(), list(net.parameters()))
    assert all(g.dtype == torch.float32 and bool(g.isfinite().all()) for g in gradients)
    with torch.no_grad(), OneDNNLinear():
        torch.testing.assert_close(net(x), plain.detach(), atol=1e-5, rtol=1e-5)


def test_depth() -> None:
    assert halved(5, 7, (1, 1, 1)) == [(5, 7), (3, 4), (2, 2), (1, 1)]
    for shape, deepest in SIZES:
        with pytest.raises(JensenError, match=f"give hidden at most {deepest} entries") as error:
            encoder(grey(shape), 2, "convolutional", (8,) * (deepest + 1))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "hidden", "said"),
    [
        (Spec((12,), "real"), (8,), "needs images .* got x of shape \\(12,\\): choose net=dense"),
        (Spec((30, 8), "real"), (8,), "choose net=recurrent or net=dense"),
        (Spec((1, 1, 1), "real"), (8,), "cannot be halved: choose net=dense"),
        (Spec((1, 8, 8), "unit"), (), "needs the channels of each stage"),
        (Spec((1, 8, 8), "unit"), (8, 0), "needs the channels of each stage"),
    ],
)
def test_what_does_not_suit_is_refused(spec: Spec, hidden: tuple[int, ...], said: str) -> None:
    with pytest.raises(JensenError, match=said):
        encoder(spec, 2, "convolutional", hidden)
    with pytest.raises(JensenError, match=said):
        decoder(spec, 2, spec.num_dims, "convolutional", hidden)


def test_unequal_numbers_an_entry_are_refused() -> None:
    with pytest.raises(JensenError, match="takes 70 for 64 entries: choose net=dense"):
        decoder(grey((1, 8, 8)), 2, 70, "convolutional", (8,))
