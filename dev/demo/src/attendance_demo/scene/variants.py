"""Further captures of a photo: another crop, light, focus or noise, as a camera would see the person again.

Every variant is a function of the photo and a seed, so that a run can be repeated.
"""

import io
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

MAX_SIDE = 1280
JPEG_QUALITY = 88


def load(path: Path) -> Image.Image:
    """Return the photo upright, in RGB, no side longer than a 720p frame's."""
    with Image.open(path) as opened:
        photo = opened.convert("RGB")
    photo.thumbnail((MAX_SIDE, MAX_SIDE))
    return photo


def encode(photo: Image.Image) -> bytes:
    """Return the photo as JPEG."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def seen_again(photo: Image.Image, seed: int) -> bytes:
    """Return the person as seen by another camera: slightly cropped, turned, lit and noisy."""
    chance = random.Random(seed)
    width, height = photo.size
    inset = [chance.uniform(0.0, 0.06) for _ in range(4)]
    box = (
        round(width * inset[0]),
        round(height * inset[1] * 0.5),
        round(width * (1 - inset[2])),
        round(height * (1 - inset[3])),
    )
    seen = photo.crop(box).rotate(chance.uniform(-5, 5), Image.Resampling.BILINEAR, fillcolor=(96, 96, 96))
    seen = ImageEnhance.Brightness(seen).enhance(chance.uniform(0.75, 1.25))
    seen = ImageEnhance.Contrast(seen).enhance(chance.uniform(0.85, 1.15))
    pixels = np.asarray(seen, np.float32)
    noise = np.random.default_rng(seed).normal(0, chance.uniform(1, 5), pixels.shape)
    return encode(Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)))


def out_of_focus(photo: Image.Image) -> bytes:
    """Return the photo blurred beyond recognition: the radius grows with the picture."""
    return encode(photo.filter(ImageFilter.GaussianBlur(max(photo.size) / 30)))


def corrupt(photo: Image.Image) -> bytes:
    """Return a file whose header is that of a JPEG and whose picture ends after its first rows."""
    whole = encode(photo)
    scan = whole.index(b"\xff\xda")
    return whole[: scan + (len(whole) - scan) // 10]
