"""When an object is looked at again: after a quarter of its age, within the bounds of its kind."""

# Seconds between two looks: the fewest and the most.
_BOUNDS = {
    "response": (1.0, 60.0),
    "run": (1.0, 60.0),
    "agent_session": (1.0, 60.0),
    "video": (2.0, 60.0),
    "eval_run": (2.0, 300.0),
    "fine_tuning_job": (10.0, 600.0),
    "container": (15.0, 300.0),
    "batch": (2.0, 600.0),
}
_OTHERS = (5.0, 600.0)
_PART = 0.25
_AFTER_FAILURE = 5.0


def pause(kind: str, age: float, *, failed: bool = False) -> float:
    """Seconds to the next look at an object that is `age` seconds old."""
    fewest, most = _BOUNDS.get(kind, _OTHERS)
    return min(most, max(fewest, _AFTER_FAILURE if failed else 0.0, age * _PART))
