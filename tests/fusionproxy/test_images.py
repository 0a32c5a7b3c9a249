"""Image files are read upright and whole, or refused with the reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from fusionproxy import fuse
from fusionproxy.errors import FusionError
from fusionproxy.images import read_infrared, read_rgb, read_visible, stored
from fusionproxy.layouts import PairFile
from fusionproxy.pair_source import PairFolder, ReadAs
from tests.pictures import read_bgr

rng = np.random.default_rng(0)
RGB = cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), (48, 32))
GREY = np.ascontiguousarray(RGB[..., 0])
LOSSY = {"jpg": 3.0, "webp": 0.0, "png": 0.0, "tif": 0.0}  # mean error in levels


def tagged(path: Path, orientation: int, image: np.ndarray = RGB) -> Path:
    picture, exif = Image.fromarray(image), Image.Exif()
    exif[0x0112] = orientation
    if path.suffix == ".tif":
        picture.save(path, tiffinfo={274: orientation})
    else:
        picture.save(path, exif=exif, lossless=True)  # only WebP knows the word
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", LOSSY)
def test_orientation_tags_are_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tagged(tmp_path / f"a.{kind}", orientation)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    found = read_rgb(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() <= LOSSY[kind]
    if kind in ("jpg", "png"):  # OpenCV fails on TIFF of 5 to 8, and until 4.11 forgets WebP
        opencv = read_bgr(path)[..., ::-1]
        assert np.abs(found.astype(int) - opencv).mean() < 3


@pytest.mark.parametrize("depth", [np.uint16, np.float32])
@pytest.mark.parametrize("orientation", [3, 6])
def test_deep_tiff_images_are_turned_too(tmp_path: Path, depth: type, orientation: int) -> None:
    image: np.ndarray = GREY.astype(depth)
    path = tagged(tmp_path / "a.tif", orientation, image)
    expected = np.rot90(image, {3: 2, 6: -1}[orientation])
    np.testing.assert_array_equal(stored(path), expected)


def test_big_endian_exif_after_another_segment_is_found(tmp_path: Path) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    encoded = cv2.imencode(".jpg", RGB)[1].tobytes()
    parts = [b"\xff\xe1" + (len(x) + 2).to_bytes(2, "big") + x for x in (xmp, exif)]
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded[:2] + b"".join(parts) + encoded[2:])
    assert stored(path).shape == (48, 32, 3)


def test_a_pair_whose_sizes_differ_after_turning_says_so(tmp_path: Path) -> None:
    infrared, visible = tagged(tmp_path / "i.png", 1, GREY), tagged(tmp_path / "v.jpg", 6)
    pair = PairFolder([PairFile("a", "a", "", infrared, visible)], "files", ReadAs())
    text = "visible is 48 x 32 after turning it as its orientation tag 6 says"
    with pytest.raises(FusionError, match=text):
        pair.load(0)


def test_a_turned_pair_is_fused_upright_and_written_without_a_tag(tmp_path: Path) -> None:
    infrared = tagged(tmp_path / "i.png", 1, np.ascontiguousarray(GREY[::-1, ::-1]))
    line = ["--infrared", str(infrared), "--visible", str(tagged(tmp_path / "v.png", 3))]
    out = tmp_path / "out.png"
    assert fuse.main([*line, "--out", str(out), "--side-by-side"]) == 0
    np.testing.assert_array_equal(read_bgr(out)[:, :48, ::-1], RGB[::-1, ::-1])
    with Image.open(out) as picture:
        assert 0x0112 not in picture.getexif()


@pytest.mark.parametrize("kind", ["tif", "png", "webp", "gif"])
def test_files_of_several_pictures_are_refused_with_their_number(tmp_path: Path, kind: str) -> None:
    pages = [Image.fromarray(np.roll(RGB, 5 * i, axis=1)) for i in range(3)]
    pages[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=pages[1:])
    with pytest.raises(FusionError, match=rf"a.{kind} holds 3 pictures \(pages or frames\)"):
        stored(tmp_path / f"a.{kind}")


def test_a_small_copy_in_a_tiff_is_no_page(tmp_path: Path) -> None:
    pages = [Image.fromarray(RGB), Image.fromarray(RGB[::2, ::2])]
    pages[1].encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(stored(tmp_path / "a.tif"), RGB)


def test_other_colour_models_have_the_right_values(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB)
    palette = picture.quantize(32)
    for name, image in {
        "palette.png": palette,
        "palette.tif": palette,
        "palette.bmp": palette,
        "cmyk.tif": picture.convert("CMYK"),
        "cmyk.jpg": picture.convert("CMYK"),
        "bits.png": Image.fromarray(GREY).convert("1"),
        "bits.tif": Image.fromarray(GREY).convert("1"),
    }.items():
        image.save(tmp_path / name)
        with Image.open(tmp_path / name) as opened:
            expected = np.asarray(opened.convert("RGB"), int)
        assert np.abs(read_rgb(tmp_path / name) - expected).mean() < 3, name


def test_opaque_alpha_is_left_out_and_transparent_pixels_are_refused(tmp_path: Path) -> None:
    for kind in ("png", "tif", "webp"):
        for mode, image in (("RGBA", RGB), ("LA", GREY)):
            if mode == "LA" and kind != "png":
                continue
            picture = Image.fromarray(image)
            picture.putalpha(255)
            path = tmp_path / f"{mode}.{kind}"
            picture.save(path, lossless=True)
            np.testing.assert_array_equal(read_rgb(path), rgb_like(image))
            picture.putpixel((3, 4), (*np.atleast_1d(image[4, 3]).tolist(), 0))
            picture.save(path, lossless=True)
            with pytest.raises(FusionError, match=f"{mode}.{kind}: 1 of 1536 pixels are transp"):
                read_rgb(path)


def rgb_like(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def test_the_unused_byte_of_a_bmp_is_no_alpha(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.bmp"), np.dstack([RGB[..., ::-1], np.zeros_like(GREY)]))
    np.testing.assert_array_equal(stored(tmp_path / "a.bmp"), RGB)


def test_deep_colour_and_float_images_need_a_range(tmp_path: Path) -> None:
    for name, image in {
        "a.png": RGB.astype(np.uint16) * 16,
        "a.tif": RGB.astype(np.float32) * 16,
        "a.hdr": np.full((32, 48, 3), 2040, np.float32),
    }.items():
        plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if name == "a.tif" else []
        cv2.imwrite(str(tmp_path / name), image[..., ::-1], plain)
        with pytest.raises(FusionError, match="have no declared range; give --visible-range"):
            read_visible(tmp_path / name)
        expected = RGB / 255 if name != "a.hdr" else 0.5
        found = read_visible(tmp_path / name, (0, 4080))
        np.testing.assert_allclose(found, np.broadcast_to(expected, RGB.shape), atol=1e-6)


def plain_tiff(image: np.ndarray, photometric: int, extra: int | None = None) -> bytes:
    """An uncompressed little-endian TIFF file."""
    samples, bits = image.shape[2] if image.ndim == 3 else 1, 8 * image.itemsize
    data = image.tobytes()
    tags = {256: image.shape[1], 257: image.shape[0], 258: bits, 259: 1, 262: photometric}
    tags |= {273: 8, 277: samples, 278: image.shape[0], 279: len(data)}
    tags |= {} if extra is None else {338: extra}
    head = b"II*\0" + (8 + len(data)).to_bytes(4, "little") + data
    entries = len(tags).to_bytes(2, "little")
    for tag, value in sorted(tags.items()):
        count = min(samples, 2) if tag == 258 else 1
        value += (value << 16) * (count == 2)
        entries += b"".join(x.to_bytes(2, "little") for x in (tag, 3 if count == 2 else 4))
        entries += count.to_bytes(4, "little") + value.to_bytes(4, "little")
    return head + entries + bytes(4)


@pytest.mark.parametrize(
    ("image", "photometric", "extra", "text"),
    [
        (np.dstack([GREY, GREY]).astype(np.uint16) * 257, 1, 2, "16 bits a channel would be read"),
        (np.dstack([GREY, GREY]), 1, 2, "grey with a second channel"),
        (GREY.astype(np.uint16), 0, None, "16 bits of which 0 is white"),
    ],
)
def test_tiff_files_that_opencv_reads_as_something_else_are_refused(
    tmp_path: Path, image: np.ndarray, photometric: int, extra: int | None, text: str
) -> None:
    (tmp_path / "a.tif").write_bytes(plain_tiff(image, photometric, extra))
    with pytest.raises(FusionError, match=text):
        read_infrared(tmp_path / "a.tif", (0, 65535))


def test_white_as_zero_of_8_bits_is_turned_round(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(plain_tiff(GREY, 0))
    np.testing.assert_array_equal(stored(tmp_path / "a.tif"), 255 - GREY)


def test_arrays_and_other_kinds_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    (tmp_path / "a.exr").write_bytes(b"\x76\x2f\x31\x01" + bytes(50))
    (tmp_path / "a.png").write_bytes(b"")
    for name, text in {"a.npy": "a NumPy array", "a.exr": "an EXR", "a.png": "cannot be"}.items():
        with pytest.raises(FusionError, match=f"{name} .*{text}|{name} is {text}"):
            stored(tmp_path / name)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp", "bmp"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_truncated_image_is_never_half_a_picture(
    tmp_path: Path, kind: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    big = cv2.resize(rng.integers(0, 256, (40, 60, 3), np.uint8), (480, 320))
    encoded = cv2.imencode(f".{kind}", big)[1].tobytes()
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encoded[: int(share * len(encoded))])
    with pytest.raises(FusionError, match="cannot be read as an image; it may be truncated"):
        stored(path)
    assert "ERROR:" not in capfd.readouterr().err
