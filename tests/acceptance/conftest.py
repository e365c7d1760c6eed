"""One product for each test module, with its own database and running workers. Each test has its own practice."""

from collections.abc import Iterator

import pytest

from core.local.broker import Broker
from tests.acceptance.product import Product, running_product
from tests.acceptance.web import Web, running_web
from tests.servers import Databases


@pytest.fixture(scope="module")
def product(servers: tuple[Databases, Broker], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Yield workers for both queues on a database of this module."""
    databases, broker = servers
    folder = tmp_path_factory.mktemp("product")
    with (
        databases.fresh() as url,
        running_product(folder=folder, database_url=url, broker_url=broker.url) as product,
    ):
        yield product


@pytest.fixture(scope="module")
def web(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Yield a web process on the module's product. It cuts jobs into chunks of four claims."""
    with running_web(product, folder=tmp_path_factory.mktemp("web"), CHUNK_CLAIMS="4") as web:
        yield web
