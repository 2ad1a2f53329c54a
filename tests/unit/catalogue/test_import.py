"""Catalogues made from tables: the same rows are the same catalogue, and mistakes are one line."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from astropy_healpix import HEALPix
from hypothesis import given
from hypothesis import strategies as st

from skymesh.catalogue import Catalogue, importing, runs
from skymesh.catalogue.importing import import_catalogue
from skymesh.errors import SettingsError
from support.catalogues import catalogue, imported, on_the_sphere

COLUMNS = {
    "ra": [10.5, -20.25, 359.75, 10.5, 200.0],
    "dec": [-5.5, 89.75, 0.0, -5.5, 41.0],
    "number": [1, -2, 9007199254740993, 4, 5],
    "mag": [18.5, None, 0.0, 1e-30, 17.0],
    "count": [1, None, 3, 4, 5],
    "name": ["M 31", 'Å, "quoted"', None, "two\nlines", "Ω"],
}  # fmt: skip


def written(folder: Path, kind: str, columns: dict[str, list]) -> Path:
    """Write columns to a file of a kind."""
    path = folder / f"table{kind}"
    if kind.startswith(".csv"):
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
        data = text.getvalue().encode()
        path.write_bytes(gzip.compress(data) if kind.endswith(".gz") else data)
    elif kind == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        filled = {name: _without_none(values) for name, values in columns.items()}
        table = Table(filled, masked=True)
        for name, values in columns.items():
            table[name].mask = [value is None for value in values]
        table.write(path)
    return path


def _without_none(values: list) -> list:
    some = next(value for value in values if value is not None)
    return [type(some)(0) if value is None else value for value in values]


def into(folder: Path, source: Path, **more) -> Catalogue:
    return import_catalogue(source, folder / "made", ra_column="ra", dec_column="dec", **more).catalogue


@pytest.mark.parametrize("kind", [".csv", ".csv.gz", ".parquet", ".fits"])
def test_the_same_rows_are_the_same_catalogue_from_whatever_kind_of_file(tmp_path, kind):
    columns = dict(COLUMNS)
    if kind == ".fits":  # FITS has ASCII texts only
        columns["name"] = ["M 31", "two words", None, "x", "y"]
    (tmp_path / "reference").mkdir()
    reference = catalogue(tmp_path / "reference", columns)
    made = into(tmp_path, written(tmp_path, kind, columns))
    assert (made.rows, made.columns, made.digest) == (5, tuple(columns), reference.digest)
    made.verify()


def test_values_come_back_as_they_were(tmp_path):
    made = into(tmp_path, written(tmp_path, ".csv", COLUMNS))
    found = made.cone_search([0.0], [0.0], 180 * 3600, columns=made.columns)
    order = np.argsort(found.values["number"])
    assert found.values["number"][order].tolist() == sorted(COLUMNS["number"])
    names = found.values["name"][order].tolist()
    assert names == ['Å, "quoted"', "M 31", "two\nlines", "Ω", None]
    assert found.values["mag"][order] == pytest.approx([np.nan, 18.5, 1e-30, 17.0, 0.0], nan_ok=True)
    assert found.values["count"][order] == pytest.approx([np.nan, 1, 4, 5, 3], nan_ok=True)
    assert found.values["ra"][order].tolist() == [-20.25, 10.5, 10.5, 200.0, 359.75]


@given(st.permutations(range(5)), st.permutations(list(COLUMNS)))
def test_neither_the_order_of_rows_nor_that_of_columns_counts(tmp_path_factory, rows, names):
    folder = tmp_path_factory.mktemp("shuffled")
    shuffled = {name: [COLUMNS[name][row] for row in rows] for name in names}
    expected = catalogue(tmp_path_factory.mktemp("straight"), COLUMNS)
    assert catalogue(folder, shuffled).digest == expected.digest


@pytest.mark.parametrize("name", COLUMNS)
def test_every_value_counts(tmp_path, name):
    (tmp_path / "other").mkdir()
    other = dict(COLUMNS) | {name: [COLUMNS[name][4], *COLUMNS[name][1:]]}
    assert catalogue(tmp_path, COLUMNS).digest != catalogue(tmp_path / "other", other).digest


def test_moving_a_text_to_the_next_row_or_renaming_a_column_counts(tmp_path):
    tables = [
        {"ra": [1.0, 2.0], "dec": [0.0, 0.0], "a": texts, "b": ["x", "y"]}
        for texts in (["ab", "c"], ["a", "bc"], ["abc", None], [None, "abc"])
    ]
    tables.append({("c" if name == "a" else name): values for name, values in tables[0].items()})
    digests = set()
    for number, table in enumerate(tables):
        (tmp_path / str(number)).mkdir()
        digests.add(catalogue(tmp_path / str(number), table).digest)
    assert len(digests) == len(tables)


def test_tiles_row_groups_and_runs_do_not_count(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    ra, dec = on_the_sphere(rng, 5000)
    columns = {"ra": ra, "dec": dec, "name": [f"n{n % 7}" for n in range(5000)], "mag": rng.normal(size=5000)}
    one = catalogue(tmp_path, columns)
    monkeypatch.setattr(importing, "TILE_ROWS", 90)
    monkeypatch.setattr(importing, "GROUP_ROWS", 10)
    monkeypatch.setattr(runs, "_RUN_BYTES", 1)
    (tmp_path / "cut").mkdir()
    # A folder of many files is read as many batches, each of which becomes a run.
    for start in range(0, 5000, 500):
        part = pa.table({name: values[start : start + 500] for name, values in columns.items()})
        pq.write_table(part, tmp_path / "cut" / f"{start}.parquet")
    many = into(tmp_path / "cut", tmp_path / "cut")
    assert len(one.tiles) == 12
    assert len(many.tiles) > 50
    assert many.digest == one.digest
    many.verify()


def test_the_folder_is_what_hats_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "TILE_ROWS", 500)
    ra, dec = on_the_sphere(np.random.default_rng(5), 20_000)
    made = catalogue(tmp_path, {"ra": ra, "dec": dec})
    lines = (made.path / "hats.properties").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert said["obs_collection"] == "made"
    assert (said["hats_nrows"], said["hats_col_ra"], said["hats_col_dec"]) == ("20000", "ra", "dec")
    assert (said["hats_col_healpix"], said["hats_col_healpix_order"]) == ("_healpix_29", "29")
    tiles = list(csv.DictReader((made.path / "partition_info.csv").read_text().splitlines()))
    assert len(tiles) > 12
    rows = 0
    for tile in tiles:
        order, pixel = int(tile["Norder"]), int(tile["Npix"])
        name = f"dataset/Norder={order}/Dir={pixel // 10_000 * 10_000}/Npix={pixel}.parquet"
        table = pq.read_table(made.path / name)
        index = table["_healpix_29"].to_numpy()
        expected = HEALPix(2**29, "nested").lonlat_to_healpix(
            table["ra"].to_numpy() * u.deg, table["dec"].to_numpy() * u.deg
        )
        assert table.num_rows <= 500
        assert index.tolist() == sorted(expected.tolist())
        assert set((index >> 2 * (29 - order)).tolist()) == {pixel}
        rows += table.num_rows
    assert rows == 20_000
    assert len(list(made.path.rglob("*.parquet"))) == len(tiles)


def test_rows_without_a_position_are_skipped_and_counted(tmp_path):
    columns = {"ra": [1.0, None, np.nan, 4.0], "dec": [1.0, 2.0, 3.0, None], "n": [1, 2, 3, 4]}
    found = imported(tmp_path, columns)
    assert (found.without_position, found.catalogue.rows) == (3, 1)


@pytest.mark.parametrize(
    "bad", [(361.0, 0.0), (-180.5, 0.0), (10.0, 90.5), (10.0, -91.0), (np.inf, 0.0), (0.0, -np.inf)]
)
def test_positions_off_the_sphere_are_refused_with_their_number(tmp_path, bad):
    columns = {"ra": [1.0, bad[0], 3.0, bad[0]], "dec": [1.0, bad[1], 3.0, bad[1]]}
    with pytest.raises(
        SettingsError, match=r"source\.parquet: 2 rows lie not within -180 to 360 and ±90"
    ) as told:
        imported(tmp_path, columns)
    assert f"the first has {bad[0]:g} {bad[1]:g}" in str(told.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.parquet"]


def test_columns_are_kept_as_asked_and_lists_are_left_out(tmp_path):
    columns = {"ra": [1.0], "dec": [2.0], "history": [[1, 2]], "mag": [3.0], "z": [0.1]}
    found = imported(tmp_path, columns)
    assert (found.catalogue.columns, found.left_out) == (("ra", "dec", "mag", "z"), ("history",))
    (tmp_path / "some").mkdir()
    assert imported(tmp_path / "some", columns, keep=["z"]).catalogue.columns == ("ra", "dec", "z")
    (tmp_path / "none").mkdir()
    with pytest.raises(SettingsError, match=r"column 'history' holds no single values but list<.*int64>$"):
        imported(tmp_path / "none", columns, keep=["history"])


def test_flags_integers_and_numbers_of_csv_are_told_apart_by_all_values(tmp_path):
    source = tmp_path / "t.csv"
    source.write_text(
        " ra ;dec; flag;late;big;code;,empty;\n"
        "1;2;true;1;12345678901234567890123;007x;;a\n"
        "1.5; 3 ;False;2.5; 1;+1;;\n"
    )
    made = into(tmp_path, source)
    found = made.cone_search([1], [2], 9e4, columns=made.columns)
    kinds = "".join(found.values[name].dtype.kind for name in made.columns)
    assert dict(zip(made.columns, kinds, strict=True)) == {
        "ra": "f", "dec": "f", "flag": "b", "late": "f",
        "big": "O", "code": "O", ",empty": "f", "column_8": "O",
    }  # fmt: skip
    assert found.values["big"].tolist() == ["12345678901234567890123", "1"]


BAD_TABLES = {
    "missing.csv": (None, "no such file"),
    "empty.csv": (b"", "has no line of names"),
    "ragged.csv": (b"ra,dec\n1,2\n3\n", r"cannot be read: CSV parse error: .*Expected 2 columns, got 1"),
    "twice.csv": (b"ra,dec,ra\n1,2,3\n", "has two columns 'ra'"),
    "other.csv": (b"RA,dec\n1,2\n", "has no column 'ra'; there are: RA, dec"),
    "texts.csv": (b"ra,dec\n00:01:02,2\n", "column 'ra' holds no numbers, as degrees would be"),
    "nowhere.csv": (b"ra,dec,n\n,2,1\n,,2\n", "none of its 2 rows has a position in ra and dec$"),
    "latin.csv": (b"ra,dec,n\n1,2,\xe5\n", "cannot be read: .*UTF8"),
    "table.dat": (b"ra dec\n", r"is neither a folder nor one of \.csv, "),
    "broken.parquet": (b"PAR1 and no more", "cannot be read: "),
    "broken.fits": (b"SIMPLE  = and no more", "cannot be read: "),
    "broken.csv.gz": (gzip.compress(b"ra,dec\n1,2\n" * 1000)[:30], "cannot be read: "),
    "broken.fits.gz": (b"\x1f\x8b and no more", "cannot be read: "),
    "folder": (None, "there is no Parquet file in this folder"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
def test_a_table_that_cannot_be_used_is_one_line_and_leaves_nothing(tmp_path, name):
    data, problem = BAD_TABLES[name]
    source = tmp_path / name
    if data is not None:
        source.write_bytes(data)
    elif name == "folder":
        source.mkdir()
    with pytest.raises(SettingsError, match=rf"{name}: {problem}"):
        into(tmp_path, source)
    assert [path.name for path in tmp_path.iterdir() if path != source] == []


def test_a_fits_file_without_a_table_and_one_that_ends_too_early_are_told(tmp_path):
    from astropy.io import fits

    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(SettingsError, match=r"image\.fits: has no binary table"):
        into(tmp_path, tmp_path / "image.fits")
    whole = written(tmp_path, ".fits", {"ra": [1.0] * 5000, "dec": [2.0] * 5000})
    whole.write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(SettingsError, match=r"table\.fits: cannot be read: "):
        into(tmp_path, whole)


def test_integers_that_no_column_can_hold_are_told(tmp_path):
    columns = {"ra": [1.0, 2.0], "dec": [1.0, 2.0]}
    with pytest.raises(
        SettingsError, match=r"source\.parquet: column 'n': Integer value 18446744073709551615"
    ):
        imported(tmp_path, columns | {"n": np.array([1, 2**64 - 1], np.uint64)})
    with pytest.raises(
        SettingsError, match=r"column 'n' has absent values, and an integer too big beside them"
    ):
        imported(tmp_path, columns | {"n": pa.array([None, 2**53 + 1])})


def test_an_existing_target_is_left_as_it_is(tmp_path):
    first = catalogue(tmp_path, COLUMNS)
    with pytest.raises(SettingsError, match=r"/made: exists already$"):
        catalogue(tmp_path, dict(COLUMNS, mag=[1.0] * 5))
    assert Catalogue.open(first.path).digest == first.digest


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    source = written(tmp_path, ".csv", COLUMNS)
    with pytest.raises(SettingsError, match=r"file/made: cannot be written: "):
        import_catalogue(source, tmp_path / "file" / "made", ra_column="ra", dec_column="dec")


def test_an_import_that_is_stopped_leaves_no_catalogue(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(importing.hats, "write_properties", stop)
    with pytest.raises(KeyboardInterrupt):
        catalogue(tmp_path, COLUMNS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.parquet"]
