# SPDX-License-Identifier: Apache-2.0
"""Faces are followed by place and time alone; where they are not found they are bridged or hidden."""

import numpy as np
import pytest
from numpy.typing import NDArray
from video.moving import POINTS, astronaut_frames

from semveil.data.faces import find_faces
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face
from semveil.video.tracks import (
    Shown,
    Sighting,
    find_shots,
    follow_faces,
    places_of,
    sharpness,
    thumbnail,
)

RATE = 25
LEAST = 32


def seen(left: float, top: float, *, side: int = 40, sharp: float = 1.0, doubt: str = "") -> Sighting:
    corner = np.array([left, top])
    box = (round(left), round(top), round(left) + side, round(top) + side)
    return Sighting(Face(box, 1.0, corner + POINTS * side, doubtful=doubt), sharp)


def times_of(count: int) -> NDArray[np.float64]:
    return np.arange(count) / RATE


def test_faces_that_cross_keep_their_tracks() -> None:
    frames = [[seen(10 + 6 * t, 30), seen(190 - 6 * t, 42)] for t in range(30)]
    for i in range(1, 30, 2):
        frames[i] = frames[i][::-1]  # the order in a frame says nothing
    one, other = follow_faces(frames, times_of(30), [(0, 29)])
    assert one.frames == other.frames == (0, 29)
    for track in (one, other):
        steps = np.diff([track.seen[i].face.box[0] for i in range(30)])
        assert len(set(steps)) == 1  # always the same way


def test_a_face_that_is_lost_for_longer_than_a_second_begins_a_new_track() -> None:
    def with_gap(gap: int) -> list[list[Sighting]]:
        return [[seen(50, 50)]] * 5 + [[]] * gap + [[seen(52, 50)]] * 5

    assert [track.frames for track in follow_faces(with_gap(20), times_of(30), [(0, 29)])] == [(0, 29)]
    late = follow_faces(with_gap(30), times_of(40), [(0, 39)])
    assert sorted(track.frames for track in late) == [(0, 4), (35, 39)]


def test_steps_of_a_detectors_grid_are_no_speed() -> None:
    """Boxes move by steps of 13 pixels: within .02 s that looks like 650 pixels a second."""
    frames = [[seen(50, 50)], [seen(63, 50)], [seen(63, 50)], [seen(76, 50)], [], [seen(76, 50)]]
    times = np.array([0.0, 0.02, 0.2, 0.22, 0.26, 0.4])
    assert [track.frames for track in follow_faces(frames, times, [(0, 5)])] == [(0, 5)]


def test_no_track_goes_on_into_another_shot() -> None:
    frames = [[seen(50, 50)]] * 10
    assert [t.frames for t in follow_faces(frames, times_of(10), [(0, 5), (6, 9)])] == [(0, 5), (6, 9)]
    one, _ = follow_faces(frames, times_of(10), [(0, 5), (6, 9)])
    assert set(places_of(one, times_of(10), LEAST)) == set(range(6))  # nor is anything hidden there


def test_shots_are_told_apart_and_motion_is_not() -> None:
    moving = [thumbnail(frame) for frame in astronaut_frames(8)]
    assert find_shots(moving) == [(0, 7)]
    other = [thumbnail(255 - frame) for frame in astronaut_frames(4)]
    assert find_shots([*moving, *other]) == [(0, 7), (8, 11)]


def test_gaps_are_bridged_hidden_and_held() -> None:
    frames: list[list[Sighting]] = [[seen(50 + 2 * t, 50)] for t in range(60)]
    for t in (*range(10), *range(20, 26), *range(35, 49), *range(55, 60)):
        frames[t] = []
    (track,) = follow_faces(frames, times_of(60), [(0, 59)])
    places = places_of(track, times_of(60), LEAST)
    shown = {frame: place.shown for frame, place in places.items()}
    replaced = {frame for frame, how in shown.items() if how == Shown.REPLACED}
    assert replaced == {*range(10, 35), *range(49, 55)}  # the gap of 6 frames is bridged, that of 14 is not
    # hidden in it and .2 s around
    assert set(shown) - replaced == {*range(5, 10), *range(35, 49), *range(55, 60)}
    for frame in range(10, 55):  # straight motion comes out as it is, also where it was not seen
        assert places[frame].landmarks == pytest.approx(
            np.array([50 + 2 * frame, 50]) + POINTS * 40, abs=1e-6
        )
        assert abs(places[frame].box[0] - (50 + 2 * frame)) <= 1


def test_times_count_and_not_frames() -> None:
    frames = [[seen(0, 50)], [], [seen(90, 50)]]
    times = np.array([0.0, 0.1, 0.3])
    (track,) = follow_faces([[seen(0, 50)], [], [seen(24, 50)]], times, [(0, 2)])
    assert places_of(track, times, LEAST)[1].box[0] == 8  # a third of the way
    assert len(follow_faces(frames, times, [(0, 2)])) == 2


def test_doubtful_and_small_faces_are_hidden() -> None:
    frames = [[seen(50, 50, doubt="it is seen from the side" if t % 30 > 14 else "")] for t in range(60)]
    (track,) = follow_faces(frames, times_of(60), [(0, 59)])
    hidden = {
        frame for frame, place in places_of(track, times_of(60), LEAST).items() if place.shown == Shown.HIDDEN
    }
    assert hidden == {*range(15, 30), *range(45, 60)}
    small = follow_faces([[seen(50, 50, side=20)]] * 4, times_of(4), [(0, 3)])[0]
    assert small.trusted(LEAST) == [] and {
        p.shown for p in places_of(small, times_of(4), LEAST).values()
    } == {Shown.HIDDEN}


def test_jitter_is_smoothed() -> None:
    rng = np.random.default_rng(5)
    noisy = [
        Sighting(Face((50, 50, 90, 90), 1.0, 50 + POINTS * 40 + rng.normal(0, 1, (5, 2))), 1.0)
        for _ in range(200)
    ]
    (track,) = follow_faces([[one] for one in noisy], times_of(200), [(0, 199)])
    there = places_of(track, times_of(200), LEAST)
    errors = np.array([there[t].landmarks - (50 + POINTS * 40) for t in range(5, 195)])
    # A parabola through 7 points leaves sqrt(1/3) of independent noise; 1,900 numbers tell that to 2 %.
    assert errors.std() == pytest.approx(np.sqrt(1 / 3), rel=0.1)


def test_a_face_that_a_detector_turns_over_is_never_placed_between_both_poses() -> None:
    """The mean of upright and overturned landmarks is a point, under which the whole face would show."""
    upright, middle = POINTS * 40 + 50, np.array([70.0, 70.0])
    turned = 2 * middle - upright
    frames = [
        [Sighting(Face((50, 50, 90, 90), 1.0, turned if t in (3, 8, 9, 12) else upright), 1.0)]
        for t in range(16)
    ]
    frames[10] = []  # between an overturned and an upright face
    frames[14] = []
    (track,) = follow_faces(frames, times_of(16), [(0, 15)])
    places = places_of(track, times_of(16), LEAST)
    assert {t for t, place in places.items() if place.shown == Shown.HIDDEN} == {10}
    for t in set(range(16)) - {10}:
        there = turned if t in (3, 8, 9, 12) else upright
        assert np.linalg.norm(places[t].landmarks - there, axis=1).max() < 5, t


def test_the_sharpest_frame_with_landmarks_is_the_best() -> None:
    frames = [
        [seen(50, 50, sharp=sharp, doubt=doubt)] for sharp, doubt in ((3, ""), (7, ""), (9, "?"), (7, ""))
    ]
    (track,) = follow_faces(frames, times_of(4), [(0, 3)])
    assert track.best(LEAST) == 1  # the first of equal ones, and not the doubtful one
    assert track.best(100) == 2  # where none can be trusted


def test_sharpness_falls_with_blur() -> None:
    from scipy.ndimage import gaussian_filter

    (frame,) = astronaut_frames(1)
    (face,) = find_faces(Photo(frame, "a", "a"), detector="dlib")
    soft = gaussian_filter(frame.astype(float), (2, 2, 0)).astype(np.uint8)
    assert sharpness(frame, face) > 4 * sharpness(soft, face)


def test_a_sighting_comes_back_from_json() -> None:
    import json

    one = seen(3, 4, doubt="why")
    again = Sighting.from_dict(json.loads(json.dumps(one.as_dict())))
    assert again.face.box == one.face.box and again.face.doubtful == "why" and again.sharpness == 1.0
    assert (again.face.landmarks == one.face.landmarks).all()
