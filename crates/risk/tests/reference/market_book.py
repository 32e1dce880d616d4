"""L tilde and A of an option book in one market (sections 3, 4 and 6 of the margin model), in mpmath. Used by across_markets.py.

The certified loss of a cell is that of section 4: the two ends, and where the tangents of the net longs' sum meet. Between two
tails losses are weighted as docs/decisions/0002-weights-between-tails.md says.
"""

import random

import mpmath as mp

YEAR = 365 * 86_400
DAY = 86_400
# Spot (mantissa at 10^-8), billionths of a unit in a lot, range.
MARKETS = {
    "BTC": (12_342_671_234_567, 1_000_000, "0.16"),
    "ETH": (388_876_543_210, 10_000_000, "0.18"),
    "SOL": (18_912_345_678, 1_000_000_000, "0.30"),
}
FRACTIONS = [mp.mpf(step) / 4 - 1 for step in range(9)]
MULTIPLES = [-2, -3, -4, 2, 3, 6]
WEIGHTS = [mp.mpf(ppm) / 10**6 for ppm in (500_000, 333_334, 250_000, 500_000, 333_334, 166_667)]
FALL, UP, DOWN, SHORT_POWER, LONG_POWER = (mp.mpf(text) for text in ("0.9", "0.5", "0.3", "0.3", "0.13"))


def random_book(rng: random.Random):
    name = rng.choice(list(MARKETS))
    spot, lot, _ = MARKETS[name]
    # Some 100,000 of notional a leg, so that markets are comparable.
    unit = 100_000 / (spot * 1e-8 * lot * 1e-9)
    expiries = []
    for _ in range(rng.randint(1, 3)):
        forward = round((1 + rng.uniform(-0.03, 0.06)) * 2**30)
        smile = [round(rng.uniform(0.3, 1.5) * 1e9), 0, 0]
        if rng.random() < 0.5:
            smile[1:] = [round(rng.uniform(-0.6, 0.3) * 1e9), round(rng.uniform(0.3, 2.0) * 1e9)]
        expiries.append([round(DAY * 10 ** rng.uniform(0.02, 2.2)), forward, *smile])
    legs = []
    for _ in range(rng.randint(1, 7)):
        lots = round(rng.choice([-1, 1]) * unit * rng.uniform(0.2, 1))
        expiry = rng.randrange(len(expiries))
        kind = rng.choice("CCCPPPUF")
        if kind == "U":
            legs.append(["U", 0, 0, lots])
        elif kind == "F":
            legs.append(["F", expiry, 0, lots])
        else:
            legs.append([kind, expiry, int(spot * rng.uniform(0.7, 1.4)), lots])
    if rng.random() < 0.3:
        # A structure that is limited, of one expiry.
        del expiries[1:]
        low = int(spot * rng.uniform(0.8, 1.1))
        high, lots = int(low * rng.uniform(1.02, 1.2)), round(unit * rng.choice([-1, 1]))
        kind = rng.choice("CP")
        legs = [[kind, 0, low, lots], [kind, 0, high, -lots]]
    return {"market": name, "expiries": expiries, "legs": legs}


def vol_of(expiry, log_moneyness):
    """Unmoved total volatility of a strike."""
    seconds, _, atm, rho, phi = expiry
    rho, phi = mp.mpf(rho) / 10**9, mp.mpf(phi) / 10**9
    wing = 1 + rho * phi * log_moneyness + mp.sqrt((phi * log_moneyness + rho) ** 2 + 1 - rho**2)
    return mp.mpf(atm) / 10**9 * mp.sqrt(mp.mpf(seconds) / YEAR) * mp.sqrt(wing / 2)


def level_of(expiry, level):
    days = max(mp.mpf(expiry[0]) / DAY, mp.mpf(1))
    factor = (30 / days) ** (SHORT_POWER if days < 30 else LONG_POWER)
    return (max(1 - DOWN * factor, mp.mpf("0.1")), mp.mpf(1), 1 + UP * factor)[level]


class Prices:
    """A book's net options and what is linear of it, calls and puts netted by parity."""

    def __init__(self, book):
        self.spot, lot, reach = MARKETS[book["market"]]
        self.lot_value = mp.mpf(self.spot) * lot * mp.mpf(10) ** (-8 - 9 + 6)
        self.reach = mp.mpf(reach)
        self.book, self.expiries = book, book["expiries"]
        self.options, self.linear = {}, mp.mpf(0)
        for kind, expiry, strike, lots in book["legs"]:
            forward = self.forward(expiry)
            if kind in "CP":
                self.options[expiry, strike] = self.options.get((expiry, strike), 0) + lots
            # A put is a call less a forward and a strike, which is a constant.
            self.linear += {"U": lots, "F": lots * forward, "P": -lots * forward, "C": 0}[kind]

    def forward(self, expiry):
        return mp.mpf(self.expiries[expiry][1]) / 2**30

    def option(self, key, multiple, level):
        """Value and slope in spot of a call."""
        expiry, strike = key
        ratio = mp.mpf(strike) / self.spot
        base = self.forward(expiry)
        s = vol_of(self.expiries[expiry], mp.log(ratio / base)) * level_of(self.expiries[expiry], level)
        forward = base * multiple
        d1 = mp.log(forward / ratio) / s + s / 2
        return forward * mp.ncdf(d1) - ratio * mp.ncdf(d1 - s), base * mp.ncdf(d1)

    def at(self, multiple, level):
        """Value of everything, value and slope of the net longs."""
        total, longs, slope = self.linear * multiple, mp.mpf(0), mp.mpf(0)
        for key, lots in self.options.items():
            value, delta = self.option(key, multiple, level)
            total += lots * value
            if lots > 0:
                longs, slope = longs + lots * value, slope + lots * delta
        return total, longs, slope


def meeting(left, right, width):
    """Profit and loss, and place from the left, where the tangents of the net longs meet; None on the chord."""
    (pnl, longs, slope), (pnl_right, longs_right, slope_right) = left, right
    chord = (longs_right - longs) / width
    bend = slope_right - slope
    if bend <= mp.mpf(10) ** -15:
        return None
    depth = (chord - slope) * (slope_right - chord) / bend * width
    place = (slope_right - chord) * width / bend
    if depth <= 0:
        return None
    return pnl + (pnl_right - pnl) * place / width - depth, place / width


def limit_of(prices):
    """What options and futures of one expiry can lose by their payoff, with the worst scan of what is linear besides."""
    legs = prices.book["legs"]
    dated = {expiry for kind, expiry, _, _ in legs if kind != "U"}
    if len(dated) != 1 or not prices.options:
        return None
    expiry = dated.pop()
    strikes = {strike for _, strike in prices.options}

    def payoff(at):
        total = mp.mpf(0)
        for kind, _, strike, lots in legs:
            ratio = mp.mpf(strike) / prices.spot
            total += lots * {"C": max(0, at - ratio), "P": max(0, ratio - at), "F": at, "U": 0}[kind]
        return total

    if sum(lots for kind, _, _, lots in legs if kind in "CF") < 0:
        return None
    worst = min(payoff(at) for at in [mp.mpf(0), *(mp.mpf(strike) / prices.spot for strike in strikes)])
    mark = mp.mpf(0)
    for kind, _, strike, lots in legs:
        forward = prices.forward(expiry)
        call = prices.option((expiry, strike), mp.mpf(1), 1)[0] if strike else None
        mark += lots * {"C": lambda: call, "P": lambda: call - forward + mp.mpf(strike) / prices.spot, "F": lambda: forward, "U": lambda: 0}[kind]()
    besides = sum(lots for kind, _, _, lots in legs if kind == "U")
    moves = [fraction * prices.reach for fraction in FRACTIONS]
    moves += [max(multiple * prices.reach, -FALL) * weight for multiple, weight in zip(MULTIPLES, WEIGHTS)]
    return max(mark - worst, 0) + max(0, *(-besides * move for move in moves))


def losses(book):
    """L tilde by node and tail, and A, in micro-units."""
    prices = Prices(book)
    now = prices.at(mp.mpf(1), 1)[0]
    moved = lambda values: (values[0] - now, values[1], values[2])
    meeting_cells = [[] for _ in range(8)]
    for level in range(3):
        ends = [moved(prices.at(1 + fraction * prices.reach, level)) for fraction in FRACTIONS]
        for cell in range(8):
            left, right = ends[cell], ends[cell + 1]
            dip = meeting(left, right, prices.reach / 4)
            meeting_cells[cell] += [-left[0], -right[0]] + ([-dip[0]] if dip else [])
    cells = [max(cell) for cell in meeting_cells]
    at_node = [max(cells[max(0, node - 1) : node + 1]) for node in range(9)]
    around = [max(at_node[max(0, node - 1) : node + 2]) for node in range(9)]
    for side in (0, 3):
        inner = (-prices.reach if side == 0 else prices.reach, mp.mpf(1))
        for tail in range(side, side + 3):
            outer = (max(MULTIPLES[tail] * prices.reach, -FALL), WEIGHTS[tail])
            ends = [(shock, weight, moved(prices.at(1 + shock, 2))) for shock, weight in sorted([inner, outer], key=lambda end: end[0])]
            found = [-values[0] * weight for _, weight, values in ends]
            width = ends[1][0] - ends[0][0]
            dip = meeting(ends[0][2], ends[1][2], width) if width > 0 else None
            if dip:
                pnl, share = dip
                weight = 1 / ((1 - share) / ends[0][1] + share / ends[1][1])
                found.append(-pnl * weight)
            around.append(max(found))
            inner = outer
    limit = limit_of(prices)
    certified = max(0, *around)
    if limit is not None:
        certified = min(certified, limit)
        around = [min(loss, limit) for loss in around]
    return [loss * prices.lot_value for loss in around], certified * prices.lot_value
