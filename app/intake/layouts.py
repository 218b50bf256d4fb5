"""What a file looks like, told from its beginning: encoding, delimiter, the columns and what each of them feeds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.domain import imports
from app.domain.imports import BadFile, Cursor, DuplicateColumn, Format, Kind
from app.intake.records import SCAN_BYTES, Record, read

HEAD_BYTES: Final = SCAN_BYTES + 1024
MOST_COLUMNS: Final = 500
COLUMN_BYTES: Final = 256
DELIMITERS: Final = ",;\t|"
_BOM: Final = b"\xef\xbb\xbf"
_NOT_TEXT: Final = {
    b"\xff\xfe": "The file is UTF-16; save it as UTF-8.",
    b"\xfe\xff": "The file is UTF-16; save it as UTF-8.",
    b"PK\x03\x04": "The file is a workbook or a zip archive; save it as CSV.",
    b"\xd0\xcf\x11\xe0": "The file is a workbook of an old Excel; save it as CSV.",
    b"\x1f\x8b": "The file is compressed with gzip; unpack it first.",
    b"%PDF": "The file is a PDF.",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read rows: where they begin, what parts their cells, and what each column feeds."""

    delimiter: str | None = None
    newline: str = "\n"
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    begins: int = 0
    first_row: int = 0

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Layout":
        """The layout that was stored."""
        lists = {name: tuple(stored[name]) for name in ("columns", "targets")}
        return cls(**{**stored, **lists})

    @property
    def start(self) -> Cursor:
        """Where the rows begin."""
        return Cursor(self.begins, self.first_row)

    def column_of(self, pointer: str | None) -> str | None:
        """The column that feeds the place a JSON pointer names."""
        if pointer is None:
            return None
        place = pointer.removeprefix("#/").replace("/", ".").replace("~1", "/").replace("~0", "~")
        fed = {_bare(target): column for column, target in zip(self.columns, self.targets, strict=True) if target}
        return fed.get(_bare(place)) or fed.get(place.partition(".")[0])


def _bare(target: str) -> str:
    """A name or email is a trait, whether it is called one or not."""
    return target.removesuffix(imports.AS_TEXT).removeprefix("traits.").removeprefix("properties.")


def recognise(head: bytes, kind: Kind, format: Format, mapping: Mapping[str, str], *, whole: bool) -> Layout:  # noqa: A002 - its name on the wire
    """The layout of the file that begins with `head` (`HEAD_BYTES` of it, or the `whole`). Raises `BadFile`."""
    for magic, sentence in _NOT_TEXT.items():
        if head.startswith(magic):
            raise BadFile(sentence)
    begins = len(_BOM) if head.startswith(_BOM) else 0
    if not head[begins:].strip():
        raise BadFile("The file is empty.")
    if format == "jsonl":
        return Layout(begins=begins)
    newline = "\r" if b"\r" in head and b"\n" not in head else "\n"
    header, delimiter, after = _header(head[begins:], newline, whole=whole)
    columns = _columns(header)
    fed = imports.targets(kind, columns, mapping)
    return Layout(delimiter, newline, columns, fed, begins + after.at, after.row)


def _header(data: bytes, newline: str, *, whole: bool) -> tuple[Record, str, Cursor]:
    """The first row that is not blank, read with whichever delimiter finds most columns in it."""
    start, told = Cursor(), None
    end = data.find(newline.encode())
    if data[:4].lower() == b"sep=" and end in {5, 6}:  # as Excel writes, and only Excel
        start, told = Cursor(end + 1, 1), data[4:5].decode("latin-1")
    best: tuple[Record, str, Cursor] | None = None
    for delimiter in told or DELIMITERS:
        found, after = read(data[start.at :], start, delimiter=delimiter, newline=newline, last=whole, most=1)
        if found and found[0].fault is None and (best is None or len(found[0].cells) > len(best[0].cells)):
            best = found[0], delimiter, after
    if best is None:
        raise BadFile("The first row cannot be read as names of columns: is the file CSV, in UTF-8?")
    return best


def _columns(header: Record) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in header.cells)
    if len(columns) > MOST_COLUMNS:
        raise BadFile(f"The file has {len(columns)} columns; at most {MOST_COLUMNS} can be taken.")
    if any("\0" in column or len(column.encode()) > COLUMN_BYTES for column in columns):
        raise BadFile(
            f"A column's name has more than {COLUMN_BYTES} bytes, or contains NUL: is the file CSV, in UTF-8?"
        )
    named = [column for column in columns if column]
    if not named:
        raise BadFile("The first row names no columns.")
    twice = {column for column in named if named.count(column) > 1}
    if twice:
        raise DuplicateColumn(f"Two columns are called {min(twice)!r}; rename one.")
    return columns
