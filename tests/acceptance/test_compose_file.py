"""Promises of `docker-compose.yml` and the Dockerfile that can be checked by reading them."""

import re
import subprocess
from pathlib import Path

import pytest

from core.local import programs
from core.settings import Settings
from tests.acceptance.compose_file import (
    COMPOSE_FILE,
    CONTENT,
    HOUSE,
    SERVICES,
    Service,
    image_environment,
    with_defaults,
)

SECRETS = "secrets/"
OUR_OWN = {"migrate", "web", "worker", "control", "beat", "flower"}
ONE_SHOT = {"migrate"}


def test_the_services_are_those_of_the_product() -> None:
    assert SERVICES.keys() == OUR_OWN | {"postgres", "redis"}
    commands = {SERVICES[name].command[1:] and tuple(SERVICES[name].command[1:]) for name in OUR_OWN}
    queues = {("worker", "--queue", queue) for queue in programs.QUEUES}
    assert commands == {("migrate",), ("web",), ("beat",), ("flower",), *queues}


def test_one_service_builds_the_image_and_the_others_wait_for_it() -> None:
    builds = {name for name in OUR_OWN if "build" in SERVICES[name].says}

    assert builds == {"migrate"}
    assert "pull_policy" not in SERVICES["migrate"].says, "a missing image is built, not pulled from a registry"
    for name in OUR_OWN - builds:
        assert SERVICES[name].says["pull_policy"] == "never"
        assert "migrate" in SERVICES[name].needs


def test_every_base_image_is_pinned_by_its_digest() -> None:
    pulled = [SERVICES[name].says["image"] for name in ("postgres", "redis")]
    python = SERVICES["migrate"].says["build"]["args"]["PYTHON_IMAGE"]

    assert all(re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in [*pulled, python])
    assert f"ARG PYTHON_IMAGE={python}\n" in (HOUSE / "Dockerfile").read_text()


def test_pages_start_without_redis() -> None:
    assert SERVICES["web"].needs.keys() == {"migrate"}


def test_containers_are_given_only_wiring_so_settle_env_can_hold_all_other_settings() -> None:
    wiring = {"secrets_dir", "database_url", "broker_url", "alive_file", "web_host", "flower_host"}
    given = {name for service in OUR_OWN for name in SERVICES[service].environment}
    asked_of_env = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))

    assert given == {f"SETTLE_{name.upper()}" for name in wiring}
    assert not {name.removeprefix("SETTLE_").lower() for name in asked_of_env} & Settings.model_fields.keys()
    assert image_environment()["SETTLE_HTTPS_ONLY"] == "true"


def test_every_container_except_the_database_has_a_memory_limit() -> None:
    unlimited = {name for name, service in SERVICES.items() if "mem_limit" not in service.says}

    assert unlimited == {"postgres"}
    assert all("size=" in SERVICES[name].says["tmpfs"][0] for name in OUR_OWN)


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_each_container_has_minimal_privileges(service: Service) -> None:
    says = service.says
    user = says.get("user") or _user_of_the_image()

    assert user not in {"root", "0"}
    assert says["read_only"] is True
    assert says["cap_drop"] == ["ALL"]
    assert not says.get("cap_add")
    assert "no-new-privileges:true" in says["security_opt"]
    assert "privileged" not in says


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_every_long_running_service_has_a_health_check_and_is_restarted(service: Service) -> None:
    if service.name in ONE_SHOT:
        assert service.says["restart"] == "on-failure"
        assert all(
            other.needs["migrate"] == "service_completed_successfully"
            for other in SERVICES.values() if service.name in other.needs
        )  # fmt: skip
    else:
        assert service.says["restart"] == "unless-stopped"
        assert service.health_check
        assert {"interval", "timeout"} <= service.says["healthcheck"].keys()


def test_postgres_and_redis_are_internal_and_pages_are_published_only_locally() -> None:
    networks = CONTENT["networks"]

    for name in ("postgres", "redis"):
        assert [networks[network]["internal"] for network in SERVICES[name].says["networks"]] == [True]
        assert "ports" not in SERVICES[name].says
    published = [port for service in SERVICES.values() for port in service.says.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_password_is_in_a_file_and_none_has_a_default() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", SECRETS, ".env", "settle.env"], cwd=HOUSE, check=True, capture_output=True, text=True
    ).stdout

    assert tracked == ""
    assert {Path(secret["file"]).parent.as_posix() + "/" for secret in CONTENT["secrets"].values()} == {SECRETS}
    for service in SERVICES.values():
        for name, value in service.environment.items():
            is_secret = re.search(r"PASSWORD|SECRET|AUTH|KEY", name) and not name.endswith(("_FILE", "_DIR"))
            assert not is_secret, f"{service.name}: {name}"
            assert not re.search(r"://[^/@]*:[^/@]+@", value), f"{service.name}: {name} holds a password"
    assert "POSTGRES_HOST_AUTH_METHOD" not in SERVICES["postgres"].environment, (
        "the image's default requires a password"
    )


def test_each_container_gets_only_the_secrets_that_it_uses() -> None:
    owner, broker = "settle_database_password", "settle_broker_password"
    of_web, of_worker = "settle_web_database_password", "settle_worker_database_password"
    of_broker = {name: f"settle_broker_{name}" for name in ("web", "worker", "beat", "flower")}
    used = {name: set(service.secrets.values()) for name, service in SERVICES.items()}

    assert used == {
        "postgres": {"postgres_password", owner, of_web, of_worker},
        "redis": {broker, *of_broker.values()},
        "migrate": {owner},
        "web": {of_web, of_broker["web"], "settle_secret_key"},
        "worker": {of_worker, of_broker["worker"]},
        "control": {of_worker, of_broker["worker"]},
        "beat": {of_worker, of_broker["beat"]},
        "flower": {of_broker["flower"], "settle_flower_basic_auth"},
    }
    assert set.union(*used.values()) == CONTENT["secrets"].keys()


def test_redis_keeps_every_hint_until_it_reports_that_it_is_full() -> None:
    assert "--maxmemory-policy noeviction" in " ".join(SERVICES["redis"].command)


def test_variables_are_replaced_by_their_defaults_and_another_form_is_refused() -> None:
    assert with_defaults("$$A ${A:-x}:8000 ${B:-}") == "$A x:8000 "

    for other in ("${A}", "$A", "${A?}", "$(A)"):
        with pytest.raises(AssertionError, match="another form"):
            with_defaults(other)


def test_the_image_contains_the_product_without_test_dependencies() -> None:
    dockerfile = (HOUSE / "Dockerfile").read_text()
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE) for word in line.split()
    ]
    let_in = [line[1:] for line in (HOUSE / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert all((HOUSE / name).exists() for name in copied)
    assert sorted(copied) == sorted(let_in)
    assert "--require-hashes" in dockerfile
    assert not re.search(r"--extra|local|dev", dockerfile)
    makefile = (HOUSE / "Makefile").read_text()
    assert re.findall(r"uv==(\S+)", dockerfile) == re.findall(r"^UV_VERSION := (\S+)", makefile, re.MULTILINE)


def _user_of_the_image() -> str:
    users = re.findall(r"^USER (\S+)", (HOUSE / "Dockerfile").read_text(), re.MULTILINE)
    assert users, "the image would run as root"
    return str(users[-1])
