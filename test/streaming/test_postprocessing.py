# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From logits to maps, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mila_ros.streaming import DepthSpec
from mila_ros.streaming import postprocessing as post
from mila_ros.tasks import DEPTH, NORMALS, Task

SPEC = DepthSpec(True, min_m=0.5, max_m=100.0, canonical_focal_px=300.0, assumed_hfov_deg=90.0)


def meters(logits: torch.Tensor, size: tuple[int, int], scale: float = 1.0) -> np.ndarray:
    return post.decode_depth(DEPTH, logits, size, SPEC, scale).numpy()


@pytest.fixture(params=["opencv", "torch"])
def resizer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Decode as on a CPU and, on the same CPU, by the code for other devices."""
    monkeypatch.setattr(post, "HOST", "cpu" if request.param == "opencv" else "none")
    return str(request.param)


def test_classes_and_confidence(resizer: str) -> None:
    """Winners with probabilities of 0.72 and 0.4, so 183.6 and 102 of 255."""
    probabilities = torch.tensor(
        [[[0.72, 0.1], [0.2, 0.4]], [[0.18, 0.72], [0.08, 0.35]], [[0.1, 0.18], [0.72, 0.25]]]
    )
    logits = (probabilities.log() + 3).unsqueeze(0)
    ids, confidence = (m.numpy() for m in post.decode_segmentation(logits, (4, 6)))
    assert ids.dtype == confidence.dtype == np.uint8
    assert np.array_equal(ids, np.kron([[0, 1], [2, 0]], np.ones((2, 3))))
    assert np.array_equal(confidence, np.kron([[184, 184], [184, 102]], np.ones((2, 3))))


@pytest.mark.parametrize(
    ("probability", "level"), [(0.5, 128), (0.504, 129), (0.999, 255), (0.9979, 254), (1.0, 255)]
)
def test_confidence_is_rounded(probability: float, level: int) -> None:
    logits = torch.tensor([probability, 1 - probability]).log().view(1, 2, 1, 1)
    _, confidence = post.decode_segmentation(logits, (1, 1))
    assert confidence.item() == level


def test_classes_are_repeated_about_pixel_centres(resizer: str) -> None:
    """Each output pixel takes the class of the pixel its centre lies in."""
    ids = torch.arange(5).view(1, 1, 1, 5)
    logits = torch.zeros(1, 5, 1, 5).scatter_(1, ids, 9.0)
    for width in (1, 2, 3, 7, 8, 12, 33):
        labels, _ = post.decode_segmentation(logits, (2, width))
        expected = [math.floor((x + 0.5) * 5 / width) for x in range(width)]
        assert labels.tolist() == [expected] * 2


def test_pixels_without_numbers_are_unlabelled(resizer: str) -> None:
    logits = torch.zeros(1, 3, 1, 3)
    logits[0, 1, 0, 0] = 8
    logits[0, 2, 0, 1] = math.nan
    logits[0, 2, 0, 2] = math.inf
    ids, confidence = post.decode_segmentation(logits, (1, 3))
    assert ids.tolist() == [[1, 255, 255]]
    assert confidence.tolist() == [[255, 0, 0]]
    assert post.decode_classes(logits, (1, 3)).tolist() == [[1, 255, 255]]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_classes_alone_are_the_same(resizer: str, memory_format: torch.memory_format) -> None:
    """Of equals the first wins, also of those that are far below zero."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(-3, 3, (1, 19, 70, 11), generator=generator).float()
    logits[:, :, :9] = logits[:, :, :9] * 1e-3 - 1e4
    logits = logits.contiguous(memory_format=memory_format)
    ids = post.decode_classes(logits, (70, 11))
    assert ids.dtype == torch.uint8
    assert np.array_equal(ids, logits[0].numpy().argmax(0))
    assert torch.equal(ids, post.decode_segmentation(logits, (70, 11))[0])


def test_the_most_classes() -> None:
    logits = torch.zeros(1, 255, 1, 1)
    logits[0, 254] = 50
    ids, confidence = post.decode_segmentation(logits, (1, 1))
    assert (ids.item(), confidence.item()) == (254, 255)
    assert post.decode_classes(logits, (1, 1)).item() == 254


def test_depth_is_interpolated_as_a_logarithm(resizer: str) -> None:
    """Between 1 m and 16 m, a quarter of the way lie 2 m."""
    logits = torch.tensor([1.0, 16.0]).log().view(1, 1, 1, 2)
    depth = meters(logits, (2, 4))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[1, 2, 8, 16]] * 2, rtol=1e-5)


def test_depth_of_another_activation_is_interpolated_as_it_is(resizer: str) -> None:
    task = Task("depth", 1, "identity")
    logits = torch.tensor([1.0, 5.0]).view(1, 1, 1, 2)
    depth = post.decode_depth(task, logits, (1, 4), SPEC, 2.0)
    np.testing.assert_allclose(depth, [[2, 4, 8, 10]], rtol=1e-6)


def test_depth_out_of_range_is_infinite_and_nan_stays(resizer: str) -> None:
    values = torch.tensor([0.49, 0.51, 99.0, 101.0, 0.0, math.inf, math.nan])
    depth = meters(values.log().view(1, 1, 1, 7), (1, 7))[0]
    np.testing.assert_allclose(
        depth, [-np.inf, 0.51, 99, np.inf, -np.inf, np.inf, np.nan], rtol=1e-5
    )


def test_the_limits_themselves_are_depths(resizer: str) -> None:
    task = Task("depth", 1, "identity")
    near, far = np.float32(0.5), np.float32(100)
    values = [near, np.nextafter(near, 0), far, np.nextafter(far, far * 2)]
    logits = torch.tensor(np.array(values, np.float32)).view(1, 1, 1, 4)
    depth = post.decode_depth(task, logits, (1, 4), SPEC, 1.0)
    assert depth.tolist() == [[0.5, -math.inf, 100.0, math.inf]]


def test_unknown_depth_spreads_and_never_becomes_zero(resizer: str) -> None:
    logits = torch.zeros(1, 1, 4, 4)
    logits[0, 0, 1, 1] = math.nan
    depth = meters(logits, (8, 8))
    assert np.isnan(depth[2:4, 2:4]).all()
    assert not np.isnan(depth[5:]).any() and not np.isnan(depth[:, 5:]).any()
    assert not (depth == 0).any()
    np.testing.assert_allclose(depth[~np.isnan(depth)], 1)


def test_depth_is_scaled_before_its_range_is_checked(resizer: str) -> None:
    values = torch.tensor([0.3, 40.0, 60.0]).log().view(1, 1, 1, 3)
    np.testing.assert_allclose(meters(values, (1, 3), 2.0), [[0.6, 80, np.inf]], rtol=1e-5)


def test_under_a_wide_lens_the_sky_is_no_wall(resizer: str) -> None:
    """It is learned as 150 m of the canonical camera: nearer to that than to 100 m is infinite."""
    logits = torch.tensor([100.0, 122.0, 123.0, 150.0]).log().view(1, 1, 1, 4)
    depth = meters(logits, (1, 4), 0.5)[0]
    np.testing.assert_allclose(depth, [50, 61, np.inf, np.inf], rtol=1e-5)


def test_the_scale_of_depth() -> None:
    # A 1242 px image with fx 700 px, seen at 656 px, by a network of a 300 px camera.
    assert post.depth_scale(SPEC, 1242, 656, 700.0) == pytest.approx(700 * 656 / 1242 / 300)
    # 90 degrees: the focal length is half the width, at any size.
    assert post.depth_scale(SPEC, 1242, 656, None) == pytest.approx(328 / 300)
    assert post.depth_scale(SPEC, 64, 656, None) == pytest.approx(328 / 300)
    relative = DepthSpec(False, 0.5, 100.0, 300.0, 90.0)
    assert post.depth_scale(relative, 1242, 656, 700.0) == 1


def test_motion_is_thresholded_at_the_images_size(resizer: str) -> None:
    """Probabilities 0 and 0.8, at four times the width: 0, 0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.8."""
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1] = torch.tensor([[-50.0, math.log(0.8 / 0.2)]])
    assert post.decode_motion(logits, (1, 8), 0.4).tolist() == [[0, 0, 0, 0, 255, 255, 255, 255]]
    assert post.decode_motion(logits, (1, 8), 0.2).tolist() == [[0, 0, 0, 255, 255, 255, 255, 255]]
    assert post.decode_motion(logits, (1, 8), 0.81).sum() == 0
    assert post.decode_motion(logits, (1, 8), 0.6).dtype == torch.uint8


def test_motion_depends_on_the_difference_of_the_logits() -> None:
    logits = torch.tensor([7.0, 7.1]).view(1, 2, 1, 1)
    assert post.decode_motion(logits, (2, 2), 0.5).tolist() == [[255, 255]] * 2
    assert post.decode_motion(logits.flip(1), (2, 2), 0.5).tolist() == [[0, 0]] * 2
    assert post.decode_motion(logits * math.nan, (2, 2), 0.5).tolist() == [[0, 0]] * 2


def test_normals_stay_of_length_one(resizer: str) -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 5.0]]).T.reshape(1, 3, 1, 2)
    normals = post.decode_normals(NORMALS, logits, (2, 4)).numpy()
    a, b = 0.75 / math.hypot(0.75, 0.25), 0.25 / math.hypot(0.75, 0.25)
    expected = [[1, 0, 0], [a, 0, b], [b, 0, a], [0, 0, 1]]
    assert normals.shape == (2, 4, 3) and normals.flags.c_contiguous
    np.testing.assert_allclose(normals, [expected] * 2, atol=1e-6)


@pytest.mark.parametrize("size", [(5, 9), (11, 7), (35, 51), (200, 31)])
def test_both_resizers_agree(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 6, 11, 19)  # odd, so that no centre lies on an edge
    results = []
    for host in ("cpu", "none"):
        monkeypatch.setattr(post, "HOST", host)
        results.append(
            (
                *post.decode_segmentation(logits, size),
                post.decode_depth(DEPTH, logits[:, :1], size, SPEC, 3.0),
                post.decode_normals(NORMALS, logits[:, :3], size),
            )
        )
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
