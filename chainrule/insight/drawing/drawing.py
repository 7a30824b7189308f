"""A finished drawing: shown by a notebook, saved as SVG, PNG or PDF."""

from __future__ import annotations

from pathlib import Path

from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code
from chainrule.insight.drawing.palette import DARK, LIGHT, Palette
from chainrule.insight.drawing.shapes import Scene
from chainrule.insight.drawing.svg import Theme, svg

RESOLUTION = 192.0  # dots per inch of a PNG: two for each px


class Drawing:
    """A drawing of a graph or a network.

    Attributes:
        scene: its shapes, without colours.
        theme: "light", "dark", or "auto" for the reader's own (SVG; others are light).
        frames: with ``frames=True`` a drawing of every step of the run; else empty.
        captions: what is done in each of these steps.
    """

    def __init__(
        self,
        scene: Scene,
        theme: Theme = "auto",
        frames: tuple[Drawing, ...] = (),
        captions: tuple[str, ...] = (),
    ) -> None:
        self.scene = scene
        self.theme: Theme = theme
        self.frames = frames
        self.captions = captions

    @property
    def svg(self) -> str:
        """The drawing as SVG text: one element, without links, scripts or fonts of its own."""
        return svg(self.scene, self.theme)

    def save(self, path: str | Path, *, dpi: float = RESOLUTION) -> Path:
        """Write the drawing to a file; its ending tells the kind.

        Args:
            path: of the file, which ends in .svg, .png or .pdf.
            dpi: dots per inch of a PNG, where a px of the drawing is 1/96 inch.

        Returns:
            The path.

        Raises:
            ArgumentError: another ending.
            MissingExtraError: PNG or PDF without matplotlib.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind == ".svg":
            path.write_text(self.svg, "utf-8")
        elif kind in (".png", ".pdf"):
            from chainrule.insight.drawing.painting import save_painted

            save_painted(self.scene, palette_of(self.theme), path, dpi)
        else:
            raise ArgumentError(
                "a drawing is saved as SVG, PNG or PDF",
                got=str(path),
                line=code_line(*user_code(2)),
                remedy="let the name of the file end in .svg, .png or .pdf",
            )
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        width, height = round(self.scene.width), round(self.scene.height)
        return f"<drawing of {self.scene.title}: {width} × {height} px; .save('name.svg')>"


def palette_of(theme: Theme) -> Palette:
    """The colours where no reader chooses."""
    return DARK if theme == "dark" else LIGHT
