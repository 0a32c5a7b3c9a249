"""Classical metrics against loops in float64 that share no code with them, and by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from fusionproxy.errors import FusionError
from fusionproxy.quality.registry import CONVENTIONS, METRICS, choose, measure

TOLERANCE = 1e-6
Image = np.ndarray


def pictures(height: int, width: int, seed: int = 0) -> tuple[Image, Image, Image]:
    """Fused, infrared, visible: smooth, with noise, edges, flat and saturated parts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    infrared = 120 + 90 * np.sin(x / 5) * np.cos(y / 7) + rng.normal(0, 6, x.shape)
    visible = 90 + 70 * np.cos((x + y) / 9) + rng.normal(0, 12, x.shape)
    infrared[: height // 3, : width // 4] = 40
    visible[height // 2 :, width // 2 :] += 120
    fused = 0.6 * infrared + 0.5 * visible
    to_8_bits = [np.clip(np.rint(i), 0, 255).astype(np.uint8) for i in (fused, infrared, visible)]
    return to_8_bits[0], to_8_bits[1], to_8_bits[2]


def value(name: str, fused: Image, infrared: Image, visible: Image) -> float:
    (found,) = measure(fused, infrared, visible, choose([name])).values()
    return found


# --- the references, written as the definitions read ---


def loop_entropy(a: Image) -> float:
    counts: dict[object, int] = {}
    for item in a.reshape(a.shape[0] * a.shape[1], -1):
        key = tuple(item.tolist())
        counts[key] = counts.get(key, 0) + 1
    total = a.shape[0] * a.shape[1]
    return -sum(n / total * math.log(n / total) for n in counts.values())


def loop_mi(a: Image, b: Image) -> float:
    return loop_entropy(a) + loop_entropy(b) - loop_entropy(np.dstack([a, b]))


def loop_sf(f: Image, per_pixel: bool) -> float:
    f = f.astype(float)
    h, w = f.shape
    rows = sum((f[i, j] - f[i - 1, j]) ** 2 for i in range(1, h) for j in range(w))
    cols = sum((f[i, j] - f[i, j - 1]) ** 2 for i in range(h) for j in range(1, w))
    if per_pixel:
        return math.sqrt((rows + cols) / (h * w))
    return math.sqrt(rows / ((h - 1) * w) + cols / (h * (w - 1)))


def slope(v: Image, i: int) -> float:
    if i == 0:
        return float(v[1] - v[0])
    if i == len(v) - 1:
        return float(v[-1] - v[-2])
    return float(v[i + 1] - v[i - 1]) / 2


def loop_ag(f: Image, inner: bool) -> float:
    f = f.astype(float)
    h, w = f.shape
    total = sum(
        math.sqrt((slope(f[i], j) ** 2 + slope(f[:, j], i) ** 2) / 2)
        for i in range(h)
        for j in range(w)
    )
    return total / ((h - 1) * (w - 1) if inner else h * w)


def correlation(a: Image, b: Image) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def loop_scd(f: Image, a: Image, b: Image) -> float:
    f, a, b = f.astype(float), a.astype(float), b.astype(float)
    return correlation(a, f - b) + correlation(b, f - a)


def loop_edges(image: Image) -> tuple[Image, Image]:
    h, w = image.shape
    p = np.zeros((h + 2, w + 2))
    p[1:-1, 1:-1] = image
    kernel_y = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    kernel_x = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    g, angle = np.zeros((h, w)), np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            patch = p[i : i + 3, j : j + 3][::-1, ::-1]  # convolution
            sx, sy = float((patch * kernel_x).sum()), float((patch * kernel_y).sum())
            g[i, j] = math.hypot(sx, sy)
            angle[i, j] = math.pi / 2 if sx == 0 else math.atan(sy / sx)
    return g, angle


def loop_qabf(f: Image, a: Image, b: Image, ties_are_one: bool) -> float:
    gf, af = loop_edges(f)
    top = bottom = 0.0
    for source in (a, b):
        g, angle = loop_edges(source)
        for i, j in np.ndindex(g.shape):
            if g[i, j] > gf[i, j]:
                ratio = gf[i, j] / g[i, j]
            elif g[i, j] < gf[i, j]:
                ratio = g[i, j] / gf[i, j]
            else:
                ratio = 1.0 if ties_are_one else gf[i, j]
            aligned = 1 - abs(angle[i, j] - af[i, j]) / (math.pi / 2)
            q = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            q *= 0.9879 / (1 + math.exp(-22 * (aligned - 0.8)))
            top += q * float(g[i, j])
            bottom += float(g[i, j])
    return top / bottom


def kernel_2d(size: int, sigma: float) -> Image:
    r = size // 2
    k = np.array(
        [
            [math.exp(-(i * i + j * j) / (2 * sigma**2)) for j in range(-r, r + 1)]
            for i in range(-r, r + 1)
        ]
    )
    return k / k.sum()


def windows(image: Image, size: int) -> Image:
    return np.lib.stride_tricks.sliding_window_view(image.astype(float), (size, size))


def local(a: Image, b: Image, k: Image) -> tuple[Image, ...]:
    """Means, variances and covariance of every window, each from centred values."""
    wa, wb = windows(a, len(k)), windows(b, len(k))
    ma, mb = (wa * k).sum((2, 3)), (wb * k).sum((2, 3))
    da, db = wa - ma[:, :, None, None], wb - mb[:, :, None, None]
    return ma, mb, (da * da * k).sum((2, 3)), (db * db * k).sum((2, 3)), (da * db * k).sum((2, 3))


def loop_ssim(a: Image, b: Image, k: Image, span: float = 255, unbiased: float = 1) -> list[float]:
    """Mean SSIM and mean contrast part."""
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    whole, part = [], []
    for ma, mb, va, vb, c in zip(*(m.ravel() for m in local(a, b, k)), strict=True):
        cs = (2 * c * unbiased + c2) / ((va + vb) * unbiased + c2)
        part.append(cs)
        whole.append(cs * (2 * ma * mb + c1) / (ma * ma + mb * mb + c1))
    return [float(np.mean(whole)), float(np.mean(part))]


def loop_halve(image: Image) -> Image:
    h, w = image.shape
    out = np.zeros(((h + 1) // 2, (w + 1) // 2))
    for i, j in np.ndindex(out.shape):
        rows, cols = (2 * i, min(2 * i + 1, h - 1)), (2 * j, min(2 * j + 1, w - 1))
        out[i, j] = sum(float(image[r, c]) for r in rows for c in cols) / 4
    return out


def loop_ms_ssim(a: Image, b: Image) -> float:
    k, product = kernel_2d(11, 1.5), 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        whole, part = loop_ssim(a, b, k)
        product *= (whole if scale == 4 else part) ** weight
        a, b = loop_halve(a), loop_halve(b)
    return product


def loop_vif(a: Image, f: Image) -> float:
    top = bottom = 0.0
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        k = kernel_2d(size, size / 5)
        if scale > 1:
            a = (windows(a, size) * k).sum((2, 3))[::2, ::2]
            f = (windows(f, size) * k).sum((2, 3))[::2, ::2]
        for _, _, va, vf, c in zip(*(m.ravel() for m in local(a, f, k)), strict=True):
            g = c / (va + 1e-10)
            noise = vf - g * c
            if va < 1e-10:
                g, noise, va = 0.0, vf, 0.0
            if vf < 1e-10:
                g, noise = 0.0, 0.0
            if g < 0:
                g, noise = 0.0, vf
            noise = max(noise, 1e-10)
            top += math.log10(1 + g * g * va / (noise + 2))
            bottom += math.log10(1 + va / 2)
    return top / bottom


def stretch(image: Image) -> Image:
    low, high = int(image.min()), int(image.max())
    return np.array([[math.floor((int(v) - low) / (high - low) * 255 + 0.5) for v in row]
                     for row in image])  # fmt: skip


def errors(f: Image, a: Image, b: Image) -> list[float]:
    return [float(((s.astype(float) - f.astype(float)) ** 2).mean()) for s in (a, b)]


BOX = np.full((7, 7), 1 / 49)
LN2 = math.log(2)
Reference = Callable[[Image, Image, Image], float]
REFERENCES: dict[str, Reference] = {
    "EN:rounded": lambda f, a, b: loop_entropy(f) / LN2,
    "EN:floored": lambda f, a, b: loop_entropy(f) / LN2,
    "MI:nats": lambda f, a, b: loop_mi(f, a) + loop_mi(f, b),
    "MI:bits": lambda f, a, b: (loop_mi(f, a) + loop_mi(f, b)) / LN2,
    "MI:nats-stretched": lambda f, a, b: (
        loop_mi(stretch(f), stretch(a)) + loop_mi(stretch(f), stretch(b))
    ),
    "SF:differences": lambda f, a, b: loop_sf(f, per_pixel=False),
    "SF:pixels": lambda f, a, b: loop_sf(f, per_pixel=True),
    "AG:pixels": lambda f, a, b: loop_ag(f, inner=False),
    "AG:inner": lambda f, a, b: loop_ag(f, inner=True),
    "SD:population": lambda f, a, b: math.sqrt(np.mean((f - f.mean()) ** 2)),
    "SCD:sum": loop_scd,
    "VIF:vifp-sum": lambda f, a, b: loop_vif(a, f) + loop_vif(b, f),
    "VIF:vifp-mean": lambda f, a, b: (loop_vif(a, f) + loop_vif(b, f)) / 2,
    "Qabf:ties-strength": lambda f, a, b: loop_qabf(f, a, b, ties_are_one=False),
    "Qabf:ties-one": lambda f, a, b: loop_qabf(f, a, b, ties_are_one=True),
    "SSIM:uniform7-sum": lambda f, a, b: sum(
        loop_ssim(s, f, BOX, unbiased=49 / 48)[0] for s in (a, b)
    ),
    "SSIM:uniform7-mean": lambda f, a, b: (
        sum(loop_ssim(s, f, BOX, unbiased=49 / 48)[0] for s in (a, b)) / 2
    ),
    "SSIM:uniform7-range2": lambda f, a, b: sum(
        loop_ssim(s, f, BOX, 2, 49 / 48)[0] for s in (a, b)
    ),
    "SSIM:gaussian11-sum": lambda f, a, b: sum(
        loop_ssim(s, f, kernel_2d(11, 1.5))[0] for s in (a, b)
    ),
    "SSIM:gaussian11-mean": lambda f, a, b: (
        sum(loop_ssim(s, f, kernel_2d(11, 1.5))[0] for s in (a, b)) / 2
    ),
    "PSNR:peak255": lambda f, a, b: 10 * math.log10(255**2 / np.mean(errors(f, a, b))),
    "PSNR:peak-fused": lambda f, a, b: (
        10 * math.log10(float(f.max()) ** 2 / np.mean(errors(f, a, b)))
    ),
    "PSNR:unit-error": lambda f, a, b: (
        20 * math.log10(255 / math.sqrt(np.mean(errors(f, a, b)) / 255**2))
    ),
    "PSNR:root-error": lambda f, a, b: (
        20
        * math.log10(
            255 / math.sqrt(sum(math.sqrt(e * f.size) / f.size for e in errors(f, a, b)) / 2)
        )
    ),
    "MS-SSIM:gaussian11-sum": lambda f, a, b: loop_ms_ssim(a, f) + loop_ms_ssim(b, f),
    "MS-SSIM:gaussian11-mean": lambda f, a, b: (loop_ms_ssim(a, f) + loop_ms_ssim(b, f)) / 2,
}
ALL = [f"{metric}:{variant}" for metric, variants in METRICS.items() for variant in variants]


@pytest.mark.parametrize("name", ALL)
def test_every_variant_equals_its_definition_in_loops(name: str) -> None:
    sizes = [(161, 163)] if name.startswith("MS-SSIM") else [(48, 45), (43, 62)]
    for seed, size in enumerate(sizes):
        images = pictures(*size, seed=seed)
        assert value(name, *images) == pytest.approx(REFERENCES[name](*images), abs=TOLERANCE)


def test_entropy_and_information_by_hand() -> None:
    a = np.array([[0, 0], [255, 255]], np.uint8)
    b = np.array([[0, 255], [0, 255]], np.uint8)
    assert value("EN", a, a, b) == pytest.approx(1.0)  # two levels, half each: one bit
    assert value("MI:bits", a, a, b) == pytest.approx(1.0)  # all of a, nothing of b
    assert value("MI", a, a, b) == pytest.approx(math.log(2))


def test_gradients_by_hand() -> None:
    ramp = np.array([[0, 3, 6], [4, 7, 10]], np.uint8)  # 3 a column, 4 a row
    assert value("SF", ramp, ramp, ramp) == pytest.approx(5.0)
    assert value("SF:pixels", ramp, ramp, ramp) == pytest.approx(math.sqrt((3 * 16 + 4 * 9) / 6))
    assert value("AG", ramp, ramp, ramp) == pytest.approx(math.sqrt(12.5))
    assert value("AG:inner", ramp, ramp, ramp) == pytest.approx(6 * math.sqrt(12.5) / 2)


def test_differences_by_hand() -> None:
    f, a, b = (np.full((2, 2), level, np.uint8) for level in (100, 90, 120))
    f[0, 0] = 200
    mean = ((3 * 10**2 + 110**2) / 4 + (3 * 20**2 + 80**2) / 4) / 2
    assert value("PSNR:peak255", f, a, b) == pytest.approx(10 * math.log10(255**2 / mean))
    assert value("PSNR", f, a, b) == pytest.approx(10 * math.log10(200**2 / mean))
    assert value("SD", f, a, b) == pytest.approx(math.sqrt(3) * 25)
    assert math.isnan(value("SCD", f, a, b))  # constant sources have no correlation


def test_identical_images_are_kept_wholly() -> None:
    image = pictures(170, 165)[0]
    found = measure(image, image, image, choose(["SSIM", "MS-SSIM", "VIF:vifp-mean", "PSNR"]))
    assert found["SSIM:uniform7-sum"] == pytest.approx(2.0)
    assert found["MS-SSIM:gaussian11-mean"] == pytest.approx(1.0)
    assert found["VIF:vifp-mean"] == pytest.approx(1.0, abs=1e-6)
    assert found["PSNR:peak-fused"] == math.inf


def test_flat_images_give_the_same_as_the_reference_evaluator() -> None:
    flat, image = np.full((50, 50), 77, np.uint8), pictures(50, 50)[0]
    assert value("VIF", image, flat, flat) == pytest.approx(2.0)  # NaN counts as 1 each there
    black = np.zeros((50, 50), np.uint8)  # any other level has an edge at the padded border
    assert math.isnan(value("Qabf", image, black, black))


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
def test_conventions_name_a_variant_of_every_metric(convention: str) -> None:
    chosen = choose(convention=convention)
    assert [item.metric for item in chosen] == list(METRICS)
    assert all(item.variant in METRICS[item.metric] for item in chosen)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda i: i[:1, :1], "fused: 1 x 1 pixels; metrics need at least 2 x 2"),
        (lambda i: i[:, :40], "expected three images of one size, found fused 50 x 40"),
        (lambda i: i.astype(np.uint16), "expected uint8 or float in 0..255, found uint16"),
        (lambda i: np.where(i > 100, np.nan, i), "values are NaN or inf"),
        (lambda i: i.astype(float) * 9, "expected values in 0..255"),
        (lambda i: i[..., None], r"expected (H, W) or (H, W, 3), found (50, 50, 1)"),
    ],
)
def test_unusable_images_are_named(change: Callable[[Image], Image], text: str) -> None:
    image = pictures(50, 50)[0]
    with pytest.raises(FusionError) as caught:
        measure(change(image), image, image)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FID", "unknown metric 'FID'; known: EN, MI"),
        ("MI:dits", "unknown variant 'dits' of MI; known: nats, bits"),
        ("VIFF", "'VIF:vifp-sum' here"),
    ],
)
def test_unknown_metrics_list_the_known(name: str, text: str) -> None:
    with pytest.raises(FusionError, match=text):
        choose([name])


def test_too_small_for_a_metric_names_the_size() -> None:
    with pytest.raises(FusionError, match="VIF needs images of 41 x 41 or more, found 30 x 60"):
        measure(*pictures(30, 60), choose(["VIF"]))
