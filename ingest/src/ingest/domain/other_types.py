"""What a file is that is no JPEG, PNG or WebP, in words that tell its sender what to change."""

HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
BRAND = slice(8, 12)  # of an ISO base media file: size, "ftyp", major brand
MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF, or a camera's raw file"),
    (b"MM\x00*", "a TIFF, or a camera's raw file"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"RIFF", "a RIFF file (AVI or WAV, say)"),
)
SAMPLE = 512


def describe(data: bytes) -> str:
    """Return a noun phrase for the bytes, for example "a GIF"; the message goes on with what to send."""
    if data[4:8] == b"ftyp":
        if data[BRAND] in HEIF_BRANDS:
            return "a HEIC picture (an iPhone sends JPEG with Camera, Formats, Most Compatible)"
        return "an AVIF picture" if data[BRAND] in AVIF_BRANDS else "a video or another media file"
    for magic, name in MAGICS:
        if data.startswith(magic):
            return name
    return _of_text(data[:SAMPLE])


def _of_text(sample: bytes) -> str:
    if b"<svg" in sample:
        return "an SVG drawing"
    if not sample.strip(b"\x00"):
        return "nothing but zero bytes"
    printable = sum(byte in b"\t\n\r" or byte >= 0x20 for byte in sample)  # noqa: PLR2004 - the first printable
    return "text" if printable == len(sample) and b"\x7f" not in sample else "of no known type"
