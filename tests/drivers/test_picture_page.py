"""Finding the page, on 200 synthetic desks with known corners: rotation, perspective, shadow, clutter, white desks."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drivers._picture_output import Target, straightened
from drivers._picture_page import find_page
from simulators.desk_pictures import Desk, corners_of, draw_desk, random_desk, sheet_of

FIRST, COUNT = 2000, 200
WIDTH, HEIGHT = 1280, 720
FOUND = 0.02
"""A page counts as found when none of its corners is farther off than this part of its diagonal."""
MEDIAN_ERROR, SHARE_FOUND = 0.005, 0.97
LIKENESS = 0.95
CROP = (300, 424)

Floats = NDArray[np.float64]


def seen(desk: Desk) -> tuple[NDArray[np.uint8], Floats]:
    """Return a camera's picture of a desk, after JPEG, and the true corners."""
    view = draw_desk(desk, WIDTH, HEIGHT)
    _, data = cv2.imencode(".jpg", view.picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8), np.array(view.corners)


def corner_error(found: Floats, truth: Floats) -> float:
    """Return how far the worst corner is off, as a part of the page's diagonal."""
    diagonal = max(float(np.linalg.norm(truth[0] - truth[2])), float(np.linalg.norm(truth[1] - truth[3])))
    errors = [np.linalg.norm(np.roll(found, turn, axis=0) - truth, axis=1).max() for turn in range(4)]
    return float(min(errors)) / diagonal


def likeness(desk: Desk, picture: NDArray[np.uint8], corners: Floats) -> float:
    """Return how much the crop is like the sheet itself: the correlation of both, in the best quarter turn."""
    truth = corners_of(desk, WIDTH, HEIGHT)
    sheet = cv2.cvtColor(sheet_of(desk, truth), cv2.COLOR_BGR2GRAY)
    sheet = cv2.resize(sheet, CROP, interpolation=cv2.INTER_AREA)
    crop = straightened(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), corners, Target(*CROP, None, enlarged=False))
    best = -1.0
    for turn in range(4):
        turned = cv2.resize(np.rot90(crop, turn), CROP)
        even = [one - cv2.blur(one, (61, 61)) for one in (sheet.astype(np.float32), turned.astype(np.float32))]
        smooth = [cv2.GaussianBlur(one, (0, 0), 2.0).ravel() for one in even]
        best = max(best, float(np.corrcoef(smooth[0], smooth[1])[0, 1]))
    return best


def measured(seeds: range) -> tuple[list[float], list[float]]:
    """Return corner errors and likenesses of desks; 1.0 is a page that was not found."""
    errors, likenesses = [], []
    for seed in seeds:
        desk = random_desk(seed)
        picture, truth = seen(desk)
        page = find_page(picture)
        errors.append(1.0 if page is None else corner_error(page.corners, truth))
        plain = not (desk.blank or desk.hand or desk.glare or desk.clutter >= 3)
        if page is not None and errors[-1] <= FOUND and plain:
            likenesses.append(likeness(desk, picture, page.corners))
    return errors, likenesses


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_pages_are_found_on_any_desk() -> None:
    """What is not found is kept whole; of what is cut out, nearly nothing is cut wrongly."""
    errors, likenesses = measured(range(FIRST, FIRST + COUNT))
    assert len(errors) >= 200
    assert np.mean(np.array(errors) <= FOUND) >= SHARE_FOUND
    assert np.median(errors) <= MEDIAN_ERROR
    assert np.median(likenesses) >= LIKENESS
    assert len([error for error in errors if FOUND < error < 1.0]) <= COUNT // 50


@pytest.mark.parametrize("seed", range(5000, 5012))
def test_an_empty_desk_has_no_page(seed: int) -> None:
    picture, _ = seen(replace(random_desk(seed), page=None, clutter=0, shadow=0.0))
    assert find_page(picture) is None


@pytest.mark.parametrize("turn", [0, 30, 45, 60, 89, 135, 200, 300])
def test_upright_is_the_nearest_quarter_turn(turn: int) -> None:
    picture, truth = seen(Desk(turn=turn, paper="A5", colour="dark"))
    page = find_page(picture)
    assert page is not None
    assert corner_error(page.corners, truth) < MEDIAN_ERROR
    top = page.corners[1] - page.corners[0]
    assert abs(top[1]) <= abs(top[0]) * 1.05
    assert top[0] > 0


def test_a_card_is_found_under_a_camera_for_large_paper() -> None:
    picture, truth = seen(Desk(paper="ID-1", view_mm=460, turn=10, colour="grey"))
    page = find_page(picture)
    assert page is not None
    assert corner_error(page.corners, truth) < MEDIAN_ERROR


@pytest.mark.parametrize("shape", [(480, 640), (100, 100), (17, 900), (2400, 3200)])
def test_any_size_of_picture_is_looked_at(shape: tuple[int, int]) -> None:
    assert find_page(np.full((*shape, 3), 128, np.uint8)) is None
