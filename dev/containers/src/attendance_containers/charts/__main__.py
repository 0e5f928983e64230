"""The command line: `check` the charts, or `write` the files of them that are made from elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from attendance_containers.charts.check import check_charts, helm_docs_of
from attendance_containers.charts.made_files import made_files
from attendance_containers.errors import ContainersError
from attendance_containers.go_programs import HELM
from attendance_deploy.access.permissions import read_permissions
from local_stack.errors import LocalStackError

Cache = Annotated[Path, typer.Option(help="Folder of what is downloaded and built.")]
CACHE = Path(".local-stack/cache")

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@cli.command()
def check(cache: Cache = CACHE) -> None:
    """Render the charts and hold them against Kubernetes, the operators and deploy/access.yaml."""
    figures = check_charts(Path.cwd(), cache.resolve(), typer.echo)
    typer.echo(figures.line())


@cli.command()
def write(cache: Cache = CACHE) -> None:
    """Make the charts' files and READMEs anew."""
    charts = Path("charts")
    for path, text in made_files(Path.cwd(), read_permissions(Path("deploy/access.yaml"))).items():
        path.write_text(text, encoding="utf-8")
    helm_docs = HELM.build(cache.resolve()) / "helm-docs"
    for chart in sorted(path.parent for path in charts.glob("*/Chart.yaml")):
        (chart / "README.md").write_text(helm_docs_of(helm_docs, chart), encoding="utf-8")


if __name__ == "__main__":
    try:
        cli()
    except (ContainersError, LocalStackError) as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from error
