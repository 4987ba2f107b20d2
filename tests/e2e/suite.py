"""The suite's frame: one run folder, the order of stories over all workers, a world for each, figures at the end.

Needs a cluster that is up and has the images (`make cluster images`); installs everything else by itself.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import pytest
from dev.cluster.api import kubeconfig
from dev.cluster.console import ClusterError
from tests.e2e.harness import envoy_gateway
from tests.e2e.harness.figures import Figures, table, totals
from tests.e2e.harness.helm import Images
from tests.e2e.harness.invariants import Watcher
from tests.e2e.harness.stage import Stage
from tests.e2e.harness.waiting import PATIENCE
from tests.e2e.harness.world import RUN_LABEL, World

from serinus_api.names import short_hash

STORIES = Path(__file__).parent, Path(__file__).parents[1] / "chaos"
FREE = ("test_chart", "test_alerts", "test_route_standalone")
"""Modules that need no cluster."""
TOLD = pytest.StashKey[dict[str, Any]]()
"""What the controller tells all workers: the folder of the run, the seed, the images."""
LOCK = pytest.StashKey[TextIO]()
"""Held by the controller: two runs would uninstall each other's operator."""
WATCHER = pytest.StashKey[Watcher]()
AT_ONCE = 3
"""Stories with an operator of their own, gateways and load: more of them on two cores, and their pods starve."""
STAGES = {"own_operator": 2, "own_control_plane": 3, "own_crd": 4, "last": 5}


def join(pluginmanager: pytest.PytestPluginManager) -> None:
    """Have this module's hooks and fixtures run, once however many folders of stories there are in the run."""
    frame = sys.modules[__name__]
    if not pluginmanager.is_registered(frame):
        pluginmanager.register(frame, __name__)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="seed of the fault stories; printed by each")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "own_operator: brings its own operator, after those that share one")
    config.addinivalue_line(
        "markers", "own_node: needs the node, the images or the audit log of our own cluster (harness/needs.py)"
    )
    config.addinivalue_line("markers", "own_control_plane: stops parts of the control plane; alone on the cluster")
    config.addinivalue_line("markers", "own_crd: its release owns the CRD and changes it; alone on the cluster")
    config.addinivalue_line("markers", "long: waits for minutes; begins first")
    config.addinivalue_line("markers", "last: looks back on all other stories")
    worker = getattr(config, "workerinput", None)
    if worker:
        config.stash[TOLD] = worker["e2e"]
    else:
        folder = tempfile.mkdtemp(prefix="serinus-e2e-")
        seed = config.getoption("--seed")
        seed = int.from_bytes(os.urandom(3)) if seed is None else seed
        config.stash[TOLD] = {"folder": folder, "seed": seed, **image_names()}


def image_names() -> dict[str, str]:
    """The images of the sources as they are now, or those that the environment names."""
    from dev.images.content import references

    made = references()
    return {
        role: os.environ.get(f"SERINUS_{role.upper()}_IMAGE", made[role]) for role in ("operator", "runtime", "gateway")
    }


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["e2e"] = node.config.stash[TOLD]


def stage_of(item: pytest.Item) -> int:
    return next((stage for mark, stage in STAGES.items() if item.get_closest_marker(mark)), 1)


def turn_of(item: pytest.Item) -> tuple[int, bool]:
    return stage_of(item), item.get_closest_marker("long") is None


def is_story(item: pytest.Item) -> bool:
    return item.path.parent in STORIES and item.path.stem not in FREE


def may_have_stories(config: pytest.Config) -> bool:
    """Whether more is asked for than modules that need no cluster."""
    return any(Path(argument.partition("::")[0]).stem not in FREE for argument in config.args)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By stage; within one the long ones first, so that none is waited for at the end.

    After `-k` and `-m` have taken theirs away: a story that was left out would be waited for.
    """
    stories = sorted((item for item in items if is_story(item)), key=turn_of)
    items[:] = [item for item in items if not is_story(item)] + stories
    if stories:
        stage_from(config).announce({item.nodeid: stage_of(item) for item in stories})


def stage_from(config: pytest.Config) -> Stage:
    return Stage(Path(config.stash[TOLD]["folder"]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A story is over when its last fixture is."""
    result = yield
    if is_story(item):
        stage_from(item.config).done(item.nodeid)
    return result


@pytest.fixture(scope="session")
def shared_world(request: pytest.FixtureRequest) -> Iterator[World]:
    told = request.config.stash[TOLD]
    world = World(Path(told["folder"]), Images(told["operator"], told["runtime"], told["gateway"]), told["seed"])
    yield world
    world.close()


@pytest.fixture
def world(shared_world: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """The cluster with the operator that the story's stage has; what the story makes in it is taken away."""
    stage = stage_of(request.node)
    shared_world.stage.once("begin", shared_world.begin)
    shared_world.stage.wait_for_earlier(stage)
    if stage == 1:
        shared_world.stage.once("install the shared operator", shared_world.install_main)
    else:
        shared_world.stage.once("uninstall the shared operator", shared_world.uninstall_main)
    with nullcontext() if stage == 1 else shared_world.stage.room("an operator of its own", AT_ONCE):
        yield shared_world
        shared_world.clean()


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> str:
    return world.namespace(request.node.name.removeprefix("test_"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed story says what its models and operators said."""
    report = yield
    shared = getattr(item, "funcargs", {}).get("world")
    if report.when == "call" and report.failed and isinstance(shared, World):
        said = shared.describe()
        report.sections.append(("cluster", said))
        (shared.folder / f"failed-{item.name}.txt").write_text(f"{report.longreprtext}\n\n{said}")
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """The watcher of invariants runs beside all workers, in a process that takes no part in the stories."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or not may_have_stories(config):
        return
    try:
        used = kubeconfig()
    except ClusterError:
        return  # the stories will say it
    config.stash[LOCK] = lock = Path(tempfile.gettempdir(), f"serinus-e2e-{short_hash(str(used))}.lock").open("a")  # noqa: SIM115  # held for the session
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        pytest.exit("another run of the end-to-end suite uses this cluster; wait for its end", returncode=4)
    config.stash[WATCHER] = Watcher(Path(config.stash[TOLD]["folder"]))
    config.stash[WATCHER].start()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The controller removes what the run leaves: the shared operator and the namespaces."""
    config = session.config
    watcher = config.stash.get(WATCHER, None)
    if watcher is None:
        return
    watcher.stop()
    told = config.stash[TOLD]
    if stage_from(config).begun:
        remove_leftovers(told)
    config.stash[LOCK].close()


def remove_leftovers(told: dict[str, Any]) -> None:
    """The shared operator and the namespaces of this run."""
    world = World(Path(told["folder"]), Images(told["operator"], told["runtime"], told["gateway"]), told["seed"])
    world.uninstall_main()
    envoy_gateway.uninstall(world)
    world.kubectl.try_("delete", "namespaces", "-l", f"{RUN_LABEL}={world.run_name}", "--wait=false")
    world.kubectl.try_("delete", "persistentvolumes", "-l", f"{RUN_LABEL}=volume", "--wait=false")
    world.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The figures of the run."""
    told = config.stash.get(TOLD, {})
    rows = Figures(Path(told["folder"])).read() if told else []
    if rows:
        terminalreporter.section("figures")
        if PATIENCE != 1:
            terminalreporter.write_line(f"deadlines were {PATIENCE:g} times as long as promised (SERINUS_E2E_PATIENCE)")
        for line in (*table(rows), totals(rows), f"seed {told['seed']}; histories in {told['folder']}"):
            terminalreporter.write_line(line)
