"""Define the Typer application: every command by its name, with its help panel and examples."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated, Any

import typer

from sweep.cli import (
    analyse,
    annotate,
    compare,
    control,
    dashboard,
    data,
    database,
    diagnose,
    doctor,
    explain,
    export,
    figure,
    findings,
    floors,
    listing,
    manage,
    model,
    new,
    next,
    reconstruct,
    run,
    show,
    status,
    ties,
    top,
    verify,
)

EXIT_CODES = {
    0: "done",
    1: "unexpected: a bug",
    2: "usage: invalid options or arguments",
    3: "no such study or trial",
    4: "invalid study file, or an invalid change of its space",
    5: "database unreachable, on a failing disk, replaced while in use, or of an unknown schema",
    6: "the study ended with its failure limit",
    7: "another coordinator holds the study",
    8: "the requested device does not exist, or the Ray cluster is lost",
    9: "data missing or damaged",
    10: "disk full, or no permission to write",
    11: "a retrained trial had a different result (`sweep verify`)",
    12: "faults of a study that are not repaired (`sweep doctor NAME`)",
    130: "interrupted",
    141: "the reader of the output closed its pipe",
}

_EPILOG = "\n".join(
    [
        "Example: sweep new mine.toml; sweep start mine.toml",
        "",
        "The database: --storage URL, else SWEEP_STORAGE, else sqlite:///sweep.db in this folder.",
        "",
        "Exit codes",
        *(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items()),
    ]
)

app = typer.Typer(
    name="sweep",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    epilog=_EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import sweep

        typer.echo(f"sweep {sweep.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def sweep_command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
) -> None:
    """Hyperparameter sweeps of small autoencoders, and why their error stops where it stops."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _add(group: typer.Typer, panel: str | None, *commands: tuple[Callable[..., Any], str]) -> None:
    for function, example in commands:
        name = function.__name__.removesuffix("_")
        epilog = "\n".join(f"Example: {line}" for line in example.splitlines())
        about = unwrapped(function.__doc__ or "")
        group.command(name, help=about, epilog=epilog, rich_help_panel=panel)(function)


def unwrapped(about: str) -> str:
    """Join each paragraph to one line: Typer keeps the line breaks of all except the first."""
    return "\n\n".join(" ".join(part.split()) for part in cleandoc(about).split("\n\n"))


def _group(name: str, about: str, *commands: tuple[Callable[..., Any], str]) -> None:
    group = typer.Typer(name=name, help=about, no_args_is_help=True, rich_markup_mode="rich")
    _add(group, None, *commands)
    app.add_typer(group, rich_help_panel=_SURROUNDINGS)


_RUN, _LOOK, _KEEP, _SURROUNDINGS = "Run a study", "Look", "Note and tidy", "Surroundings"

_add(
    app,
    _RUN,
    (new.new, "sweep new mine.toml\nsweep new mine.toml --data ./photos"),
    (run.start, "sweep start mine.toml\nsweep start mine.toml --dry-run"),
    (run.resume, "sweep resume quickstart --trials 50"),
    (next.next_, "sweep next quickstart -o next.toml\nsweep next quickstart --name wider"),
    (control.pause, "sweep pause quickstart"),
    (control.stop, "sweep stop quickstart"),
    (control.enqueue, "sweep enqueue quickstart hidden_width=64 activation=gelu"),
)
_add(
    app,
    _LOOK,
    (listing.list_, "sweep list"),
    (status.status, "sweep status quickstart\nsweep status quickstart --watch"),
    (top.top, "sweep top\nsweep top quickstart"),
    (listing.best, "sweep best quickstart -n 5"),
    (
        listing.trials,
        "sweep trials quickstart --state fail\nsweep trials quickstart --sort psnr --desc",
    ),
    (findings.findings, "sweep findings quickstart"),
    (show.show, "sweep show quickstart 0"),
    (diagnose.diagnose, "sweep diagnose quickstart\nsweep diagnose quickstart 0 7"),
    (analyse.analyse, "sweep analyse quickstart\nsweep analyse quickstart 0 7"),
    (
        ties.ties,
        "sweep ties quickstart\nsweep ties quickstart --run\n"
        "sweep ties quickstart --run --top 12 --seeds 10\nsweep ties quickstart -n 20",
    ),
    (
        explain.explain,
        "sweep explain corners --factorial\nsweep explain limit --run\n"
        "sweep explain limit --from 0 --to 57 --run --seeds 5",
    ),
    (compare.compare, "sweep compare quickstart 0 7 12"),
    (reconstruct.reconstruct, "sweep reconstruct quickstart 0 -o trial-0.png"),
    (model.model, "sweep model quickstart\nsweep model quickstart 0 --keras -o models"),
    (model.encode, "sweep encode quickstart 0 -o codes.npz"),
    (verify.verify, "sweep verify quickstart 0\nsweep verify quickstart 0 --gpus cpu"),
    (manage.report, "sweep report quickstart -o report.html"),
    (
        figure.figure,
        "sweep figure quickstart\nsweep figure quickstart width -o width.pdf --width 8.5cm\n"
        "sweep figure quickstart slice setting=activation -o slice.csv",
    ),
    (
        dashboard.dashboard,
        "sweep dashboard --study quickstart --open\nsweep dashboard --allow-edit",
    ),
    (export.export, "sweep export quickstart --format csv -o quickstart.csv"),
)
_add(
    app,
    _KEEP,
    (annotate.note, 'sweep note quickstart "wider than 512 gains nothing" --trial 7'),
    (annotate.tag, "sweep tag quickstart baseline --trial 0"),
    (annotate.invalidate, 'sweep invalidate quickstart 3 --reason "the disk was full"'),
    (manage.delete, "sweep delete quickstart"),
)
_add(
    app,
    _SURROUNDINGS,
    (doctor.doctor, "sweep doctor\nsweep doctor quickstart\nsweep doctor quickstart --repair"),
    (floors.floors, "sweep floors fashion-mnist-mini --widths 8,64,784"),
    (manage.schema, "sweep schema -o study.schema.json"),
)
_group(
    "data",
    "List, fetch and check data sets.",
    (data.list_, "sweep data list"),
    (data.prepare, "sweep data prepare fashion-mnist\nsweep data prepare mnist --from ~/mnist"),
    (data.check, "sweep data check ./my-images\nsweep data check mine.npz -o sheet.png"),
)
_group(
    "db",
    "Create and upgrade the database's tables, and copy studies to another database.",
    (database.init, "sweep db init --storage sqlite:///sweep.db"),
    (database.upgrade, "sweep db upgrade"),
    (
        database.copy,
        "sweep db copy sqlite:///sweep.db postgresql://me@dbhost/sweep\n"
        "sweep db copy postgresql://me@dbhost/sweep sqlite:///sweep.db --study quickstart",
    ),
)
