"""Positions are output samples; the sender's rate here is a third of it, so its sample is a third of the way."""

from streaming.websocket.utterances import Position, Utterances

RATE = 16_000


def said(utterances: Utterances, position: int, samples: int) -> int | None:
    """The sender pushes ``samples``, which are placed at ``position``."""
    utterances.accept(samples, RATE)
    return utterances.add(position, 3 * samples)


def test_an_utterance_from_its_begin_to_its_end() -> None:
    utterances = Utterances()
    assert said(utterances, 3000, 1000) is None
    assert utterances.playing(3000) is None
    assert utterances.playing(4500) == Position(1, 500, 1000)
    assert utterances.over(6000) == []  # more may come
    utterances.end()
    assert utterances.over(5999) == []
    assert utterances.over(6000) == [Position(1, 1000, 1000, over=True)]
    assert utterances.playing(9000) is None and not utterances.waiting


def test_pieces_that_follow_each_other_leave_no_hole() -> None:
    utterances = Utterances()
    said(utterances, 0, 100)
    assert said(utterances, 300, 100) == 0
    assert utterances.playing(450) == Position(1, 150, 200)


def test_a_hole_is_told_and_does_not_count() -> None:
    utterances = Utterances()
    said(utterances, 0, 100)
    assert utterances.playing(400) == Position(1, 100, 100)
    assert said(utterances, 900, 100) == 600
    assert utterances.playing(700) == Position(1, 100, 200)
    assert utterances.playing(1050) == Position(1, 150, 200)


def test_utterances_are_numbered_and_wait_for_each_other() -> None:
    utterances = Utterances()
    assert utterances.next_number == 1
    said(utterances, 0, 100)
    utterances.end()
    utterances.end()
    assert utterances.next_number == 2
    assert said(utterances, 300, 50) is None
    utterances.end()
    assert utterances.queued(200) == 250
    assert utterances.over(375) == [Position(1, 100, 100, over=True)]
    assert utterances.playing(375) == Position(2, 25, 50)
    assert utterances.over(450) == [Position(2, 50, 50, over=True)]
    assert utterances.queued(450) == 0


def test_clear_says_how_much_of_each_was_heard() -> None:
    utterances = Utterances()
    said(utterances, 0, 1000)
    utterances.end()
    said(utterances, 3000, 500)
    cut = {"over": True, "interrupted": True}
    assert utterances.clear(960) == [Position(1, 320, 1000, **cut), Position(2, 0, 500, **cut)]
    assert utterances.queued(960) == 0 and utterances.open is None
    assert said(utterances, 6000, 10) is None
    assert utterances.next_number == 3


def test_samples_that_the_resampler_still_holds_are_not_said_to_be_played() -> None:
    utterances = Utterances()
    utterances.accept(100, RATE)
    utterances.add(0, 252)  # 84 of them
    assert utterances.playing(10_000) == Position(1, 84, 100)
    utterances.add(10_000, 48)
    utterances.end()
    assert utterances.over(10_048) == [Position(1, 100, 100, over=True)]


def test_an_utterance_whose_sound_is_still_held_is_not_over() -> None:
    utterances = Utterances()
    utterances.accept(5, RATE)
    assert utterances.over(10_000) == [] and utterances.playing(10_000) is None
    assert utterances.clear(10_000) == [Position(1, 0, 5, over=True, interrupted=True)]
