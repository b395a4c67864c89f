import numpy as np
import pytest

from bdgan_cli.evaluation.masks import foreground_iou


def slow_iou(predicted, truth, ignore):
    common = union = 0
    for p, t in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if t == ignore:
            continue
        common += p == t and t != 0
        union += p != 0 or t != 0
    return common / union if union else 1.0


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("ignore", [255, None])
def test_agrees_with_counting_pixels(labels, ignore):
    stream = np.random.default_rng(0)
    predicted = stream.integers(0, labels, (5, 6, 7), dtype=np.uint8)
    truth = np.where(stream.random((5, 6, 7)) < 0.2, 255, stream.integers(0, labels, (5, 6, 7))).astype(np.uint8)
    expected = [slow_iou(p, t, ignore) for p, t in zip(predicted, truth, strict=True)]
    np.testing.assert_allclose(foreground_iou(predicted, truth, ignore), expected)
    assert foreground_iou(predicted[0], truth[0], ignore) == pytest.approx(expected[0])


def test_empty_masks():
    empty, some = np.zeros((4, 4), np.uint8), np.eye(4, dtype=np.uint8)
    assert foreground_iou(empty, empty) == 1
    assert foreground_iou(empty, some) == foreground_iou(some, empty) == 0
    assert foreground_iou(some, np.full((4, 4), 255, np.uint8)) == 1


def test_bool_masks():
    assert foreground_iou(np.array([[True, True]]), np.array([[True, False]])) == 0.5


@pytest.mark.parametrize("shapes", [((4, 4), (4, 5)), ((4,), (4,))])
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match="of one shape"):
        foreground_iou(np.zeros(shapes[0]), np.zeros(shapes[1]))
