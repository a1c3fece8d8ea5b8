"""The sample data, generated from a fixed seed: the same bytes on every machine."""

from __future__ import annotations

import csv
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

SEED = 8420
CUSTOMER_COUNT = 10_000
BROKEN_CUSTOMER_COUNT = CUSTOMER_COUNT // 100
FILE_COUNT = 180
COLUMNS = ("number", "name", "email", "country", "signed_up", "amount")

NAMES = {
    "DE": ("Anna Jonas Lena Felix Greta Moritz Ida Paul", "Becker Vogel Schäfer Krüger Lange Busch Winter Roth"),
    "FR": ("Chloé Hugo Inès Louis Manon Théo Zoé Jules", "Moreau Lefèvre Girard Roussel Faure Blanc Garnier Colin"),
    "ES": ("Lucía Mateo Carmen Pablo Elena Diego Sofía Javier", "Ortega Núñez Vidal Serrano Ibáñez Campos Rey Prieto"),
    "IT": ("Giulia Marco Chiara Luca Elisa Matteo Sara Pietro", "Conti Ferrara Greco Marini Rizzo Lombardi Villa"),
    "PL": ("Zofia Jakub Maja Szymon Hanna Piotr Ewa Michał", "Wójcik Mazur Kaczmarek Zając Król Pawlak Duda Sikora"),
    "SE": ("Astrid Erik Linnéa Oskar Freja Nils Elsa Axel", "Lindqvist Berg Sandström Åkesson Nyberg Holm Ek Wallin"),
    "GB": ("Grace Oliver Amelia Harry Isla George Ruby Arthur", "Turner Hughes Bennett Foster Walsh Barker Payne"),
    "US": ("Emma Noah Ava Mason Harper Logan Chloe Wyatt", "Carter Reed Coleman Hayes Brooks Sanders Ross Perry"),
    "IN": ("Aarav Diya Vihaan Ananya Arjun Meera Rohan Kavya", "Iyer Nair Menon Kapoor Joshi Bhat Rao Chopra"),
    "JP": ("Haruto Yui Sota Aoi Ren Hina Daiki Mei", "Tanaka Kobayashi Mori Ishii Okada Hayashi Ueda Kato"),
    "BR": ("Beatriz Rafael Larissa Thiago Camila Bruno Júlia Caio", "Ribeiro Araújo Barros Teixeira Pinto Moura Lopes"),
    "KE": ("Achieng Kamau Wanjiru Otieno Njeri Baraka Imani Juma", "Mwangi Odhiambo Kiptoo Wafula Ndungu Mutua"),
}  # fmt: skip

Row = dict[str, str]


def write_customers(path: Path) -> None:
    """Write a CSV of customers, 1 % of them broken in one of the ways that real files are."""
    random = Random(SEED)  # noqa: S311 - sample data, not a secret
    rows = [_customer(random, number) for number in range(1, CUSTOMER_COUNT + 1)]
    broken = random.sample(range(1, CUSTOMER_COUNT), BROKEN_CUSTOMER_COUNT)
    for position, index in enumerate(broken):
        _BREAKAGES[position % len(_BREAKAGES)](rows[index], rows[0])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row.values() for row in rows)


def write_shop_database(path: Path) -> None:
    """Write the SQLite database of a small shop: products, orders and their lines, a few MB."""
    random = Random(SEED)  # noqa: S311 - sample data, not a secret
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_SHOP_SCHEMA)
        with database:
            database.executemany("INSERT INTO products VALUES (?, ?, ?, ?)", _products(random))
            database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", _orders(random))
            database.executemany("INSERT INTO order_lines VALUES (?, ?, ?, ?)", _order_lines(random))
        # Readers of a database in WAL mode keep their snapshot while others write: a backup needs no pause.
        database.execute("PRAGMA journal_mode = WAL")


def write_files(folder: Path) -> None:
    """Write a tree of binary files, about 5 MB; every ninth one is a copy of an earlier one."""
    random = Random(SEED)  # noqa: S311 - sample data, not a secret
    contents: list[bytes] = []
    for number in range(FILE_COUNT):
        copied = number % 9 == 8
        content = random.choice(contents) if copied else random.randbytes(random.randint(1_000, 60_000))
        contents.append(content)
        parent = folder / f"{2019 + number % 6}"
        parent.mkdir(parents=True, exist_ok=True)
        (parent / f"scan-{number:04d}.bin").write_bytes(content)


def _customer(random: Random, number: int) -> Row:
    country = random.choice(list(NAMES))
    first, last = (random.choice(names.split()) for names in NAMES[country])
    signed_up = date(2020, 1, 1) + timedelta(days=random.randrange(5 * 365))
    return {
        "number": str(number),
        "name": f"{first} {last}",
        "email": f"{_ascii(first)}.{_ascii(last)}.{number}@example.{random.choice(('com', 'net', 'org'))}",
        "country": country,
        "signed_up": signed_up.isoformat(),
        "amount": f"{random.lognormvariate(4.5, 0.9):.2f}",
    }


def _ascii(name: str) -> str:
    """Spell a name as it stands in an e-mail address."""
    plain = name.lower().replace("ł", "l")
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()


def _cut_short(row: Row, _: Row) -> None:
    for column in ("country", "signed_up", "amount"):
        del row[column]


_BREAKAGES: tuple[Callable[[Row, Row], None], ...] = (
    lambda row, _: row.update(email=""),
    lambda row, _: row.update(email=row["email"].replace("@", " at ")),
    lambda row, first: row.update(email=first["email"]),
    lambda row, _: row.update(country="XX"),
    lambda row, _: row.update(signed_up="2023-02-30"),
    lambda row, _: row.update(signed_up=date.fromisoformat(row["signed_up"]).strftime("%d.%m.%Y")),
    lambda row, _: row.update(amount="n/a"),
    lambda row, _: row.update(amount=f"-{row['amount']}"),
    lambda row, _: row.update(name=" "),
    _cut_short,
)
"""Ways to break a row; each gets the row and the first row of the file, which is never broken."""

_SHOP_SCHEMA = """
CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, title TEXT NOT NULL, price_cents INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, ordered_at TEXT NOT NULL, country TEXT NOT NULL, state TEXT NOT NULL, note TEXT
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders, position INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products, quantity INTEGER NOT NULL,
    PRIMARY KEY (order_id, position)
) WITHOUT ROWID;
CREATE INDEX orders_by_time ON orders (ordered_at);
"""  # noqa: E501 - a table a line
_PRODUCT_COUNT = 400
_ORDER_COUNT = 20_000
_NOTES = (
    None,
    None,
    "Leave with the neighbour, please.",
    "A present: no invoice in the parcel.",
    "Call before delivery.",
)


def _products(random: Random) -> Iterator[tuple[int, str, str, int]]:
    kinds = ("Lamp", "Chair", "Kettle", "Notebook", "Backpack", "Blanket", "Clock", "Vase")
    makes = ("Oak", "Slate", "Linen", "Copper", "Moss", "Ivory", "Amber", "Cobalt")
    for number in range(1, _PRODUCT_COUNT + 1):
        title = f"{random.choice(makes)} {random.choice(kinds)}"
        yield number, f"SKU-{number:05d}", title, random.randrange(490, 24_900, 10)


def _orders(random: Random) -> Iterator[tuple[int, str, str, str, str | None]]:
    ordered_at = datetime(2024, 1, 1)  # noqa: DTZ001 - the shop keeps local time
    for number in range(1, _ORDER_COUNT + 1):
        ordered_at += timedelta(seconds=random.randrange(30, 3_000))
        state = random.choices(("shipped", "paid", "returned"), (90, 7, 3))[0]
        yield number, ordered_at.isoformat(), random.choice(list(NAMES)), state, random.choice(_NOTES)


def _order_lines(random: Random) -> Iterator[tuple[int, int, int, int]]:
    for order in range(1, _ORDER_COUNT + 1):
        for position in range(1, random.randint(2, 6)):
            yield order, position, random.randint(1, _PRODUCT_COUNT), random.randint(1, 5)
