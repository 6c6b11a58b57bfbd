"""Several runs beside each other: `roundoff compare`; and those of other machines taken in: `roundoff collect`."""
