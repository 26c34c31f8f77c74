"""The residual network for small images of He et al. (2016), section 4.2, with its width and depth as parameters."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from fluctlab.errors import UsageError

__all__ = ["BasicBlock", "ResNet"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to their own input.

    Where the shape changes the shortcut takes every second pixel and pads the new channels with zeros (option A of the
    paper), so it adds no parameters.

    Parameters
    ----------
    channels_in, channels_out : int
        Number of channels before and after the block.
    stride : int
        Step of the first convolution: 2 halves height and width.
    batchnorm_momentum : float
        Weight of the newest batch in the running statistics (PyTorch's convention; Keras' momentum is one minus this).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, batchnorm_momentum: float) -> None:
        super().__init__()
        self.convolution1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out, momentum=batchnorm_momentum)
        self.convolution2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out, momentum=batchnorm_momentum)
        self.stride = stride
        self.new_channels = channels_out - channels_in

    def forward(self, images: Tensor) -> Tensor:
        """Map images of shape (n, channels_in, h, w) to (n, channels_out, h / stride, w / stride)."""
        residual = functional.relu(self.norm1(self.convolution1(images)))
        residual = self.norm2(self.convolution2(residual))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        return functional.relu(residual + shortcut)


#: Blocks of each stage of the networks that have four.
_FOUR_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class ResNet(nn.Module):
    """ResNet for small images: one convolution, stages of basic blocks, global average, one linear layer.

    Parameters
    ----------
    depth : int
        Number of weighted layers, ``6 * blocks + 2``: 8, 14, 20, 32, …; 18 and 34 are the networks of four stages of the
        paper's section 4.1, with the first convolution of the small ones.
    width : int
        Channels of the first stage (16 in the paper, 64 with four stages); each stage has twice those of the one before.
    channels : int
        Channels of the images.
    classes : int
        Number of classes.
    batchnorm_momentum : float
        Weight of the newest batch in the running statistics.
    dropout : float
        Share of the features set to zero before the last layer, in training.

    Raises
    ------
    UsageError
        If no such network exists: another depth, or a width below one.

    References
    ----------
    He, Zhang, Ren, Sun (2016): Deep residual learning for image recognition, CVPR, section 4.2 (arXiv:1512.03385).

    Examples
    --------
    >>> import torch
    >>> ResNet(depth=8, width=8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        depth: int = 8,
        width: int = 16,
        channels: int = 1,
        classes: int = 10,
        batchnorm_momentum: float = 0.1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if depth not in _FOUR_STAGES and (depth < 8 or (depth - 2) % 6):
            raise UsageError(
                f"A ResNet of basic blocks has 8, 14, 20, ... layers, or 18 or 34 (others have bottleneck blocks), not {depth}."
            )
        if width < 1:
            raise UsageError(f"The first stage needs at least one channel, not {width}.")
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width, momentum=batchnorm_momentum)
        stages = _FOUR_STAGES.get(depth, (((depth - 2) // 6),) * 3)
        widths = [width * 2**stage for stage, blocks in enumerate(stages) for _ in range(blocks)]
        self.blocks = nn.Sequential(
            *(
                BasicBlock(before, after, 1 + (after != before), batchnorm_momentum)
                for before, after in zip([width, *widths], widths, strict=False)
            )
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map images of shape (n, channels, h, w) to logits of shape (n, classes)."""
        features = self.blocks(functional.relu(self.norm(self.stem(images))))
        logits: Tensor = self.classifier(self.dropout(features.mean(dim=(2, 3))))
        return logits
