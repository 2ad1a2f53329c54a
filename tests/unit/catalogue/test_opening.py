"""What is a catalogue, and what is none."""

from __future__ import annotations

import pickle
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skymesh.catalogue import Catalogue
from skymesh.errors import InvariantError, SettingsError
from support.catalogues import catalogue

COLUMNS = {"ra": [10.0, 200.0], "dec": [5.0, -5.0], "mag": [18, 19], "name": ["a", "b"]}


@pytest.fixture
def made(tmp_path):
    return catalogue(tmp_path, COLUMNS)


def change(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_catalogue_says_what_it_is(made):
    assert (made.name, made.rows, made.columns) == ("made", 2, ("ra", "dec", "mag", "name"))
    assert (made.ra_column, made.dec_column) == ("ra", "dec")
    assert [made.kind_of(column) for column in made.columns] == ["number", "number", "integer", "text"]


def test_its_digest_is_that_of_its_content_wherever_it_lies(made, tmp_path):
    moved = shutil.copytree(made.path, tmp_path / "another name")
    assert Catalogue.open(moved).digest == made.digest
    (moved / "hats.properties").rename(moved / "properties")
    assert Catalogue.open(str(moved)).digest == made.digest


def test_what_is_no_catalogue_is_told_in_one_line(tmp_path, made):
    with pytest.raises(SettingsError, match=r"/nowhere: no such folder$"):
        Catalogue.open(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        SettingsError, match=r"/folder: is no catalogue, for it has no hats\.properties; make one"
    ):
        Catalogue.open(tmp_path / "folder")


@pytest.mark.parametrize(
    "file, old, new, problem",
    [
        ("hats.properties", "hats_col_ra=ra", "", "hats.properties: hats_col_ra is missing"),
        ("hats.properties", "hats_col_ra=ra", "hats_col_ra=RAJ2000", "made: has no column 'RAJ2000'"),
        ("hats.properties", "hats_col_healpix=_healpix_29", "", "names no index column _healpix_29"),
        ("hats.properties", "skymesh_digest", "digest", "holds no digest of the rows"),
        ("hats.properties", "skymesh_digest=catalogue:", "skymesh_digest=x", "made: is no catalogue: "),
        ("hats.properties", "hats_nrows=2", "hats_nrows=two", "made: is no catalogue: "),
        ("partition_info.csv", "Norder", "order", "partition_info.csv: has no column Norder"),
        ("partition_info.csv", "0,", "x,", r"partition_info.csv: cannot be read: this is no tile: x,\d+,"),
        ("partition_info.csv", "\n0,", "\n0\n0,", "cannot be read: this is no tile: 0,,,$"),
        ("partition_info.csv", "0,", "0,9", "partition_info.csv: cannot be read: there is no pixel 9"),
        (
            "partition_info.csv",
            "\n0,",
            "\n0,0,1,x\n0,",
            "partition_info.csv: .* overlap|Npix=0.parquet: is missing",
        ),
    ],
)
def test_damage_to_what_it_says_of_itself_is_told_in_one_line(made, file, old, new, problem):
    change(made.path / file, old, new)
    with pytest.raises(SettingsError, match=problem):
        Catalogue.open(made.path)


def test_a_missing_file_is_told_when_it_is_opened(made):
    path = made.path / made.tiles[0].path
    path.unlink()
    with pytest.raises(SettingsError, match=rf"{path.name}: is missing$"):
        Catalogue.open(made.path)
    (made.path / "partition_info.csv").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"partition_info\.csv: cannot be read: no UTF-8 text$"):
        Catalogue.open(made.path)
    (made.path / "partition_info.csv").unlink()
    with pytest.raises(SettingsError, match=r"partition_info\.csv: cannot be read: No such file"):
        Catalogue.open(made.path)
    (made.path / "dataset" / "_common_metadata").unlink()
    with pytest.raises(SettingsError, match=r"_common_metadata: cannot be read: No such file or directory$"):
        Catalogue.open(made.path)


def test_a_catalogue_without_its_index_is_none(made):
    schema = pa.schema([("ra", pa.float64()), ("dec", pa.float64())])
    pq.write_metadata(schema, made.path / "dataset" / "_common_metadata")
    with pytest.raises(SettingsError, match="made: has no column '_healpix_29'"):
        Catalogue.open(made.path)


def test_changed_rows_are_found_by_verifying(made):
    opened = Catalogue.open(made.path)
    rewrite(made.path / made.tiles[0].path)
    with pytest.raises(InvariantError, match=r"/made: these are not the rows that were imported$"):
        opened.verify()


def rewrite(path) -> None:
    table = pq.read_table(path)
    changed = table.set_column(table.column_names.index("mag"), "mag", [[17] * table.num_rows])
    pq.write_table(changed, path)


def test_rows_that_were_rewritten_do_not_pass_for_those_that_were_imported(made):
    path = made.path / made.tiles[0].path
    rewrite(path)
    with pytest.raises(SettingsError, match=rf"{path.name}: was changed after the import, from \d+ to \d+"):
        Catalogue.open(made.path)


def test_rows_that_were_rewritten_since_are_told_when_they_are_first_read(made):
    path = made.path / made.tiles[0].path
    opened = Catalogue.open(made.path)
    rewrite(path)
    with pytest.raises(InvariantError, match=rf"{path.name}: .*this is not the file that was imported$"):
        opened.cone_search([0.0], [0.0], 180 * 3600)


def test_damaged_and_vanished_files_stop_a_search(made):
    path = made.path / made.tiles[0].path
    opened, late = Catalogue.open(made.path), Catalogue.open(made.path)
    data = bytearray(path.read_bytes())
    data[8:12] = bytes(byte ^ 255 for byte in data[8:12])
    path.write_bytes(data)
    with pytest.raises(InvariantError, match=rf"{path.name}: the catalogue was changed or damaged: "):
        opened.cone_search([0.0], [0.0], 180 * 3600, columns=opened.columns)
    path.unlink()
    with pytest.raises(InvariantError, match=rf"{path.name}: the catalogue was changed or damaged: "):
        late.cone_search([0.0], [0.0], 180 * 3600)


def test_another_process_refuses_what_became_another_catalogue(made):
    sent = pickle.dumps(made)
    change(made.path / "hats.properties", made.digest.hex(), "0" * 32)
    with pytest.raises(InvariantError, match="the catalogue is another one than it was"):
        pickle.loads(sent)
