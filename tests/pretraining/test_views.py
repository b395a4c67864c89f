import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional as transforms

from bdgan_cli.pretraining import views
from bdgan_cli.pretraining.views import ViewRule, contrastive_view, crop_box, jittered, segmentation_view, view_stream
from bdgan_cli.training.order import Visit

RULE = ViewRule(size=32)
PLAIN = ViewRule(size=32, jitter_share=0, grey_share=0, blur_share=0, flip_share=0)


def picture(height=40, width=60, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def stream(view=0, seed=0, row=0, epoch=0):
    return view_stream(seed, Visit(epoch, row), view)


def test_a_view_is_a_function_of_its_name():
    same = [contrastive_view(picture(), RULE, stream()) for _ in range(2)]
    assert np.array_equal(*same)
    others = [stream(view=1), stream(seed=1), stream(row=1), stream(epoch=1)]
    assert all(not np.array_equal(same[0], contrastive_view(picture(), RULE, other)) for other in others)


@pytest.mark.parametrize("size_hw", [(40, 60), (200, 17), (5, 300), (1, 1), (32, 32)])
def test_any_picture_becomes_a_square(size_hw):
    for row in range(20):
        view = contrastive_view(picture(*size_hw), RULE, stream(row=row))
        assert (view.shape, view.dtype) == ((32, 32, 3), np.uint8)


def test_boxes_have_the_areas_and_aspects_asked_for():
    boxes = [crop_box((300, 400), (0.2, 1.0), stream(row=row)) for row in range(400)]
    areas = np.array([box.height * box.width / 120000 for box in boxes])
    aspects = np.array([box.width / box.height for box in boxes])
    assert all(0 <= b.y <= 300 - b.height and 0 <= b.x <= 400 - b.width for b in boxes)
    assert 0.19 < areas.min() < 0.25
    assert areas.max() > 0.9
    assert 0.74 < aspects.min() < 0.8
    assert 1.28 < aspects.max() < 1.36
    # Every place is reached, corners included.
    assert min(b.y for b in boxes) == min(b.x for b in boxes) == 0


def test_where_no_box_fits_the_middle_is_taken():
    box = crop_box((10, 1000), (0.9, 1.0), stream())
    assert (box.height, box.width) == (10, 13)
    assert box.x == (1000 - 13) // 2


@pytest.mark.parametrize("change", range(4))
def test_each_colour_change_is_torchvisions(change, monkeypatch):
    """Brightness, contrast, saturation and hue, one at a time, against an implementation of its own."""
    functions = [
        transforms.adjust_brightness, transforms.adjust_contrast, transforms.adjust_saturation, transforms.adjust_hue,
    ]  # fmt: skip

    class One:
        def __init__(self):
            self.factors = iter([1.3, 0.7, 1.4, 0.08])

        def uniform(self, low, high):
            value = next(self.factors)
            assert low <= value <= high
            return value

        def permutation(self, count):
            assert count == 4
            return [change]

    factor = [1.3, 0.7, 1.4, 0.08][change]
    found = jittered(picture(), (0.4, 0.4, 0.4, 0.1), One())
    expected = np.asarray(functions[change](Image.fromarray(picture()), factor))
    difference = np.abs(found.astype(int) - expected.astype(int))
    # Pillow rounds hue to 1/256 of a turn and saturation to 8 bits on the way.
    assert difference.max() <= (12 if change == 3 else 2)
    assert difference.mean() < (2.5 if change == 3 else 1)


def test_shares_are_kept_and_grey_is_grey():
    grey = ViewRule(size=16, jitter_share=0, grey_share=0.2, blur_share=0, flip_share=0)
    made = [contrastive_view(picture(), grey, stream(row=row)) for row in range(500)]
    share = np.mean([np.ptp(view.astype(int), axis=2).max() == 0 for view in made])
    assert 0.14 < share < 0.26


def test_flip_and_blur():
    flipped = ViewRule(size=32, jitter_share=0, grey_share=0, blur_share=0, flip_share=1)
    plain = contrastive_view(picture(), PLAIN, stream())
    assert np.array_equal(contrastive_view(picture(), flipped, stream()), plain[:, ::-1])
    blurred = ViewRule(size=32, jitter_share=0, grey_share=0, blur_share=1, blur_px=(1, 2), flip_share=0)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    views_of_noise = [contrastive_view(noise, rule, stream()).astype(float) for rule in (PLAIN, blurred)]
    assert np.diff(views_of_noise[1], axis=0).std() < np.diff(views_of_noise[0], axis=0).std()


def test_the_mask_goes_with_the_picture_and_colours_stay():
    mask = np.zeros((40, 60), np.int16)
    mask[10:30, 20:40] = 3
    mask[:5] = -1
    marked = np.where(mask[:, :, None] == 3, np.uint8([200, 30, 10]), np.uint8([20, 40, 60]))
    for row in range(30):
        view, cut = segmentation_view(marked, mask, RULE, stream(row=row))
        assert set(np.unique(cut)) <= {-1, 0, 3}
        inside = view[:, :, 0] > 110
        assert (inside == (cut == 3)).mean() > 0.93
        assert view.max() <= 200  # no jitter


def test_large_pictures_are_averaged_not_sampled():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[::2] = 200
    whole = ViewRule(size=32, scale=(1.0, 1.0), jitter_share=0, grey_share=0, blur_share=0, flip_share=0)
    assert np.abs(contrastive_view(stripes, whole, stream()).astype(int) - 100).mean() < 12
    assert views._RATIOS == (3 / 4, 4 / 3)
