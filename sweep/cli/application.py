"""Define the Typer application: every command by its name, with its help panel and examples."""

from functools import partial
from typing import Annotated

import typer

import sweep
from sweep.cli.lazy import LazyCommand, group_of

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


_SURROUNDINGS = "Surroundings"
_run, _look, _keep, _surroundings = (
    partial(LazyCommand, panel=panel)
    for panel in ("Run a study", "Look", "Note and tidy", _SURROUNDINGS)
)

app = typer.Typer(
    name="sweep",
    cls=group_of(
        _run("new.new", "sweep new mine.toml\nsweep new mine.toml --data ./photos"),
        _run("run.start", "sweep start mine.toml\nsweep start mine.toml --dry-run"),
        _run("run.resume", "sweep resume quickstart --trials 50"),
        _run(
            "next.next_", "sweep next quickstart -o next.toml\nsweep next quickstart --name wider"
        ),
        _run("control.pause", "sweep pause quickstart"),
        _run("control.stop", "sweep stop quickstart"),
        _run("control.enqueue", "sweep enqueue quickstart hidden_width=64 activation=gelu"),
        _look("listing.list_", "sweep list"),
        _look("status.status", "sweep status quickstart\nsweep status quickstart --watch"),
        _look("top.top", "sweep top\nsweep top quickstart"),
        _look("listing.best", "sweep best quickstart -n 5"),
        _look(
            "listing.trials",
            "sweep trials quickstart --state fail\nsweep trials quickstart --sort psnr --desc",
        ),
        _look("findings.findings", "sweep findings quickstart"),
        _look("show.show", "sweep show quickstart 0"),
        _look("diagnose.diagnose", "sweep diagnose quickstart\nsweep diagnose quickstart 0 7"),
        _look("analyse.analyse", "sweep analyse quickstart\nsweep analyse quickstart 0 7"),
        _look(
            "ties.ties",
            "sweep ties quickstart\nsweep ties quickstart --run\n"
            "sweep ties quickstart --run --top 12 --seeds 10\nsweep ties quickstart -n 20",
        ),
        _look(
            "explain.explain",
            "sweep explain corners --factorial\nsweep explain limit --run\n"
            "sweep explain limit --from 0 --to 57 --run --seeds 5",
        ),
        _look("compare.compare", "sweep compare quickstart 0 7 12"),
        _look("reconstruct.reconstruct", "sweep reconstruct quickstart -o best.png"),
        _look(
            "model.model",
            "sweep model quickstart\nsweep model quickstart 0 --train --keras -o models",
        ),
        _look("model.encode", "sweep encode quickstart -o codes.npz"),
        _look("verify.verify", "sweep verify quickstart 0\nsweep verify quickstart 0 --gpus cpu"),
        _look("manage.report", "sweep report quickstart -o report.html"),
        _look(
            "figure.figure",
            "sweep figure quickstart\nsweep figure quickstart width -o width.pdf --width 8.5cm\n"
            "sweep figure quickstart slice setting=activation -o slice.csv",
        ),
        _look(
            "dashboard.dashboard",
            "sweep dashboard --study quickstart --open\nsweep dashboard --allow-edit",
        ),
        _look("export.export", "sweep export quickstart --format csv -o quickstart.csv"),
        _keep("annotate.note", 'sweep note quickstart "wider than 512 gains nothing" --trial 7'),
        _keep("annotate.tag", "sweep tag quickstart baseline --trial 0"),
        _keep("annotate.invalidate", 'sweep invalidate quickstart 3 --reason "the disk was full"'),
        _keep("manage.delete", "sweep delete quickstart"),
        _surroundings(
            "doctor.doctor",
            "sweep doctor\nsweep doctor quickstart\nsweep doctor quickstart --repair",
        ),
        _surroundings("floors.floors", "sweep floors fashion-mnist-mini --widths 8,64,784"),
        _surroundings("manage.schema", "sweep schema -o study.schema.json"),
    ),
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    epilog=_EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
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


def _add_group(name: str, about: str, *commands: LazyCommand) -> None:
    group = typer.Typer(
        name=name,
        cls=group_of(*commands),
        help=about,
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    app.add_typer(group, rich_help_panel=_SURROUNDINGS)


_add_group(
    "data",
    "List, fetch and check data sets.",
    LazyCommand("data.list_", "sweep data list"),
    LazyCommand(
        "data.prepare", "sweep data prepare fashion-mnist\nsweep data prepare mnist --from ~/mnist"
    ),
    LazyCommand(
        "data.check", "sweep data check ./my-images\nsweep data check mine.npz -o sheet.png"
    ),
)
_add_group(
    "db",
    "Create and upgrade the database's tables, and copy studies to another database.",
    LazyCommand("database.init", "sweep db init --storage sqlite:///sweep.db"),
    LazyCommand("database.upgrade", "sweep db upgrade"),
    LazyCommand(
        "database.copy",
        "sweep db copy sqlite:///sweep.db postgresql://me@dbhost/sweep\n"
        "sweep db copy postgresql://me@dbhost/sweep sqlite:///sweep.db --study quickstart",
    ),
)
