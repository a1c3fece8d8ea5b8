"""How many examples properties are tried with."""

from hypothesis import settings


def test_the_long_profile_tries_more_and_takes_its_time() -> None:
    long, usual = settings.get_profile("long"), settings.get_profile("default")
    assert long.max_examples > usual.max_examples
    assert long.stateful_step_count > usual.stateful_step_count
    assert long.deadline is None
