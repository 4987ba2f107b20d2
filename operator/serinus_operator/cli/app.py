"""The command `serinus`. Each command imports its part when it runs: `serinus --help` must not load the operator."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serinus_operator.cli import exits

EPILOG = (
    "Exit codes: 0 all is well; 1 the input is invalid, a model is Stalled, what was asked for is not there, or the "
    "state folder takes no writes; 2 wrong options, or something that this version cannot do."
)
app = typer.Typer(
    name="serinus",
    help="Serve models on this machine, without a cluster: the operator's own steps over processes.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Files = Annotated[
    list[Path], typer.Option("--filename", "-f", help="A YAML file, a folder of them, or - (stdin). May be repeated.")
]
State = Annotated[Path, typer.Option("--state", help="The folder that keeps objects, logs and the socket.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="The namespace of the model.")]
Name = Annotated[str, typer.Argument(help="The name of the ModelDeployment.")]
STATE = Path(".serinus")


class RunOutput(StrEnum):
    """How `run` tells its story."""

    TABLE = "table"
    JSON = "json"


class GetOutput(StrEnum):
    """How `get` prints."""

    WIDE = "wide"
    YAML = "yaml"
    JSON = "json"


def _version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"serinus {importlib.metadata.version('serinus')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """Serve models on this machine, without a cluster: the operator's own steps over processes."""


@app.command(epilog=EPILOG)
def run(
    filename: Files,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The entry port, on 127.0.0.1.")] = 8080,
    state: State = STATE,
    once: Annotated[bool, typer.Option("--once", help="End when all are Ready (0) or one is Stalled (1).")] = False,
    output: Annotated[RunOutput, typer.Option("--output", "-o", help="json: a JSON object a line.")] = RunOutput.TABLE,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the operator's log, too.")] = False,
) -> None:
    """Serve what the files hold, and follow their edits. Ctrl-C drains."""
    from serinus_operator.cli.run import Options
    from serinus_operator.cli.run import run as run_

    options = Options(tuple(filename), state, port, once=once, output=output.value, verbose=verbose)
    raise typer.Exit(run_(options))


@app.command(epilog=EPILOG)
def validate(filename: Files) -> None:
    """Check manifests without running them."""
    from serinus_operator.cli.validate import validate as validate_

    raise typer.Exit(validate_(tuple(filename)))


@app.command(epilog=EPILOG)
def init(
    name: Annotated[str, typer.Argument(help="The name of the new ModelDeployment.")],
    model: Annotated[Path, typer.Option("--model", help="The ONNX file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="NAME.yaml if not given; - is stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented manifest for a model, with a sample request."""
    from serinus_operator.cli.init import init as init_

    raise typer.Exit(init_(name, model, output, force=force))


@app.command(epilog=EPILOG)
def get(
    name: Annotated[str | None, typer.Argument(help="One ModelDeployment; all if not given.")] = None,
    output: Annotated[GetOutput | None, typer.Option("--output", "-o", help="More columns, or all of it.")] = None,
    namespace: Namespace = "default",
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")] = False,
    state: State = STATE,
) -> None:
    """Show the models of the running instance, as kubectl does."""
    from serinus_operator.cli import verbs

    if name is not None and all_namespaces:
        raise exits.Fault("a resource cannot be retrieved by name across all namespaces", exits.USAGE)
    raise typer.Exit(verbs.get(state, name, None if all_namespaces else namespace, output.value if output else ""))


@app.command(epilog=EPILOG)
def describe(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """Show everything about one model, with its events."""
    from serinus_operator.cli import verbs

    raise typer.Exit(verbs.describe(state, name, namespace))


@app.command(epilog=EPILOG)
def events(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """Show what happened to one model."""
    from serinus_operator.cli import verbs

    raise typer.Exit(verbs.events(state, name, namespace))


@app.command(epilog=EPILOG)
def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    preflight: Annotated[bool, typer.Option("--preflight", help="Of the pods that tried the model.")] = False,
    namespace: Namespace = "default",
    state: State = STATE,
) -> None:
    """Show the output of one model's pods."""
    from serinus_operator.cli import verbs

    raise typer.Exit(verbs.logs(state, name, namespace, follow=follow, preflight=preflight))


@app.command(epilog=EPILOG)
def delete(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """Delete one model, and all that belongs to it."""
    from serinus_operator.cli import verbs

    raise typer.Exit(verbs.delete(state, name, namespace))


@app.command(epilog=EPILOG)
def promote(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """Pass the present step of a rollout."""
    _act("promote", name, namespace, state)


@app.command(epilog=EPILOG)
def abort(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """End a rollout; the stable revision serves on."""
    _act("abort", name, namespace, state)


@app.command(epilog=EPILOG)
def retry(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """Try a refused model again."""
    _act("retry", name, namespace, state)


@app.command(epilog=EPILOG)
def refresh(name: Name, namespace: Namespace = "default", state: State = STATE) -> None:
    """Look up the model's source once more; other bytes become a new revision."""
    _act("refresh", name, namespace, state)


def _act(action: str, name: str, namespace: str, state: Path) -> None:
    from serinus_operator.cli import verbs

    raise typer.Exit(verbs.act(state, action, name, namespace))


def main() -> None:
    """The script `serinus`."""
    try:
        app()
    except exits.Fault as fault:
        said = str(fault)
        print(said if said.startswith("Error from server") else f"serinus: {said}", file=sys.stderr)
        sys.exit(fault.code)
