"""CARLA's image encodings, and how frames are joined."""

import queue
from types import SimpleNamespace

import numpy as np
import pytest

from fusiondrive.errors import SimulatorError
from sensors.decode import bgra_pixels, decode_depth, decode_rgb, decode_tags
from sensors.rig import FrameQueue


def test_depth_survives_a_round_trip_through_24_bits():
    metres = np.array([[0.0, 0.5, 12.345678], [99.9, 500.0, 1000.0]])
    code = np.rint(metres / 1000.0 * (2**24 - 1)).astype(np.uint32)
    bgra = np.stack([code >> 16, (code >> 8) & 255, code & 255, code * 0 + 255], axis=-1)
    decoded = decode_depth(bgra.astype(np.uint8))
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, metres, atol=1e-4)


def test_rgb_and_tags_take_the_right_channels():
    pixels = bgra_pixels(bytes([1, 2, 3, 255, 4, 5, 6, 255]), 1, 2)
    assert decode_rgb(pixels).tolist() == [[[3, 2, 1], [6, 5, 4]]]
    assert decode_tags(pixels).tolist() == [[3, 6]]


def test_older_frames_are_dropped():
    inbox = FrameQueue("rgb")
    for frame in (7, 8, 9):
        inbox.put(SimpleNamespace(frame=frame))
    assert inbox.take(9, 0.1).frame == 9


def test_a_late_frame_is_an_error_that_names_camera_frame_time_and_last_frame():
    inbox = FrameQueue("depth")
    inbox.put(SimpleNamespace(frame=7))
    with pytest.raises(SimulatorError, match=r"'depth': frame 8 .* 0\.1 s; last frame seen: 7"):
        inbox.take(8, 0.1)


def test_a_skipped_frame_is_an_error():
    inbox = FrameQueue("rgb")
    inbox.put(SimpleNamespace(frame=9))
    with pytest.raises(SimulatorError, match="frame 8 was skipped; last frame seen: 9"):
        inbox.take(8, 0.1)


def test_images_that_nobody_reads_do_not_pile_up():
    inbox = FrameQueue("rgb")
    for frame in range(200):
        inbox.put(SimpleNamespace(frame=frame))
    assert isinstance(inbox._waiting, queue.Queue)
    assert inbox._waiting.qsize() <= 32
