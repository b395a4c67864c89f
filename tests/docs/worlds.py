"""What lies in a reader's folder before the commands of a page are typed: small real files, made where we are."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli.cli.main import main
from bdgan_cli.dataset.codecs import encode_image, encode_mask
from bdgan_cli.dataset.interchange.labelme import format_labelme
from bdgan_cli.dataset.interchange.labelstudio import format_task
from bdgan_cli.dataset.interchange.polygons import label_masks, label_rings
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.imagenet import imagenet_classes
from tests.dataset.release import add_sample, write_release
from tests.docs.pages import blocks
from tests.helpers import exact_masks
from tests.workflows.benchmark.sets import CATS, DOGS, samples, view, write

# Three cats, dogs and cars of ImageNet each: classes of the tasks mc16 and mc992, and one of dog.
ANIMALS = tuple(ClassEntry(number, *imagenet_classes()[number][1:3]) for number in (151, 281, 407))


def bdgan(*words: object) -> None:
    """Run a command that prepares something."""
    assert main([*map(str, words), *(["-q"] if words[0] in ("sample", "train-head", "data") else [])]) == 0


def photographs(folder: str, kind: str = "real", seed: int = 0, count: int = 9, views: tuple[str, ...] = ()) -> None:
    """Write a dataset of ImageNet's classes."""
    address = write(Path(folder), samples(count, classes=ANIMALS, seed=seed), kind=kind, classes=ANIMALS)
    for name in views:
        view(address, name, open_dataset(address).keys()[: count - 2])


def pets(
    folder: str, seed: int = 0, views: tuple[str, ...] = (), classes: tuple[ClassEntry, ...] = (CATS, DOGS)
) -> None:
    """Write a dataset of cats and dogs."""
    address = write(Path(folder), samples(12, classes=classes, seed=seed), classes=classes)
    for name in views:
        view(address, name, open_dataset(address).keys()[:10])


def shapes(name: str, seed: int, *more: str, per_class: int = 4) -> None:
    """Sample a dataset of the embedded world."""
    bdgan("sample", "--exact-labels", "--per-class", per_class, "--name", name, "--seed", seed, *more)


def labelled_shapes() -> None:
    """Sample a dataset with a head, filtered."""
    shapes("tiny-biggan-annotated", 0, per_class=2)
    bdgan("train-head", "--members", 2, "--steps", 2)
    bdgan("sample", "--per-class", 4)
    assert main(["filter"]) == 0


def parts() -> None:
    """Sample what two jobs of an array leave."""
    shapes("part-0", 0, "--classes", "0-1", per_class=1)
    shapes("part-1", 0, "--classes", "2-3", per_class=1)


def folder_of_pictures(folder: str, count: int = 4, size: int = 64) -> None:
    """Write plain pictures, in folders by class as ImageNet has them."""
    for sample in samples(count, classes=ANIMALS, size=(size, size)):
        path = Path(folder) / sample.wnid / f"{sample.key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_image(sample.image, "png"))


def readme() -> None:
    """Prepare what the front page's words stand for."""
    pets("A", 1)
    pets("B", 2)
    bdgan("data", "export", "A", "VOC2012", "--to", "voc")
    write_release(Path("DIR"), size=512)
    folder_of_pictures("PICTURES")
    assert main(["annotate", "plan", "--classes", "0-1", "--per-class", "1", "--name", "PLAN", "-q"]) == 0
    draw_with_labelme("annotations/PLAN")


def coco() -> None:
    """Write COCO's file for two pictures of cats and dogs, with their ids there."""
    Path("val2017").mkdir()
    images, annotations = [], []
    for number, sample in enumerate(samples(4, classes=(CATS, DOGS)), start=1):
        (Path("val2017") / f"{number:012d}.jpg").write_bytes(encode_image(sample.image, "jpg"))
        height, width = sample.image.shape[:2]
        images.append({"id": number, "file_name": f"{number:012d}.jpg", "height": height, "width": width})
        box = [5, 5, 30, 5, 30, 25, 5, 25]
        annotations.append({"id": number, "image_id": number, "category_id": 17 + number % 2, "segmentation": [box]})
    categories = [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    Path("instances_val2017.json").write_text(json.dumps(content))


def importing() -> None:
    """Write one source of every format; those that we export come from there."""
    write_release(Path("data"), size=512)
    pets("a")
    bdgan("data", "export", "a", "VOCdevkit/VOC2012", "--to", "voc", "--splits", "train=0.5,val=0.5")
    bdgan("data", "export", "a", "unpacked", "--to", "cvat")
    shutil.move("unpacked/JPEGImages", "frames")
    bdgan("data", "export", "a", "street", "--to", "yolo")
    bdgan("data", "export", "a", "studio", "--to", "labelstudio")
    shutil.copy("studio/tasks.json", "project-1.json")
    bdgan("data", "export", "a", "drawn", "--to", "labelme")
    shutil.copytree("drawn/images", "photos")
    coco()
    some = samples(3, classes=(CATS, DOGS))
    pictures = [{"bytes": encode_image(sample.image, "png"), "path": None} for sample in some]
    masks = [
        {"bytes": encode_mask(np.where(sample.mask == 1, 255, 0).astype(np.uint8)), "path": None} for sample in some
    ]
    Path("some-dataset").mkdir()
    pq.write_table(pa.table({"image": pictures, "annotation": masks}), "some-dataset/train.parquet")
    Path("shards").mkdir()
    with tarfile.open("shards/0.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for sample in some:
            for suffix, data in (("png", encode_image(sample.image, "png")), ("seg.png", encode_mask(sample.mask))):
                entry = tarfile.TarInfo(f"{sample.key}.{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def exporting() -> None:
    """Write the datasets that are exported, merged and split."""
    pets("datasets/pets", views=("clean",))
    pets("datasets/dogs", 1, classes=(DOGS,))
    pets("datasets/cats", 2, ("clean",), classes=(CATS,))
    photographs("datasets/biggan-512")


def benchmarking() -> None:
    """Write the sets of a benchmark of ImageNet's classes, in the folder and as the newest of the workspace."""
    for name, kind, seed in (("A", "annotated", 1), ("B", "sampled", 2), ("C", "real", 3), ("D", "real", 4)):
        photographs(name, kind, seed, views=("filtered",))
        photographs(f"datasets/{name}", kind, seed, views=("filtered",))
    breeds = (ClassEntry(1, "w1", "Abyssinian"), ClassEntry(2, "w2", "beagle"))
    drawn = [replace(sample, split="train" if sample.index < 8 else "test") for sample in samples(12, classes=breeds)]
    write(Path("datasets/pets"), drawn, classes=breeds)
    own_task()


def own_task() -> None:
    """Write the task that the page on tasks shows, with classes of ours."""
    Path("pets.toml").write_text(blocks("docs/tasks.md", "toml")[0])


def paper() -> None:
    """Write the release's layout with pictures of the stand-in's size, photographs, and unlabelled pictures."""
    for number, (class_id, wnid, _) in enumerate([imagenet_classes()[entry.id][:3] for entry in ANIMALS]):
        for index in (1, 2):
            add_sample(Path("data"), wnid, f"{wnid}_{class_id}_{index}", 2 * number + index, size=32)
    rows = ["id,class_name,class_id,wnid"]
    for sample in samples(9, classes=ANIMALS, seed=9):
        mask = np.where(sample.mask == 1, 255, 0).astype(np.uint8)
        for folder, data in (("images", encode_image(sample.image, "png")), ("masks", encode_mask(mask))):
            path = Path("photographs") / folder / f"{sample.key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        rows.append(f"{sample.key},{imagenet_classes()[sample.class_id].name},{sample.class_id},{sample.wnid}")
    Path("photographs/index.csv").write_text("\n".join(rows) + "\n")
    coco()
    folder_of_pictures("imagenet/train", size=72)


def tasks() -> None:
    """Write the task, annotated samples of ImageNet's classes, and COCO's file."""
    own_task()
    photographs("datasets/annotated", "annotated")
    coco()


def analysing() -> None:
    """Write the datasets that the pages on analyses name."""
    labelled_shapes()
    for seed, name in enumerate(("a", "b", "real", "large"), start=5):
        shapes(name, seed)
    pets("datasets/pets")
    photographs("datasets/biggan-512-sim", "sampled", 1)
    photographs("datasets/vqgan-sim", "sampled", 2)


def pretraining() -> None:
    """Write unlabelled pictures and a labelled set."""
    folder_of_pictures("imagenet/train", size=72)
    photographs("datasets/biggan-sim", "sampled", 1, views=("clean",))


def draw_with_labelme(plan: str) -> None:
    """Do what an annotator does with LabelMe."""
    for key, mask in exact_masks(Path(plan)).items():
        rings = [("object", ring) for _, ring in label_rings(mask)]
        (Path(plan) / "work" / f"{key}.json").write_bytes(format_labelme(f"{key}.png", mask.shape, rings))


def draw_with_label_studio(plan: str, export: str) -> None:
    """Do what an annotator does with Label Studio: the export holds every task with its brushes."""
    tasks = json.loads((Path(plan) / "work" / "tasks.json").read_text())
    masks = exact_masks(Path(plan))
    for task in tasks:
        key = task["data"]["bdgan_key"]
        regions = [("object", pixels) for _, pixels in label_masks(masks[key])]
        task["annotations"] = format_task(key, "", masks[key].shape, regions)["annotations"]
    Path(export).write_text(json.dumps(tasks))
