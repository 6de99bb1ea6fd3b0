"""Files of keys, from here and from elsewhere, as lines that can be taken in. No I/O beyond going through lines."""
