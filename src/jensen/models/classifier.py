"""A classifier, p(y | x): no generative model, but the judge of the samples of those."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Batch, Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn
from jensen.models.labelled import cross_entropy, labelled_part
from jensen.nets import Activation, encoder, scale_weights
from jensen.nets import activation as nonlinearity


class Classifier(nn.Module):
    """p(y | x), categorical over the classes 0..C-1: softmax(W f(x) + b), with features f(x) from a network.

    Args:
        net: f, (B, *event) -> (B, F).
        num_features: F.
        num_classes: C.
        dropout: the share of features that training sets to 0.
    """

    def __init__(self, net: nn.Module, num_features: int, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.net = net
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_features, num_classes)

    def features(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch features"]:
        """f(x), the last hidden layer, (B, F): the space in which samples are compared with data."""
        return full_precision(self.net(x))

    def classify(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch classes"]:
        """log p(y | x) of every class y, (B, C), nats."""
        return full_precision(self.output(self.dropout(self.net(x)))).log_softmax(-1)

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One player descends the cross-entropy -E log p(y | x), nats; `accuracy` is the share of y = argmax.

        Where some examples have no label, those that have one are all there is to learn from.
        """
        x, y = labelled_part(batch)
        loss, accuracy = cross_entropy(self.classify(x), y)
        yield Turn("model", loss, list(self.parameters()), {"accuracy": accuracy})


def build(
    spec: Spec,
    *,
    net: Literal["dense", "convolutional", "recurrent"] = "dense",
    hidden: tuple[int, ...] = (256,),
    num_features: int = 128,
    activation: Activation = "relu",
    dropout: float = 0.0,
    init_gain: float = 1.0,
) -> Classifier:
    """A classifier of data with labels.

    Args:
        spec: of the data; `num_classes` says how many classes there are.
        net: "dense" for anything, "convolutional" for images, "recurrent" for series.
        hidden: widths of dense layers, channels of convolutional stages, or units of recurrent layers.
        num_features: F, the width of the last hidden layer.
        activation: between the layers.
        dropout: the share of the last hidden layer that training sets to 0, below 1.
        init_gain: the initial weights are torch's own times this; 2.4 keeps the size of what passes a layer of relu,
            without which what is small in an image is lost in a deep network.

    Raises:
        JensenError: data without labels, or of a single class.
    """
    if spec.num_classes is None:
        raise JensenError(
            "a classifier needs labels, the data have none: give labels=, target=COLUMN of a table, or images in "
            "sub-folders"
        )
    if spec.num_classes < 2:
        raise JensenError("a classifier needs at least 2 classes, the data have 1: give data of several classes")
    if num_features < 1:
        raise JensenError(f"num_features must be at least 1, got {num_features}")
    if not 0 <= dropout < 1:
        raise JensenError(f"dropout is a share in [0, 1), got {dropout:g}")
    body = nn.Sequential(encoder(spec, num_features, net, hidden, activation), nonlinearity(activation))
    model = Classifier(body, num_features, spec.num_classes, dropout)
    scale_weights(model, init_gain)
    return model
