"""What the punches of a day count: pairs, time, breaks and rounding."""


def without_repeats(shift, punches):
    kept = []
    for punch in punches:
        directions = {punch.get("direction"), kept[-1].get("direction")} if kept else set()
        turned = shift["pairing"] == "directed" and directions == {"in", "out"}
        is_near = bool(kept) and punch["second"] - kept[-1]["second"] <= shift["debounce"]
        if not (is_near and shift["debounce"] > 0 and not turned):
            kept.append(punch)
    return kept


def counted_time(shift, punches):
    """Return used ids, first in, last out, seconds, pairs, missing and whether anything is closed."""
    kept = without_repeats(shift, punches)
    if shift["pairing"] == "alternating":
        ins, outs = kept[0::2], kept[1::2]
        pairs = list(zip(ins, outs, strict=False))
        missing = "out" if len(kept) % 2 else None
        used = kept
        whole = (kept[0], kept[-1]) if len(kept) > 1 else None
        # The last out of an odd number: of the span it is the last punch, of pairs the last one that closed.
        last = kept[-1] if len(kept) > 1 and shift["counting"] == "first_last" else (outs or [None])[-1]
    else:
        ins, outs, pairs, used = [], [], [], []
        inside, lost_out, lost_in = None, False, False
        for punch in kept:
            goes_in = punch.get("direction") == "in" or (not punch.get("direction") and inside is None)
            if goes_in and inside is None:
                inside = punch
                ins.append(punch)
                used.append(punch)
            elif goes_in:
                lost_out = True
            else:
                outs.append(punch)
                if inside is not None:
                    pairs.append((inside, punch))
                    inside = None
                    used.append(punch)
                else:
                    lost_in = True
                    if ins:
                        used.append(punch)
        missing = "out" if lost_out or inside is not None else "in" if lost_in else None
        whole = (ins[0], outs[-1]) if pairs else None
        last = outs[-1] if outs and (pairs or not ins) else None
    first = ins[0] if ins else None
    if shift["counting"] == "every_pair":
        seconds = sum(end["second"] - start["second"] for start, end in pairs)
        is_closed = bool(pairs)
    else:
        seconds = whole[1]["second"] - whole[0]["second"] if whole else 0
        is_closed = whole is not None
    return used, first, last, seconds, pairs, missing, is_closed


def in_steps(minutes, rounding):
    if not rounding:
        return minutes
    step = rounding["minutes"]
    below = minutes - minutes % step
    if below == minutes or rounding["mode"] == "down":
        return below
    if rounding["mode"] == "up":
        return below + step
    return below if minutes - below < below + step - minutes else below + step


def break_of(shift, seconds):
    beyond = seconds - shift["break_after"] * 3600
    return min(shift["break_minutes"] * 60, beyond) if beyond > 0 else 0
