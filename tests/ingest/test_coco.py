"""Images with annotations in the format of COCO: what each sample gets, and files of annotations that are no good."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core.errors import BadFile, FilesRejected, InvalidInput

pytest.importorskip("ijson", reason="ijson is not installed")

CATEGORIES = [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 7, "name": "dog"}]


def annotation(number, image, category=3, box=(1, 2.5, 3, 4), **more):
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(box), "iscrowd": 0, **more}


POLYGON = [[1.5, 2.25, 3, 4, 5, 6.125]]
COCO = {
    "info": {"year": 2026},
    "annotations": [
        annotation(12, 1, 7, (0, 0, 10.25, 5)),
        annotation(11, 1, segmentation=POLYGON, area=12345.6789),
        annotation(13, 3, segmentation={"counts": [0, 5, 3], "size": [4, 4]}, iscrowd=1, note="größer"),
    ],
    "images": [
        {"id": 1, "file_name": "a.png", "width": 6, "height": 4},
        {"id": 2, "file_name": "b.png", "width": 6, "height": 4},
        {"id": 3, "file_name": "c.png", "width": 6, "height": 4},
    ],
    "categories": CATEGORIES,
}


@pytest.fixture
def annotated(tmp_path):
    """A folder of three images, and a function that writes their annotations and returns the path."""
    images = tmp_path / "val"
    images.mkdir()
    for number, name in enumerate("abc"):
        Image.fromarray(np.full((4, 6, 3), number, "u1")).save(images / f"{name}.png")

    def written(content=COCO):
        path = tmp_path / "annotations.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return images, written


def samples(repo, branch=None):
    co = repo.checkout(write=True)
    try:
        return {name: {key: aset[key] for key in aset} for name, aset in co.arraysets.items()}
    finally:
        co.close()


def test_each_image_gets_its_boxes_categories_and_all_else_as_text(repo, annotated):
    images, written = annotated
    receipt = repo.ingest("pets", images, coco=written())
    assert receipt.added == 3
    found = samples(repo)
    assert set(found) == {"pets", "pets.boxes", "pets.category", "pets.annotations"}
    assert found["pets"]["b"].max() == 1
    assert found["pets.boxes"]["a"].tolist() == [[1, 2.5, 3, 4], [0, 0, 10.25, 5]]
    assert found["pets.category"]["a"].tolist() == [3, 7]
    assert (found["pets.boxes"]["b"].shape, found["pets.category"]["b"].shape) == ((0, 4), (0,))
    first, second = json.loads(found["pets.annotations"]["a"])
    assert first == {**COCO["annotations"][1], "category": "cat"}
    assert second["category"] == "dog"
    assert json.loads(found["pets.annotations"]["b"]) == []
    assert json.loads(found["pets.annotations"]["c"]) == [{**COCO["annotations"][2], "category": "cat"}]


def test_names_may_have_folders_and_the_file_of_annotations_may_lie_among_the_images(repo, annotated):
    images, written = annotated
    content = {**COCO, "images": [{**one, "file_name": f"val/{one['file_name']}"} for one in COCO["images"]]}
    written(content)
    repo.ingest("pets", images.parent, coco=images.parent / "annotations.json")
    assert set(samples(repo)["pets"]) == {"val/a", "val/b", "val/c"}


def test_captions_have_no_boxes(repo, annotated):
    images, written = annotated
    captions = [{"id": 1, "image_id": 2, "caption": "a cat"}]
    repo.ingest("pets", images, coco=written({"images": COCO["images"], "annotations": captions}))
    found = samples(repo)
    assert set(found) == {"pets", "pets.annotations"}
    assert json.loads(found["pets.annotations"]["b"]) == captions


def test_a_second_import_reads_nothing_and_other_annotations_read_all_again(repo, annotated):
    images, written = annotated
    repo.ingest("pets", images, coco=written(), commit="first")
    again = repo.ingest("pets", images, coco=written(), commit="again")
    assert (again.unchanged, again.added, again.commit) == (3, 0, None)
    moved = {**COCO, "annotations": [annotation(11, 1), annotation(12, 1, 7, (9, 9, 9, 9)), COCO["annotations"][2]]}
    changed = repo.ingest("pets", images, coco=written(moved), overwrite=True)
    assert (changed.updated, changed.unchanged) == (1, 2)
    assert samples(repo)["pets.boxes"]["a"][1].tolist() == [9, 9, 9, 9]


def test_folders_may_make_labels_as_well_and_labels_that_are_asked_for_later_come_too(repo, annotated):
    images, written = annotated
    repo.ingest("pets", images, coco=written())
    assert repo.ingest("pets", images, coco=written(), labels_from_parent=True).added == 3
    assert samples(repo)["pets.label"] == dict.fromkeys("abc", "val")


def test_files_and_names_that_have_no_counterpart_are_told(repo, annotated):
    images, written = annotated
    content = {**COCO, "images": [*COCO["images"][1:], {"id": 1, "file_name": "gone.png"}]}
    receipt = repo.ingest("pets", images, coco=written(content), on_error="skip")
    assert [(one.code, one.source) for one in receipt.rejects] == [("not-annotated", str(images / "a.png"))]
    assert [(one.code, one.source) for one in receipt.ignored] == [("no-image", "gone.png")]
    assert receipt.added == 2


def test_two_files_cannot_be_the_same_image(repo, annotated):
    images, written = annotated
    (images / "more").mkdir()
    (images / "a.png").rename(images / "more" / "a.png")
    (images / "other").mkdir()
    Image.fromarray(np.zeros((4, 6, 3), "u1")).save(images / "other" / "a.png")
    with pytest.raises(FilesRejected) as refused:
        repo.ingest("pets", images, coco=written())
    assert [one.code for one in refused.value.rejects] == ["collision"]


def test_the_plan_shows_the_arraysets_and_a_worker_process_reads_the_same(repo, annotated, tmp_path):
    from hangar_core.ingest import Limits

    images, written = annotated
    plan = repo.plan_ingest("pets", images, coco=written())
    assert set(plan.arraysets) == {"pets", "pets.boxes", "pets.category", "pets.annotations"}
    for name in "abc":
        np.save(images / f"{name}.npy", np.arange(3))
        (images / f"{name}.png").unlink()
    content = {**COCO, "images": [{"id": i, "file_name": f"{n}.npy"} for i, n in enumerate("abc", 1)]}
    repo.ingest("pets", images, coco=written(content), jobs=2, limits=Limits(files=1))
    assert samples(repo)["pets.category"]["a"].tolist() == [3, 7]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("", "empty", "empty"),
        ("[]", "wrong-format", "no list `images`"),
        ("hello", "wrong-format", "no JSON"),
        (json.dumps(COCO)[:-40], "truncated", "ends early"),
        ('{"images": [1]}', "wrong-format", r"images\[0\] is no object"),
        ('{"images": [{"id": "1", "file_name": "a.png"}]}', "wrong-format", r"images\[0\] has no whole number `id`"),
        ('{"images": [{"id": 1}]}', "wrong-format", r"images\[0\] has no text `file_name`"),
        ({**COCO, "images": COCO["images"][:2]}, "wrong-format", "annotation 13 is of image 3"),
        ({**COCO, "images": [*COCO["images"], {"id": 9, "file_name": "a.png"}]}, "wrong-format", "alike"),
        ({**COCO, "categories": CATEGORIES[:1]}, "wrong-format", r"annotations\[0\] is of category 7"),
        ({**COCO, "annotations": [annotation(1, 1, box=(1, 2, 3))]}, "wrong-format", "not four numbers"),
        ({**COCO, "annotations": [annotation(1, 1, box=(1, 2, 3, "4"))]}, "wrong-format", "not four numbers"),
        ({**COCO, "annotations": [annotation(1, 1, box=(1, 2, 3, 1e300))]}, "wrong-format", "not four numbers"),
        ({**COCO, "annotations": [annotation(1, 1), annotation(1, 2)]}, "wrong-format", "alike"),
        (
            {**COCO, "annotations": [annotation(1, 1), {"id": 2, "image_id": 1, "category_id": 3}]},
            "wrong-format",
            "annotation 2 has no `bbox`",
        ),
        ({**COCO, "annotations": [annotation(2**63, 1)]}, "wrong-format", "integer overflow"),
    ],
)
def test_a_damaged_file_of_annotations_is_refused_before_anything_is_read(repo, annotated, content, code, words):
    images, written = annotated
    with pytest.raises(BadFile, match=words) as refused:
        repo.ingest("pets", images, coco=written(content))
    assert refused.value.code == code
    assert samples(repo) == {}
    assert not list((Path(repo.path) / ".hangar" / "tmp").glob("coco-*"))


def test_equal_images_may_have_different_annotations(repo, annotated):
    images, written = annotated
    with pytest.raises(InvalidInput, match="key"):
        repo.ingest("pets", images, coco=written(), key="sha")
