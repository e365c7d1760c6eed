"""Settings of every database connection."""

from sqlalchemy import Engine


def test_a_host_that_vanishes_during_a_query_is_noticed(engine: Engine) -> None:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.get_parameters()["tcp_user_timeout"] == "30000"
