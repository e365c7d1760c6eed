"""Settings of every database connection."""

from sqlalchemy import Engine

from core.db import timeouts


def test_a_host_that_vanishes_during_a_query_is_noticed(engine: Engine) -> None:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.get_parameters()["tcp_user_timeout"] == "30000"


def test_a_lock_is_awaited_for_five_seconds() -> None:
    assert timeouts.LOCK_TIMEOUT == "5s"
