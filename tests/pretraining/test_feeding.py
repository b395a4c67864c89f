import numpy as np
import pytest

from bdgan_cli.errors import DataError
from bdgan_cli.pretraining.feeding import READABLE, Labelled, TwoViews
from bdgan_cli.pretraining.views import ViewRule
from bdgan_cli.training.order import Visit

RULE = ViewRule(size=16)


class Some:
    def __init__(self, broken=(), masks=False):
        self.broken, self.masks = set(broken), masks

    def __len__(self):
        return 8

    def read(self, row):
        if row in self.broken:
            raise DataError(f"picture {row} is cut short")
        image = np.full((20, 20, 3), 20 * row, np.uint8)
        return (image, np.full((20, 20), row, np.int16)) if self.masks else image


def test_two_views_of_one_picture():
    query, key, unreadable = TwoViews(Some(), RULE, 0).load(Visit(0, 3))
    assert query.shape == key.shape == (16, 16, 3)
    assert not np.array_equal(query, key)
    assert unreadable == READABLE


def test_an_unreadable_picture_is_replaced_alike_and_told():
    found = [TwoViews(Some(broken=[3]), RULE, 0).load(Visit(2, 3)) for _ in range(2)]
    assert found[0][2] == found[1][2] == 3
    assert all(np.array_equal(a, b) for a, b in zip(found[0][:2], found[1][:2], strict=True))


def test_a_labelled_view_and_its_replacement():
    view, mask, unreadable = Labelled(Some(masks=True), RULE, 0).load(Visit(0, 5))
    assert (view == 100).all()
    assert (mask == 5).all()
    assert unreadable == READABLE
    view, mask, unreadable = Labelled(Some(broken=[5], masks=True), RULE, 0).load(Visit(0, 5))
    assert unreadable == 5
    assert (view == 20 * mask[0, 0]).all()


def test_where_nothing_can_be_read_the_first_reason_is_told():
    with pytest.raises(DataError, match="picture 2 is cut short; so are 10 others"):
        TwoViews(Some(broken=range(8)), RULE, 0).load(Visit(0, 2))
