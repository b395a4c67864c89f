import pytest
import torch
import torch.nn.functional as F
from torchvision.models import Inception3

from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.evaluation.inception import InceptionFeatures
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.convert import convert, read_public
from bdgan_cli.weights.files import load_weights
from bdgan_cli.weights.layouts import inception as layout
from bdgan_cli.weights.registry import load_model


def public_shapes(classes=1008):
    """Names and shapes of the public file: torchvision's Inception-v3 without auxiliary classifier."""
    with torch.device("meta"):
        network = Inception3(num_classes=classes, aux_logits=False, init_weights=False)
    return {key: (value.shape, value.dtype) for key, value in network.state_dict().items()}


def is_feature(key):
    return not key.startswith("fc.") and not key.endswith("num_batches_tracked")


def test_names_shapes_and_size_are_those_of_the_public_file():
    shapes = public_shapes()
    # 95,628,359 bytes are published: 4 for each number, 8 for each counter, and some 150 for each name.
    numbers = sum(shape.numel() for key, (shape, _) in shapes.items() if "num_batches" not in key)
    assert len(shapes) == 566
    assert 0 < (95_628_359 - 4 * numbers - 8 * 94) / 566 < 200
    with torch.device("meta"):
        ours = InceptionFeatures().state_dict()
    kept = {key: shape for key, (shape, _) in shapes.items() if is_feature(key)}
    assert {key: value.shape for key, value in ours.items() if is_feature(key)} == kept
    assert sum(shape.numel() for key, shape in kept.items() if "running" not in key) == 21_785_568


@pytest.mark.parametrize("size", [(299, 299), (64, 80)])
def test_pictures_of_any_size_become_2048_features(size):
    with torch.device("meta"):
        network = InceptionFeatures().eval()
        assert network(torch.empty(2, 3, *size)).shape == (2, network.dimensions) == (2, 2048)


def average_without_padding(maps):
    """The mean of those of nine neighbours that exist, by loops."""
    out = torch.empty_like(maps)
    height, width = maps.shape[2:]
    for y in range(height):
        for x in range(width):
            window = maps[:, :, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            out[:, :, y, x] = window.mean((2, 3))
    return out


def largest(maps):
    padded = F.pad(maps, (1, 1, 1, 1), value=float("-inf"))
    height, width = maps.shape[2:]
    shifts = [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.stack(shifts).amax(0)


@pytest.mark.parametrize(
    ("name", "channels", "pooled", "pool"),
    [
        ("Mixed_5b", 192, 32, average_without_padding),
        ("Mixed_6c", 768, 192, average_without_padding),
        ("Mixed_7b", 1280, 192, average_without_padding),
        ("Mixed_7c", 2048, 192, largest),
    ],
)
def test_blocks_are_torchvisions_but_for_the_pool(name, channels, pooled, pool):
    torch.manual_seed(0)
    ours = InceptionFeatures().eval().get_submodule(name)
    theirs = Inception3(num_classes=1008, aux_logits=False, init_weights=False).eval().get_submodule(name)
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(1, channels, 5, 6)
    with torch.inference_mode():
        found, expected = ours(maps), theirs(maps)
        torch.testing.assert_close(found[:, :-pooled], expected[:, :-pooled])
        torch.testing.assert_close(found[:, -pooled:], ours.branch_pool(pool(maps)))
        assert not torch.allclose(found[:, -pooled:], expected[:, -pooled:])


def write(path, shapes, drop=(), **changes):
    torch.manual_seed(0)
    tensors = {key: torch.randn(shape).abs().to(dtype) for key, (shape, dtype) in shapes.items() if key not in drop}
    # As published in 2020: torch's format from before its archives.
    torch.save({**tensors, **changes}, path, _use_new_zipfile_serialization=False)
    return path


def test_the_public_file_is_converted_and_loads_strictly(tmp_path):
    found = read_public(write(tmp_path / "pt_inception.pth", public_shapes()))
    assert found.layout is layout
    convert(found, find_card("inception-fid"), tmp_path / "weights")
    network = InceptionFeatures()
    load_weights(network, tmp_path / "weights")
    assert torch.equal(network.state_dict()["Mixed_7c.branch1x1.bn.running_var"],
                       found.tensors["Mixed_7c.branch1x1.bn.running_var"])  # fmt: skip


def test_a_file_that_is_not_whole_is_refused(tmp_path):
    missing = "Mixed_6b.branch7x7_2.conv.weight"
    found = read_public(write(tmp_path / "w.pth", public_shapes(), drop=[missing]))
    convert(found, find_card("inception-fid"), tmp_path / "weights")
    with pytest.raises(DataError, match=f"1 keys missing .'{missing}'"):
        load_weights(InceptionFeatures(), tmp_path / "weights")


def test_an_inception_of_other_classes_is_refused():
    tensors = {key: torch.zeros(shape) for key, (shape, _) in public_shapes(1000).items()}
    assert layout.matches(tensors)
    with pytest.raises(DataError, match=r"fc.weight has shape \(1000, 2048\), expected \(1008, 2048\)"):
        layout.convert(tensors)


def test_embedded_features_are_what_the_classifier_decides_by():
    features, classifier = load_model("tiny-features", "features"), load_model("tiny-classifier")
    torch.manual_seed(0)
    images = torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        found = features(images)
        assert found.shape == (4, features.dimensions)
        torch.testing.assert_close(classifier.logits(found), classifier(images))
        assert features(torch.rand(2, 3, 90, 50)).shape == (2, features.dimensions)
    with pytest.raises(UsageError, match="tiny-classifier is a classifier, expected a features"):
        load_model("tiny-classifier", "features")
