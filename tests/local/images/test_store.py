"""The store of images: what is kept, what is removed when, and two processes at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbay_local.contexts import StoreUnavailable
from agentbay_local.images.faults import ImageGone, ImageTaken, UnfitImageName
from agentbay_local.images.image import Image
from agentbay_local.images.store import Images, Kept, fit_name

BASE = Image("linux_latest", "linux_latest")


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    made = Images(tmp_path / "data" / "images")
    yield made
    made.leave()


def build(images: Images, name: str, base: Image = BASE, *, replace: bool = False, root: bool = False) -> Kept:
    """An image with a program and a file in it."""
    with images.staged() as staged:
        for folder in ("usr/bin", "home/wuying"):
            (staged.system / folder).mkdir(parents=True)
            (staged.system / folder / name).write_text(name)
        below = Image(name, base.family, () if root else base.layers, root or base.root)
        return images.keep_build(staged, name, below, "test", replace=replace)


def snapshot(images: Images, name: str, base: Image) -> Kept:
    with images.staged() as staged:
        (staged.files / "home" / "wuying").mkdir(parents=True)
        (staged.files / "home" / "wuying" / name).write_text(name)
        return images.keep_snapshot(staged, name, base, "test")


def layers(images: Images) -> list[str]:
    return sorted(os.listdir(images.folder / "layers"))


def shown(image: Image) -> list[list[str]]:
    """The files in each layer, the newest first."""
    return [
        sorted(str(path.relative_to(layer)) for path in layer.rglob("*") if path.is_file()) for layer in image.layers
    ]


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "Tools-1.2_x", "imgc-abc", "x" * 63, "latest", "1_latest_2"])
def test_a_name_of_letters_digits_and_three_signs_is_fit(name: str) -> None:
    assert fit_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "_a", ".a", "a/b", "a b", "é", "a\n", "x" * 64, "linux_latest", "mobile_latest"]
)
def test_what_cannot_be_a_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(UnfitImageName, match="cannot be the name of an image: "):
        fit_name(name)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "none"])
def test_what_is_no_image_is_not_found(images: Images, name: str) -> None:
    assert (images.find(name), images.remove(name)) == (None, False)


# --- Coming -----------------------------------------------------------------------------------------------------------


def test_nothing_is_touched_before_an_image_is_made(images: Images) -> None:
    assert (images.all(), images.find("tools"), images.folder.exists()) == ([], None, False)


def test_what_was_built_is_found_by_every_process_with_the_folder(images: Images) -> None:
    kept = build(images, "tools")
    found = Images(images.folder).find("tools")
    assert found == kept
    assert (kept.name, kept.family, kept.source, kept.size > 0) == ("tools", "linux_latest", "test", True)
    assert shown(images.image(kept)) == [["home/wuying/tools"], ["usr/bin/tools"]]


def test_an_image_stands_on_the_layers_of_its_base(images: Images) -> None:
    first = images.image(build(images, "first"))
    second = images.image(build(images, "second", first))
    assert second.layers[2:] == first.layers
    assert [len(shown(second)), second.family] == [4, "linux_latest"]


def test_a_snapshot_stands_for_all_files_below_it(images: Images) -> None:
    built = images.image(build(images, "built"))
    taken = images.image(snapshot(images, "taken", built))
    again = images.image(snapshot(images, "again", taken))
    assert shown(taken) == [["home/wuying/taken"], ["usr/bin/built"]]
    assert shown(again) == [["home/wuying/again"], ["usr/bin/built"]]


def test_a_root_of_its_own_has_nothing_below_it(images: Images) -> None:
    base = images.image(build(images, "base"))
    kept = build(images, "root", base, root=True)
    assert (kept.root, shown(images.image(kept))) == (True, [["home/wuying/root"], ["usr/bin/root"]])
    assert images.image(build(images, "over", images.image(kept))).root


def test_a_name_that_is_taken_is_refused_and_nothing_is_left(images: Images) -> None:
    kept = build(images, "tools")
    with pytest.raises(ImageTaken, match="agentbay image rm"):
        build(images, "tools")
    assert (images.all(), layers(images)) == ([kept], sorted(kept.ids))


def test_an_image_can_be_replaced_and_its_old_layers_go(images: Images) -> None:
    build(images, "tools")
    kept = build(images, "tools", replace=True)
    assert (images.all(), layers(images)) == ([kept], sorted(kept.ids))


def test_what_is_not_kept_is_thrown_away(images: Images) -> None:
    with images.staged() as staged:
        (staged.system / "usr").mkdir(parents=True)
        assert len(layers(images)) == 1
    assert layers(images) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    images = Images(tmp_path / "file" / "images")
    with pytest.raises(StoreUnavailable, match="choose another with --data"), images.staged():
        pass


def make_many(folder: Path, number: int) -> None:
    images = Images(folder)
    for turn in range(5):
        build(images, f"image-{number}-{turn}")
        build(images, "shared", replace=True)
        images.remove(f"image-{number}-{turn - 1}")
    images.leave()


def test_builders_at_once_do_each_other_no_harm(images: Images) -> None:
    spawn = multiprocessing.get_context("forkserver")
    works = [spawn.Process(target=make_many, args=(images.folder, number)) for number in range(2)]
    for work in works:
        work.start()
    for work in works:
        work.join()
    found = images.all()
    assert [work.exitcode for work in works] == [0, 0]
    assert [each.name for each in found] == ["image-0-4", "image-1-4", "shared"]
    images.sweep()
    assert layers(images) == sorted(name for each in found for name in each.ids)
    assert all(shown(images.image(each))[1] for each in found)


# --- Going ------------------------------------------------------------------------------------------------------------


def test_layers_stay_while_another_image_stands_on_them(images: Images) -> None:
    first = build(images, "first")
    second = build(images, "second", images.image(first))
    assert images.remove("first")
    assert layers(images) == sorted(second.ids)
    assert images.remove("second")
    assert layers(images) == []


def test_layers_stay_while_somebody_holds_them(images: Images) -> None:
    kept = build(images, "tools")
    with images.held(images.image(kept)):
        assert images.remove("tools")
        assert (images.find("tools"), images.there(kept.layers)) == (None, True)
    images.sweep()
    assert (layers(images), images.there(kept.layers)) == ([], False)


def test_an_image_whose_layers_are_gone_cannot_be_held(images: Images) -> None:
    image = images.image(build(images, "tools"))
    images.remove("tools")
    with pytest.raises(ImageGone, match="tools is gone"), images.held(image):
        pass


def test_holding_lets_go_of_all_if_one_layer_is_gone(images: Images) -> None:
    first = images.image(build(images, "first"))
    second = images.image(build(images, "second"))
    images.remove("second")
    before = len(os.listdir("/proc/self/fd"))
    both = Image("both", "linux_latest", first.layers + second.layers)
    with pytest.raises(ImageGone), images.held(both):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_killed_process_left_goes_with_the_next_one(images: Images) -> None:
    kept = build(images, "tools")
    left = images.folder / "layers" / "part-0123456789abcdef-00"
    (left / "system" / "shut").mkdir(parents=True)
    (left / "system" / "shut").chmod(0)
    (images.folder / "layers" / "part-0123456789abcdef-01").write_text("{")
    images.sweep()
    assert layers(images) == sorted(kept.ids)


def test_programs_that_tidy_up_at_once_do_not_disturb_each_other(images: Images) -> None:
    kept = build(images, "tools")
    for number in range(40):
        (images.folder / "layers" / f"part-0123456789abcdef-{number:02}" / "a/b/c").mkdir(parents=True)
    together, wrong = threading.Barrier(4), []

    def tidy() -> None:
        mine = Images(images.folder)
        together.wait(10)
        try:
            mine.sweep()
        except StoreUnavailable as error:
            wrong.append(str(error))
        mine.leave()

    threads = [threading.Thread(target=tidy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, layers(images)) == ([], sorted(kept.ids))


def test_a_layer_whose_image_cannot_be_written_down_goes_at_once(images: Images) -> None:
    with images.staged() as staged:
        (staged.system / "usr").mkdir(parents=True)
        (images.folder / "tools.json").mkdir()  # in the way
        with pytest.raises(StoreUnavailable):
            images.keep_build(staged, "tools", BASE, "test", replace=True)
    assert layers(images) == []


def test_what_another_process_is_making_stays(images: Images) -> None:
    other = Images(images.folder)
    with other.staged() as staged:
        images.sweep()
        assert staged.folder.is_dir()
    other.leave()


def test_nothing_is_removed_while_an_image_cannot_be_read(images: Images, caplog: pytest.LogCaptureFixture) -> None:
    kept = build(images, "tools")
    (images.folder / "tools.json").write_text(json.dumps({"version": 99}))
    images.sweep()
    assert (images.all(), layers(images)) == ([], sorted(kept.ids))
    assert "an image is left alone" in caplog.text
    images.remove("tools")
    assert layers(images) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"version": 1}', '{"version": 1, "name": 3}'])
def test_a_damaged_file_is_passed_over(images: Images, text: str) -> None:
    build(images, "good")
    (images.folder / "bad.json").write_text(text)
    assert ([each.name for each in images.all()], images.find("bad")) == (["good"], None)


def test_many_threads_hold_and_remove_at_once(images: Images) -> None:
    image = images.image(build(images, "tools"))
    wrong: list[str] = []

    def use() -> None:
        try:
            with images.held(image):
                if not all(shown(image)):
                    wrong.append("a layer went while it was held")
        except ImageGone:
            pass

    threads = [threading.Thread(target=use) for _ in range(20)]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 10:
            images.remove("tools")
    for thread in threads:
        thread.join()
    images.sweep()
    assert (wrong, layers(images)) == ([], [])
