import numpy as np
import torch

from bdgan_cli.heads.labels import decide, probabilities, sample_losses


def numbers(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


def test_binary_loss_is_cross_entropy_over_the_judged_pixels():
    logits = numbers(2, 3, 1, 4, 4)
    masks = np.random.default_rng(0).choice([0, 1, 255], (3, 4, 4)).astype(np.uint8)
    losses = sample_losses(torch.from_numpy(logits), torch.from_numpy(masks))
    for m in range(2):
        for n in range(3):
            p = 1 / (1 + np.exp(-logits[m, n, 0]))
            judged = masks[n] != 255
            per_pixel = -np.where(masks[n] == 1, np.log(p), np.log(1 - p))
            np.testing.assert_allclose(losses[m, n], per_pixel[judged].mean())


def test_loss_over_labels_is_cross_entropy_over_the_judged_pixels():
    logits = numbers(2, 3, 4, 5, 5)
    masks = np.random.default_rng(1).choice([0, 1, 2, 3, 255], (3, 5, 5)).astype(np.uint8)
    losses = sample_losses(torch.from_numpy(logits), torch.from_numpy(masks))
    p = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    for m in range(2):
        for n in range(3):
            rows, columns = np.nonzero(masks[n] != 255)
            np.testing.assert_allclose(losses[m, n], -np.log(p[m, n, masks[n, rows, columns], rows, columns]).mean())


def test_a_mask_without_a_judged_pixel_costs_nothing():
    for labels in (1, 3):
        logits = torch.zeros(2, 1, labels, 4, 4, requires_grad=True)
        losses = sample_losses(logits, torch.full((1, 4, 4), 255, dtype=torch.uint8))
        losses.sum().backward()
        assert not losses.any()
        assert not logits.grad.any()


def test_probabilities_and_decision():
    one, many = torch.from_numpy(numbers(2, 3, 1, 4, 4)), torch.from_numpy(numbers(2, 3, 5, 4, 4))
    torch.testing.assert_close(probabilities(one), 1 / (1 + (-one).exp()))
    torch.testing.assert_close(probabilities(many).sum(2), torch.ones(2, 3, 4, 4, dtype=torch.float64))
    assert torch.equal(decide(torch.tensor([0.5, 0.51]).view(2, 1, 1, 1)).flatten(), torch.tensor([0, 1]).byte())
    assert torch.equal(decide(many[0]), many[0].argmax(1).byte())
