"""The commands ``skymesh catalogue …``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skymesh.catalogue import Catalogue
from skymesh.errors import SettingsError
from skymesh.model.ids import text_id

app = typer.Typer(no_args_is_help=True, help="Make and show catalogues of known objects.")


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(help="A CSV, FITS or Parquet file, or a folder of Parquet.", show_default=False)
    ],
    target: Annotated[Path, typer.Argument(help="The catalogue's folder, to be made.", show_default=False)],
    ra: Annotated[str, typer.Option(help="Column of right ascension, degrees, ICRS.", show_default=False)],
    dec: Annotated[str, typer.Option(help="Column of declination, degrees, ICRS.", show_default=False)],
    name: Annotated[
        str, typer.Option(help="The catalogue's name; else the folder's.", show_default=False)
    ] = "",
    columns: Annotated[
        str,
        typer.Option(help="Which columns to keep beside the position, a,b,c; else all.", show_default=False),
    ] = "",
) -> None:
    """Make a catalogue from a table; rows without a position are skipped, wrong positions refused."""
    from skymesh.catalogue.importing import import_catalogue

    made = import_catalogue(source, target, ra_column=ra, dec_column=dec, name=name, columns=_names(columns))
    print(_headline(made.catalogue))
    if made.without_position:
        print(f"skipped {made.without_position} rows without a position")
    if made.left_out:
        print(f"left out {', '.join(made.left_out)}, which hold no single values")


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="The catalogue's folder.", show_default=False)],
    verify: Annotated[bool, typer.Option("--verify", help="Read all rows and check the digest.")] = False,
) -> None:
    """Tell what a catalogue is; with --verify, exit 1 if its rows are not those that were imported."""
    catalogue = Catalogue.open(path)
    print(_headline(catalogue))
    print(f"in {len(catalogue.tiles)} tiles, at {catalogue.ra_column}, {catalogue.dec_column}, with")
    for column in catalogue.columns:
        print(f"  {column}: {catalogue.kind_of(column)}")
    if verify:
        catalogue.verify()
        print("these are the rows that were imported")


def _headline(catalogue: Catalogue) -> str:
    return f"{text_id('catalogue', catalogue.digest)}  {catalogue.name}  {catalogue.rows} rows"


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if not all(names):
        raise SettingsError("expected names between commas", where=f"--columns {text}")
    return names
