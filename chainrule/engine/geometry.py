"""Where the windows of a convolution lie."""

from __future__ import annotations

from chainrule.records import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Where the windows of a correlation lie.

    Position (i, j) of the result meets, at element (u, v) of the kernel, the pixel
    ((i · stride + u · dilation − low) / up, …), if that is a whole number and inside the image.

    Attributes:
        batch: images.
        space: height and width of an image.
        channels: of a pixel.
        places: height and width of the result.
        kernel, stride, dilation, lows: along height and width; lows pixels of zeros go before.
        up: the image is taken as spread out, with up − 1 zeros between neighbours.
    """

    batch: int
    space: Pair
    channels: int
    places: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    lows: Pair = (0, 0)
    up: Pair = (1, 1)

    @property
    def rows(self) -> int:
        """Positions in all."""
        return self.batch * self.places[0] * self.places[1]

    @property
    def elements(self) -> int:
        """Of a window."""
        return self.kernel[0] * self.kernel[1] * self.channels

    @property
    def is_inside(self) -> bool:
        """Do all windows lie within the image?"""
        ends = (
            (n - 1) * s + (k - 1) * d - low < size
            for n, s, k, d, low, size in zip(
                self.places, self.stride, self.kernel, self.dilation, self.lows, self.space,
                strict=True,
            )
        )  # fmt: skip
        return self.lows == (0, 0) and self.up == (1, 1) and all(ends)


__all__ = ["Geometry", "Pair"]
