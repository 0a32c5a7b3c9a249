"""OpenGL without a window: which face and which inverse depth each sample of an image sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.render.passes import Visibility
from simulator.render.raster import I32, NEAR_M, SAMPLE_X, SAMPLE_Y, Triangles, View
from simulator.types import F32

if TYPE_CHECKING:
    import moderngl

_EGL: dict[str, Any] = {"backend": "egl"}
_GL_VERSION = 430  # many ranges of faces in one call
_CORNER_BYTES = 36  # of a face
_KEPT_SIZES = 8  # of images
_BAND_ROWS = 8  # shaded at a time
# OpenGL rounds corners to 1/256 pixel. Tags, depth and instances come from the first sample alone:
# small images draw that one three times as large and take each third pixel of each third row, the
# middle of what was one pixel.
_FINE = 3
_FINE_BELOW = 640 * 480  # pixels

# Rows run downwards, as in the image, so that nothing has to be turned over. `z` makes the near
# plane the one at NEAR_M; the depth that is compared is written by the fragment.
_VERTEX = """
#version 430
in vec3 corner;
uniform vec3 eye;
uniform mat3 to_clip;
uniform vec2 shift;
uniform float near;
flat out int face;
void main() {
    vec3 p = (corner - eye) * to_clip;
    gl_Position = vec4(p.x - shift.x * p.z, -p.y - shift.y * p.z, p.z - 2.0 * near, p.z);
    face = gl_VertexID / 3;
}
"""
# Inverse depth is linear on the screen, and the greatest one is nearest.
_FRAGMENT = """
#version 430
flat in int face;
uniform float near;
layout(location = 0) out int seen;
layout(location = 1) out float inverse_depth;
void main() {
    seen = face;
    inverse_depth = gl_FragCoord.w;
    gl_FragDepth = near * gl_FragCoord.w;
}
"""
# Clearing integers and floats at once is undefined, so a triangle does it.
_EMPTY_VERTEX = """
#version 430
void main() {
    gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}
"""
_EMPTY_FRAGMENT = """
#version 430
layout(location = 0) out int seen;
layout(location = 1) out float inverse_depth;
void main() {
    seen = -1;
    inverse_depth = 0.0;
    gl_FragDepth = 0.0;
}
"""


class GlError(RuntimeError):
    """OpenGL cannot be had on this machine."""


class _Target(NamedTuple):
    faces: moderngl.Texture
    inverse_depth: moderngl.Texture
    depth: moderngl.Texture
    frame: moderngl.Framebuffer


def open_context() -> moderngl.Context:
    """An OpenGL context without a window, current in the thread that calls.

    Raises:
        GlError: moderngl is not installed or there is no OpenGL; says what to install.
    """
    try:
        import moderngl
    except ImportError as err:
        raise GlError(
            "--renderer gl needs moderngl: pip install 'fusiondrive[gl]', or use --renderer numba"
        ) from err
    try:
        return moderngl.create_context(_GL_VERSION, True, **_EGL)
    except Exception as err:  # glcontext raises bare exceptions of many kinds
        raise GlError(
            f"--renderer gl needs OpenGL {_GL_VERSION / 100:.1f} through EGL (on Debian and "
            f"Ubuntu: apt install libegl1 libgl1-mesa-dri), or use --renderer numba: {err}"
        ) from err


class GlWindow:
    """A context with the faces of one town. Make, use and release it in one thread."""

    def __init__(self) -> None:
        """Open the context.

        Raises:
            GlError: see `open_context`.
        """
        self._context = open_context()
        self._program = self._context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._empty_program = self._context.program(
            vertex_shader=_EMPTY_VERTEX, fragment_shader=_EMPTY_FRAGMENT
        )
        self._empty = self._context.vertex_array(self._empty_program, [])
        self._corners: moderngl.Buffer | None = None
        self._faces: moderngl.VertexArray | None = None
        self._targets: dict[tuple[int, int], _Target] = {}
        self._set("near", float(NEAR_M))
        self._context.enable_only(self._context.DEPTH_TEST)

    @property
    def device(self) -> str:
        """What draws, as its driver calls it."""
        return str(self._context.info["GL_RENDERER"])

    def draw(self, tri: Triangles, starts: I32, stops: I32, view: View, samples: int) -> Visibility:
        """Find the nearest face of each sample.

        Args:
            tri: all faces; those of the first range may have changed since the last call.
            starts: (R,) where ranges of faces to draw start.
            stops: (R,) where they stop.
            view: the camera.
            samples: of each pixel, the first of `SAMPLE_X` and `SAMPLE_Y`.
        """
        faces = self._upload(tri, int(starts[0]), int(stops[0]))
        commands = self._context.buffer(_commands(starts, stops).tobytes())
        self._set("eye", tuple(view.eye))
        self._set("to_clip", tuple(view.to_clip.ravel()))
        shape = (samples, view.height, view.width)
        seen = Visibility(np.empty(shape, np.float32), np.empty(shape, np.int32), _BAND_ROWS)
        for s in range(samples):
            fine = _FINE if s == 0 and view.width * view.height < _FINE_BELOW else 1
            target = self._target(fine * view.width, fine * view.height)
            target.frame.use()
            self._context.depth_func = "1"  # always
            self._empty.render(self._context.TRIANGLES, vertices=3)
            self._context.depth_func = ">"
            self._set("shift", (2.0 * SAMPLE_X[s] / view.width, 2.0 * SAMPLE_Y[s] / view.height))
            faces.render_indirect(commands, self._context.TRIANGLES, count=len(starts))
            _read(target.faces, fine, seen.faces[s])
            _read(target.inverse_depth, fine, seen.inverse_depth[s])
        commands.release()
        return seen

    def _upload(self, tri: Triangles, first: int, last: int) -> moderngl.VertexArray:
        """Bring the faces on the device up to date: all of them once, then those that move."""
        size = len(tri.corners) * _CORNER_BYTES
        if self._faces is not None and self._corners is not None and self._corners.size == size:
            if last > first:
                self._corners.write(tri.corners[first:last], offset=first * _CORNER_BYTES)
            return self._faces
        if self._faces is not None and self._corners is not None:
            self._faces.release()
            self._corners.release()
        self._corners = self._context.buffer(tri.corners)
        self._faces = self._context.vertex_array(self._program, self._corners, "corner")
        return self._faces

    def _target(self, width: int, height: int) -> _Target:
        """Images to draw into; those of the last few sizes are kept."""
        size = (width, height)
        target = self._targets.pop(size, None)
        if target is None:
            if len(self._targets) == _KEPT_SIZES:
                old = self._targets.pop(next(iter(self._targets)))
                for part in (old.frame, old.depth, old.inverse_depth, old.faces):
                    part.release()
            faces = self._context.texture(size, 1, dtype="i4", alignment=4)
            inverse_depth = self._context.texture(size, 1, dtype="f4", alignment=4)
            depth = self._context.depth_texture(size, alignment=4)
            frame = self._context.framebuffer([faces, inverse_depth], depth)
            target = _Target(faces, inverse_depth, depth, frame)
        self._targets[size] = target
        return target

    def _set(self, name: str, value: Any) -> None:
        uniform: Any = self._program[name]
        uniform.value = value

    def release(self) -> None:
        """Give everything back."""
        self._context.release()


def _read(texture: moderngl.Texture, fine: int, image: I32 | F32) -> None:
    """Copy what was drawn `fine` times as large into an image (H, W)."""
    if fine == 1:
        texture.read_into(image)
        return
    large = np.empty((fine * image.shape[0], fine * image.shape[1]), image.dtype)
    texture.read_into(large)
    image[...] = large[fine // 2 :: fine, fine // 2 :: fine]


def _commands(starts: I32, stops: I32) -> NDArray[np.uint32]:
    """Ranges of faces as arguments of an indirect draw, (R, 5)."""
    commands = np.zeros((len(starts), 5), np.uint32)
    commands[:, 0] = 3 * (stops - starts)  # vertices
    commands[:, 1] = 1  # instances
    commands[:, 2] = 3 * starts  # first vertex
    return commands
