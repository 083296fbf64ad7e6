"""16 clients that write at once for some seconds: `concurrency.py` says what must be so. A minute of it: `Tests/soak`."""

from integration.concurrency import Run, echoes  # noqa: F401  `echoes` is a fixture


def test_writes_at_once_are_each_in_the_history_once_and_nothing_else_fails(new_gateway, authority, echoes):
    run = Run(new_gateway().start(), authority, echoes)
    run.write(8)
    print(run.figures)
    assert len(run.writes) > 100 and {code for _, code, *_ in run.refusals} >= {"duplicate", "stale_version", "in_use"}
    run.check()
    run.gateway.stop()
