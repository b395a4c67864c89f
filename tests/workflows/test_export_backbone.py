"""Exports against their readers, where these can be installed; Detectron2's against a statement of its own names."""

import importlib
import importlib.util
import io
import pickle
import sys
import types
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

from bdgan_cli import runs
from bdgan_cli.backbones import ARCHITECTURES, ResNet
from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.pretraining.layouts import LAYOUTS
from bdgan_cli.weights.backbones import BackboneCard, save_backbone
from bdgan_cli.workflows.export_backbone import ExportBackboneConfig, export_backbone

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
each_arch = pytest.mark.parametrize("arch", ["resnet18", "resnet50"])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("workspace")
    for arch in ARCHITECTURES:
        torch.manual_seed(1)
        backbone = ResNet(ARCHITECTURES[arch])
        for name, buffer in backbone.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
        folder = runs.backbone_folder(root, arch)
        folder.mkdir(parents=True)
        save_backbone(folder, BackboneCard(arch, arch), backbone)
    return root


@pytest.fixture(scope="module")
def export(workspace):
    """Export once for all tests; they only read."""

    @cache
    def run(arch, tool):
        out = workspace / "out" / f"{arch}-{tool}"
        result = export_backbone(ExportBackboneConfig(arch, tool, out, workspace))
        return out / result.files[0], result

    return run


def ours(arch, images):
    torch.manual_seed(1)
    backbone = ResNet(ARCHITECTURES[arch])
    for name, buffer in backbone.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    with torch.no_grad():
        return backbone.eval()(images)


def picture(size=64):
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(2))


def assert_same(found, arch):
    for theirs, expected in zip(found, ours(arch, picture()), strict=True):
        torch.testing.assert_close(theirs, expected, **TOLERANCE)


@each_arch
def test_torchvision(export, arch):
    models = importlib.import_module("torchvision.models")
    path, _ = export(arch, "torchvision")
    model = getattr(models, arch)()
    left = model.load_state_dict(torch.load(path, weights_only=True), strict=False)
    assert (left.missing_keys, left.unexpected_keys) == (["fc.weight", "fc.bias"], [])
    utils = importlib.import_module("torchvision.models._utils")
    layers = utils.IntermediateLayerGetter(model.eval(), {f"layer{n}": str(n) for n in range(1, 5)})
    with torch.no_grad():
        assert_same(layers(picture()).values(), arch)


@each_arch
def test_timm(export, arch):
    timm = pytest.importorskip("timm")
    path, _ = export(arch, "timm")
    model = timm.create_model(arch, num_classes=0, checkpoint_path=str(path)).eval()
    with torch.no_grad():
        torch.testing.assert_close(model.forward_features(picture()), ours(arch, picture())[-1], **TOLERANCE)


@pytest.fixture
def mmseg_resnet():
    """MMSegmentation's backbone; mmcv-lite lacks operators that other parts of it want."""
    pytest.importorskip("mmcv")
    if "mmcv._ext" not in sys.modules and importlib.util.find_spec("mmcv._ext") is None:
        extension = types.ModuleType("mmcv._ext")
        extension.__dict__["__getattr__"] = lambda name: None
        sys.modules["mmcv._ext"] = extension
    return pytest.importorskip("mmseg.models.backbones").ResNet


@each_arch
def test_mmsegmentation(export, mmseg_resnet, arch):
    load_checkpoint = importlib.import_module("mmengine.runner").load_checkpoint
    path, _ = export(arch, "mmseg")
    model = mmseg_resnet(int(arch.removeprefix("resnet")), norm_eval=False, style="pytorch")
    load_checkpoint(model, str(path), strict=True)
    model.eval()  # returns nothing here
    with torch.no_grad():
        assert_same(model(picture()), arch)


def test_the_dilated_backbone_of_the_configs(export, mmseg_resnet):
    """As the configs build it, against torchvision's dilated network with the same weights."""
    config = importlib.import_module("mmengine").Config
    path, _ = export("resnet50", "mmseg")
    asked = config.fromfile(path.parent / "fcn_r50-d8_voc.py").model.backbone.to_dict()
    asked = {key: value for key, value in asked.items() if key not in ("type", "init_cfg", "norm_cfg")}
    model = mmseg_resnet(**asked)
    importlib.import_module("mmengine.runner").load_checkpoint(model, str(path), strict=True)
    model.eval()
    models = importlib.import_module("torchvision.models")
    reference = models.resnet50(replace_stride_with_dilation=[False, True, True])
    reference.load_state_dict(torch.load(path, weights_only=True)["state_dict"], strict=False)
    reference.avgpool = reference.fc = nn.Identity()
    with torch.no_grad():
        found = model(picture())[-1]
        torch.testing.assert_close(found.flatten(1), reference.eval()(picture()), **TOLERANCE)


@pytest.mark.parametrize("name", ["fcn_r50-d8_voc.py", "fcn_r50-d8_cityscapes.py"])
def test_mmsegmentation_configs_are_read_by_mmengine(export, name):
    config = pytest.importorskip("mmengine").Config
    path, result = export("resnet50", "mmseg")
    read = config.fromfile(path.parent / name)
    assert read.model.backbone.init_cfg.checkpoint == path.name
    assert name in result.files
    expected = {"voc": (21, 20000, (512, 512), 4, False), "cityscapes": (19, 40000, (769, 769), 2, True)}
    head, batch = read.model.decode_head, read.train_dataloader.batch_size
    told = (head.num_classes, read.train_cfg.max_iters, tuple(read.crop_size), batch, head.align_corners)
    assert told == expected[name.removeprefix("fcn_r50-d8_").removesuffix(".py")]
    assert (read.optim_wrapper.optimizer.lr, read.optim_wrapper.optimizer.weight_decay) == (0.01, 5e-4)
    assert (read.param_scheduler[0].power, read.param_scheduler[0].eta_min) == (0.9, 1e-4)
    assert (read.model.auxiliary_head.in_index, read.model.auxiliary_head.loss_decode.loss_weight) == (2, 0.4)


def detectron2_names(depths, bottleneck, width=64):
    """Names and shapes of the parameters of Detectron2's ResNet, stated without reference to our code."""

    def norm(name, channels):
        return {f"{name}.norm.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}

    shapes = {"stem.conv1.weight": (width, 3, 7, 7), **norm("stem.conv1", width)}
    inside = width
    for stage, depth in enumerate(depths):
        planes = width * 2**stage
        outside = planes * (4 if bottleneck else 1)
        for block in range(depth):
            prefix = f"res{stage + 2}.{block}"
            if inside != outside:
                shapes[f"{prefix}.shortcut.weight"] = (outside, inside, 1, 1)
                shapes |= norm(f"{prefix}.shortcut", outside)
            convolutions = (
                [(planes, inside, 1), (planes, planes, 3), (outside, planes, 1)]
                if bottleneck
                else [(planes, inside, 3), (planes, planes, 3)]
            )
            for number, (out, into, kernel) in enumerate(convolutions, 1):
                shapes[f"{prefix}.conv{number}.weight"] = (out, into, kernel, kernel)
                shapes |= norm(f"{prefix}.conv{number}", out)
            inside = outside
    return shapes


def detectron2_forward(w, images, depths, bottleneck):
    """The features from those names alone."""

    def convolve(x, name, stride=1):
        weight = w[f"{name}.weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var, gain, bias = (w[f"{name}.norm.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, mean, var, gain, bias, eps=1e-5)

    x = functional.max_pool2d(convolve(images, "stem.conv1", 2).relu(), 3, 2, 1)
    maps = []
    for stage, depth in enumerate(depths):
        for block in range(depth):
            prefix, stride = f"res{stage + 2}.{block}", 2 if stage and not block else 1
            y, last = x, 3 if bottleneck else 2
            for number in range(1, last + 1):  # STRIDE_IN_1X1: False
                y = convolve(y, f"{prefix}.conv{number}", stride if number == (2 if bottleneck else 1) else 1)
                y = y.relu() if number < last else y
            has_shortcut = f"{prefix}.shortcut.weight" in w
            x = (y + (convolve(x, f"{prefix}.shortcut", stride) if has_shortcut else x)).relu()
        maps.append(x)
    return maps


@pytest.mark.parametrize(
    ("arch", "depths", "bottleneck"), [("resnet50", (3, 4, 6, 3), True), ("resnet18", (2, 2, 2, 2), False)]
)
def test_detectron2(export, arch, depths, bottleneck):
    path, _ = export(arch, "detectron2")
    content = pickle.loads(path.read_bytes())
    assert set(content) == {"model", "__author__", "matching_heuristics"}
    assert content["matching_heuristics"] is True
    arrays = content["model"]
    assert {name: array.shape for name, array in arrays.items()} == detectron2_names(depths, bottleneck)
    assert all(array.dtype == "float32" and array.flags.writeable for array in arrays.values())
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    assert_same(detectron2_forward(tensors, picture(), depths, bottleneck), arch)


def test_the_pickle_names_only_what_every_version_of_numpy_has(export):
    path, _ = export("resnet18", "detectron2")
    named = set()

    class Recording(pickle.Unpickler):
        def find_class(self, module, name):
            named.add(f"{module}.{name}")
            return super().find_class(module, name)

    Recording(io.BytesIO(path.read_bytes())).load()
    assert named == {"numpy.ndarray", "builtins.bytearray"}


@pytest.mark.parametrize("name", ["voc_detection", "coco_1x", "coco_2x", "cityscapes_instance"])
def test_detectron2_configs(export, name):
    path, result = export("resnet50", "detectron2")
    text = (path.parent / f"{name}.yaml").read_text()
    read = yaml.safe_load(text)
    assert "@" not in text
    assert f"{name}.yaml" in result.files
    model, solver = read["MODEL"], read["SOLVER"]
    assert model["WEIGHTS"] == path.name
    assert (read["INPUT"]["FORMAT"], model["RESNETS"]["STRIDE_IN_1X1"]) == ("RGB", False)
    assert (model["RESNETS"]["NORM"], model["BACKBONE"]["FREEZE_AT"]) == ("SyncBN", 0)
    assert read["TEST"]["PRECISE_BN"]["ENABLED"] is True
    expected = {
        "voc_detection": (24000, "(18000, 22000)", 16, 0.02), "coco_1x": (90000, "(60000, 80000)", 16, 0.02),
        "coco_2x": (180000, "(120000, 160000)", 16, 0.02), "cityscapes_instance": (24000, "(18000,)", 8, 0.01),
    }  # fmt: skip
    told = (solver["MAX_ITER"], solver["STEPS"], solver["IMS_PER_BATCH"], solver["BASE_LR"])
    assert told == expected[name]
    assert model["ROI_HEADS"]["NUM_CLASSES"] == {"v": 20, "c": 80}.get(name[0] if "cityscapes" not in name else "", 8)


def test_the_script_beside_them_is_python_and_the_readmes_are_filled_in(export):
    path, _ = export("resnet50", "detectron2")
    script = (path.parent / "train_net.py").read_text()
    compile(script, "train_net.py", "exec")
    head = yaml.safe_load((path.parent / "voc_detection.yaml").read_text())["MODEL"]["ROI_HEADS"]["NAME"]
    assert f"class {head}(" in script
    for tool in LAYOUTS:
        path, _ = export("resnet18", tool)
        readme = (path.parent / "README.md").read_text()
        assert path.name in readme
        assert "@" not in readme


@pytest.mark.parametrize("tool", ["torchvision", "timm"])
def test_what_the_readmes_say_works(export, monkeypatch, tool):
    pytest.importorskip(tool)
    path, _ = export("resnet18", tool)
    lines = [line[4:] for line in (path.parent / "README.md").read_text().splitlines() if line.startswith("    ")]
    monkeypatch.chdir(path.parent)
    exec("\n".join(lines), {})


def test_other_architectures_come_without_configs(export):
    assert export("resnet18", "detectron2")[1].files == ["resnet18.pkl", "README.md"]


def test_what_cannot_be_exported(workspace, tmp_path):
    def config(**changes):
        return ExportBackboneConfig(**{"backbone": "resnet18", "tool": "timm", "out": tmp_path / "out"} | changes)

    with pytest.raises(UsageError, match="is a resnet18-narrow, which timm does not have"):
        export_backbone(config(backbone="resnet18-narrow", workspace=workspace))
    with pytest.raises(UsageError, match="unknown tool 'tim'") as caught:
        export_backbone(config(tool="tim", workspace=workspace))
    assert "timm" in caught.value.hint
    with pytest.raises(MissingError, match="no backbone 'resnet18'"):
        export_backbone(config(workspace=tmp_path))


def test_files_are_replaced_only_when_asked(workspace, tmp_path):
    config = ExportBackboneConfig("resnet18", "timm", tmp_path / "out", workspace)
    assert export_backbone(ExportBackboneConfig("resnet18", "timm", tmp_path / "out", workspace, dry_run=True)).files
    assert not (tmp_path / "out").exists()
    result = export_backbone(config)
    (result.out / "README.md").unlink()  # as if the export had been killed
    export_backbone(config)
    (result.out / "README.md").write_text("the user's own")
    with pytest.raises(UsageError, match="exists already"):
        export_backbone(config)
    export_backbone(ExportBackboneConfig("resnet18", "timm", tmp_path / "out", workspace, overwrite=True))


def test_the_command_line(run_cli, workspace, tmp_path):
    done = run_cli("pretrain", "export", "resnet50", "--to", "mmseg", "--out", tmp_path / "m", "--workspace", workspace)
    assert done.code == 0, done.stderr
    assert "resnet50.pth" in done.stdout
    assert sorted(path.name for path in Path(tmp_path / "m").iterdir()) == [
        "README.md", "fcn_r50-d8_cityscapes.py", "fcn_r50-d8_voc.py", "resnet50.pth",
    ]  # fmt: skip


def test_the_layouts_rename_and_keep_every_tensor():
    tensors = ResNet(ARCHITECTURES["resnet18"]).state_dict()
    for rename in LAYOUTS.values():
        assert len(rename(tensors)) == len(tensors)
