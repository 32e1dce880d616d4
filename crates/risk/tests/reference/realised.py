"""Realised correlation and volatility of two markets and the offset they leave, from the prices themselves
(docs/decisions/0016-offsets-across-markets.md), in mpmath. Used by across_markets.py.

A history is a list of (time, price) in the order of recording. Every statistic is made twice: from logarithmic returns as they
are, and from returns rounded to 2^-15, which is what an account has room for.
"""

import math
import random

import mpmath as mp

INTERVAL, WINDOW, SHORT = 7_200, 64, 16
PER_YEAR = 365 * 86_400 // INTERVAL
LEAST, ENOUGH, LEAST_SHORT = 12, 48, 8
START = 1_700_000_000 // INTERVAL * INTERVAL


def first_prices(history, now):
    """The first price of every interval; nothing older than what is known."""
    prices, latest = {}, -1
    for time, price in history:
        interval = time // INTERVAL
        if time <= now and interval > latest:
            prices[interval], latest = price, interval
    return prices


def returns(history, now):
    """Interval to return, for the intervals of the window that ends now. The price before has to be in the window that ends
    with the interval: otherwise the market starts anew."""
    prices = first_prices(history, now)
    last = now // INTERVAL
    known, out = sorted(prices), {}
    for before, interval in zip(known, known[1:]):
        if last - WINDOW < interval and interval - before < WINDOW:
            change = mp.log(mp.mpf(prices[interval]) / prices[before])
            out[interval] = max(mp.mpf(-1), min(mp.mpf(1), change))
    return out


def stored(values):
    """In units of 2^-15, the largest of which is a unit below one."""
    unit = mp.mpf(2) ** -15
    return {at: min(mp.floor(value / unit + mp.mpf("0.5")), 32_767) * unit for at, value in values.items()}


def window(values, last, length):
    return {at: value for at, value in values.items() if at > last - length}


def norm(values):
    return mp.sqrt(mp.fsum(value**2 for value in values.values()))


def correlation(one, other):
    size = norm(one) * norm(other)
    dot = mp.fsum(one[at] * other[at] for at in one.keys() & other.keys())
    return max(mp.mpf(0), dot / size) if size else mp.mpf(0)


def volatility(values):
    """A year's; those intervals count that have a return."""
    return mp.sqrt(mp.fsum(value**2 for value in values.values()) / len(values) * PER_YEAR) if values else mp.mpf(0)


def clamped(value):
    return max(mp.mpf(0), min(mp.mpf(1), value))


def offset(one, other, last, terms, limits):
    """Theta in the initial and the maintenance margin."""
    full, zero = terms["full"], terms["zero"]

    def left(length):
        a, b = window(one, last, length), window(other, last, length)
        share = clamped((correlation(a, b) - zero) / (full - zero))
        calm = [clamped((4 * s**2 - volatility(v) ** 2) / (3 * s**2)) for v, s in zip((a, b), limits)]
        return min(share, *calm)

    common = one.keys() & other.keys()
    if len(common) < LEAST:
        return mp.mpf(0), mp.mpf(0)
    history = terms["offset"] * min(len(common), ENOUGH) / ENOUGH
    maintenance = history * left(WINDOW)
    in_short = sum(1 for at in common if at > last - SHORT)
    initial = min(maintenance, history * left(SHORT)) if in_short >= LEAST_SHORT else mp.mpf(0)
    return initial, maintenance


def make_histories(seed):
    """Groups of markets that move with one factor: together, apart, wild, sparse, jumping, broken off."""
    rng = random.Random(seed)
    histories = []
    for group in range(8):
        size = 10 ** rng.uniform(-4, -1.7)
        factor = [rng.gauss(0, size) for _ in range(120)]
        for member in range(5):
            share = rng.choice([1.0, 1.0, 0.98, 0.95, 0.9, 0.8, 0.6, -0.6])
            own = size * math.sqrt(1 - share**2)
            own_scale = 10 ** rng.uniform(-0.4, 0.4)
            present = rng.choice([1.0, 1.0, 1.0, 0.9, 0.6])
            turned = rng.choice([None, None, None, 90, 108])
            price, history = 10 ** rng.uniform(2, 12), []
            begin = rng.choice([0, 0, 0, 0, 70, 95])
            hole = rng.choice([None, None, None, None, None, (20, 60), (30, 93), (30, 94), (50, 110)])
            if group == 0:
                # Markets that stay together.
                share, present, turned, begin, hole = (1.0, 0.99, 0.97, 0.95, 0.9)[member], 1.0, None, 0, None
                own = size * math.sqrt(1 - share**2)
            for step, common in enumerate(factor):
                move = (share * common + rng.gauss(0, own)) * own_scale
                if turned and step >= turned:
                    move = -move
                if rng.random() < 0.002:
                    move += rng.choice([-1.6, 1.3])
                price = max(1.0, min(price * math.exp(move), 1.8e19))
                if step < begin or rng.random() >= present or (hole and hole[0] < step < hole[1]):
                    continue
                time = START + step * INTERVAL + rng.randrange(600)
                history.append((time, int(price)))
                # What comes later in the interval, or too late, changes nothing.
                if rng.random() < 0.1:
                    history.append((time + rng.randrange(6_000), int(price * 2)))
                if rng.random() < 0.05:
                    history.append((time - INTERVAL, int(price * 3)))
            histories.append(history)
    return histories


def make_pairs(seed, histories, count):
    rng = random.Random(seed)
    pairs = []
    while len(pairs) < count:
        one = rng.randrange(len(histories))
        near = range(one // 5 * 5, one // 5 * 5 + 5)
        other = rng.choice(near) if rng.random() < 0.85 else rng.randrange(len(histories))
        now = START + rng.choice([119, 119, 119, 118, 115, rng.randrange(10, 200)]) * INTERVAL + rng.randrange(7_200)
        zero = rng.choice([200_000, 200_000, 0, 500_000, rng.randrange(999_000)])
        full = rng.choice([600_000, 1_000_000]) if zero < 600_000 and rng.random() < 0.7 else rng.randint(zero + 1, 1_000_000)
        terms = {"offset": rng.choice([500_000, 350_000, 950_000, 1, rng.randrange(950_001)]), "full": full, "zero": zero}
        limits = [rng.choice([1_500_000, 1_000_000, 10_000_000, 10_000_000, 300_000, 100_000]) for _ in range(2)]
        pairs.append(pair(histories, one, other, now, terms, limits))
    return pairs


def pair(histories, one, other, now, terms, limits):
    last = now // INTERVAL
    exact = [returns(histories[place], now) for place in (one, other)]
    kept = [stored(values) for values in exact]
    share = {name: mp.mpf(value) / 10**6 for name, value in terms.items()}
    of_limits = [mp.mpf(value) / 10**6 for value in limits]
    text = lambda value: float(mp.nstr(value, 17))
    row = {"markets": [one, other], "now": now, "terms": terms, "limits": limits}
    for name, (a, b) in (("exact", exact), ("stored", kept)):
        short = [window(values, last, SHORT) for values in (a, b)]
        row[name] = {
            "correlations": [text(correlation(a, b)), text(correlation(*short))],
            "norms": [[text(norm(values)) for values in (a, b)], [text(norm(values)) for values in short]],
            "vols": [[text(volatility(values)) for values in (a, b)], [text(volatility(values)) for values in short]],
            "offset": [text(value * 10**6) for value in offset(a, b, last, share, of_limits)],
        }
    return row
