"""Settings from the environment, and errors that name the variable."""

import pytest

from serinus_operator.settings import Settings, SettingsError

IMAGE = {"SERINUS_RUNTIME_IMAGE": "registry.example/runtime:1"}


def test_image_alone_is_enough() -> None:
    settings = Settings.from_environment(IMAGE)
    assert settings.runtime_image == "registry.example/runtime:1"
    assert settings.watch_namespaces == ()
    assert settings.workers == 4
    assert settings.resync_seconds == 60.0
    assert settings.log_format == "json"
    assert settings.operator_pod_labels is None
    assert settings.identity, "something that tells two processes apart"


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            **IMAGE,
            "SERINUS_RUNTIME_IMAGE_PULL_POLICY": "Always",
            "SERINUS_NAMESPACE": "ops",
            "SERINUS_POD_UID": "uid-1",
            "SERINUS_WATCH_NAMESPACES": "a, b,,c",
            "SERINUS_WORKERS": "9",
            "SERINUS_RESYNC_SECONDS": "30",
            "SERINUS_LOG_FORMAT": "console",
            "SERINUS_LOG_LEVEL": "debug",
            "SERINUS_HEALTH_PORT": "81",
            "SERINUS_METRICS_PORT": "91",
            "SERINUS_LEASE_NAME": "lease",
            "SERINUS_DOWNLOAD_ALLOW_HOSTS": "minio.storage:9000",
            "SERINUS_DOWNLOAD_MAX_BYTES": "8589934592",
            "SERINUS_OPERATOR_POD_LABELS": "app=serinus,tier=ops",
        }
    )
    assert settings == Settings(
        runtime_image="registry.example/runtime:1",
        runtime_image_pull_policy="Always",
        namespace="ops",
        identity="uid-1",
        watch_namespaces=("a", "b", "c"),
        workers=9,
        resync_seconds=30.0,
        log_format="console",
        log_level="DEBUG",
        health_port=81,
        metrics_port=91,
        lease_name="lease",
        allow_hosts=("minio.storage:9000",),
        max_download_bytes=8 * 1024**3,
        operator_pod_labels={"app": "serinus", "tier": "ops"},
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SERINUS_RUNTIME_IMAGE", ""),
        ("SERINUS_RUNTIME_IMAGE_PULL_POLICY", "Sometimes"),
        ("SERINUS_LOG_FORMAT", "xml"),
        ("SERINUS_LOG_LEVEL", "CHATTY"),
        ("SERINUS_DOWNLOAD_MAX_BYTES", "2Gi"),
        ("SERINUS_DOWNLOAD_MAX_BYTES", "2.147483648e+09"),
        ("SERINUS_WORKERS", "0"),
        ("SERINUS_WORKERS", "-1"),
        ("SERINUS_WORKERS", "four"),
        ("SERINUS_WORKERS", "²"),
        ("SERINUS_RESYNC_SECONDS", "1.5"),
        ("SERINUS_HEALTH_PORT", ""),
        ("SERINUS_METRICS_PORT", "http"),
        ("SERINUS_METRICS_PORT", "70000"),
    ],
)
def test_unusable_value_is_refused_by_the_name_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({**IMAGE, variable: value})


def test_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERINUS_RUNTIME_IMAGE", "from-the-environment")
    assert Settings.from_environment().runtime_image == "from-the-environment"
