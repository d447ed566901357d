"""Reads the symbol table of an ELF object: `symbols(blob) -> (defined, undefined)`.

The list of undefined symbols is what the loader must know before LLVM links an object. Imports
nothing of jitgrad. Any fault in the file raises ValueError.
"""

import struct

_SYMTAB = 2


def symbols(blob):
    """Names that the 64-bit little-endian ELF object `blob` defines, and those it needs."""
    try:
        return _symbols(blob)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"not a readable object file: {error}") from None


def _symbols(blob):
    if blob[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF object")
    (table,) = struct.unpack_from("<Q", blob, 0x28)
    size, count = struct.unpack_from("<HH", blob, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", blob, table + i * size) for i in range(count)]
    defined, undefined = set(), set()
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != _SYMTAB:
            continue
        names = sections[link][4]
        for at in range(offset + entry, offset + length, entry):
            name, info, _, section = struct.unpack_from("<IBBH", blob, at)
            start = names + name
            text = blob[start : blob.index(b"\0", start)].decode("ascii")
            if info >> 4 and text:
                (defined if section else undefined).add(text)
    return defined, undefined
