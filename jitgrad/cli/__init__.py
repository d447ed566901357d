"""The command line, `python -m jitgrad`; entry `main`. May import every public part of jitgrad.

Bare it prints the environment report; `demo`, `bench`, `eject` and `cache` are commands. A command
imports what it needs when it runs, so that `--help` and the report stay quick.
"""

import click

from jitgrad import __version__


@click.group(invoke_without_command=True)
@click.version_option(__version__)
@click.pass_context
def main(context):
    """Report this environment: versions, processor, BLAS, threads, cache, what is wrong."""
    if context.invoked_subcommand is None:
        from jitgrad.cli.report import report

        lines, _ = report()
        click.echo("\n".join(lines))


@main.command("demo")
@click.option("--data", type=click.Path(exists=True, file_okay=False), help="MNIST's IDX files.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training images.")
@click.option("--modes", default="eager,lazy,compiled", show_default=True, help="Modes, by comma.")
@click.option("--picture", default="demo.png", show_default=True, help="Where the picture goes.")
def _demo(data, epochs, modes, picture):
    """Train one digit classifier in each mode, from the same seed, and compare them."""
    from jitgrad.cli import demo

    demo.run(data, epochs, tuple(modes.split(",")), picture)


class _Bench(click.Command):
    """Its help names what there is to choose from, which takes the benchmark's own tables."""

    def format_epilog(self, context, formatter):
        from jitgrad.bench.subjects import SUBJECTS
        from jitgrad.bench.workloads import cases

        with formatter.section("Workloads, with their sizes"):
            formatter.write_text(", ".join(case.label for case in cases()))
        with formatter.section("Subjects"):
            formatter.write_text(", ".join(SUBJECTS))


@main.command("bench", cls=_Bench)
@click.option("--quick", is_flag=True, help="A smoke test: small sizes, times not to be trusted.")
@click.option(
    "--workload", "workloads", multiple=True, help="Name or name:size; repeat or by comma."
)
@click.option(
    "--size", "sizes", multiple=True, help="In place of the workloads' own; repeat or by comma."
)
@click.option("--subject", "subjects", multiple=True, help="Who runs them; repeat or by comma.")
@click.option("--threads", type=click.IntRange(min=1), help="For each subject; default: all cores.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Where all figures go.")
@click.option("--picture", type=click.Path(dir_okay=False), help="Where a picture of them goes.")
def _bench(quick, workloads, sizes, subjects, threads, path, picture):
    """Time jitgrad's modes beside its peers, in one run; fails if a result is wrong."""
    from jitgrad.bench import main as bench

    workloads, sizes, subjects = (
        ",".join(names).split(",") if names else () for names in (workloads, sizes, subjects)
    )
    try:
        right = bench.run(
            workloads, subjects, quick, threads, path, click.echo, sizes=sizes, draw=picture
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not right:
        raise click.ClickException("some results are wrong, see above")


@main.command("eject")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="A new folder.")
@click.pass_context
def _eject(context, out):
    """Copy the kernels of the demo's training step to a folder and run each alone there."""
    from jitgrad.cli import eject

    context.exit(eject.run(out))


@main.group("cache", invoke_without_command=True)
@click.pass_context
def _cache(context):
    """The disk cache of machine code: where, how much, what was found in it and what was not."""
    if context.invoked_subcommand is None:
        from jitgrad.cli import cache

        click.echo("\n".join(cache.lines()))


@_cache.command("clear")
def _clear():
    """Remove every kernel; the next process compiles again."""
    from jitgrad.cli import cache

    click.echo(cache.clear())
