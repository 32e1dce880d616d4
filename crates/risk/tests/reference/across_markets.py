#!/usr/bin/env python3
"""Section 6 of the margin model, "Across markets", from its text and from docs/decisions/0016-offsets-across-markets.md.

    python3 crates/risk/tests/reference/across_markets.py

Writes three files of tests/vectors, a JSON object on every line:
portfolio.jsonl: markets given by their losses, their offsets and floors; X, P and both margins in exact fractions.
realised.jsonl: histories of prices; correlation, volatility and the offset of pairs of them (realised.py).
accounts.jsonl: accounts of option books in several markets, from the books to X, with the offsets of such histories.
"""

import json
import math
import pathlib
import random
from fractions import Fraction as F

import mpmath as mp

import market_book
import realised

mp.mp.dps = 30
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
PPM = 10**6
NODES, TAILS = 9, 6


def around(losses):
    """L tilde of L: the worst of a core node and its neighbours, L itself on tails."""
    core = [max(losses[max(0, node - 1) : min(NODES, node + 2)]) for node in range(NODES)]
    return core + losses[NODES:]


def is_held(market):
    return any(loss != 0 for loss in market["losses"]) or market["certified"] != 0


def x_of(markets, theta, kappa):
    """X of markets given by their L tilde and A."""
    at = lambda node: sum(loss if loss > 0 else theta * loss for loss in (market["losses"][node] for market in markets))
    largest = max((F(market["certified"]) for market in markets), default=F(0))
    total = sum((F(market["certified"]) for market in markets), F(0))
    sums = [at(node) for node in range(NODES + TAILS)]
    return max(max(sums, default=F(0)), F(0)), (1 - theta) * largest, kappa * total


def requirement(markets, thetas, kappas, cash, misaligned):
    """Both margins of markets with offsets by pair, floors by market, and the pairs whose tails do not align."""
    held = [place for place, market in enumerate(markets) if is_held(market)]
    pairs = [(low, high) for high in held for low in held if low < high]
    smallest = lambda which: min((F(thetas.get(pair, (0, 0))[which], PPM) for pair in pairs), default=F(0))
    kappa = max((F(kappas[place], PPM) for place in held), default=F(0))
    if any(pair in pairs for pair in misaligned):
        kappa = F(1)
    of_held = [markets[place] for place in held]
    out = {"theta": [], "x": [], "margins": []}
    som = sum(market["som"] for market in markets)
    som_mm = sum(market["som_mm"] for market in markets)
    costs = sum(market["lc"] for market in markets)
    oracle = sum(market["oc"] for market in markets)
    gross = sum(market["gross"] for market in markets)
    limited = lambda market, value: value if market["limit"] is None else min(value, market["limit"])
    besides = sum(limited(market, market["besides"]) for market in markets)
    alone = [F(limited(market, market["certified"] + market["besides"])) for market in markets]
    value = sum(market["spot"] + market["option"] for market in markets)
    owes = gross != 0 or cash < 0 or sum(market["linear"] for market in markets) < 0
    initial_margin = None
    for which, share, minimum, own in ((0, F(1), som, "som"), (1, F(4, 5), som_mm, "som_mm")):
        theta = smallest(which)
        parts = x_of(of_held, theta, kappa)
        x = max(parts)
        # Alone, a market with a limit needs no more than that, its short-option minimum included.
        each = sum(F(limited(market, share * loss + market[own])) for market, loss in zip(markets, alone))
        loss = each if len(held) < 2 else min(share * (x + besides) + minimum, each)
        if not owes:
            # What is owned is all that scenarios can take; nothing is short, so there is no minimum.
            loss = min(loss, share * value)
        if which == 0:
            margin = loss + costs + oracle
            initial_margin = margin = max(margin if owes else min(margin, value), F(gross, 20))
        else:
            margin = min(max(loss + costs, F(gross, 25)), initial_margin)
        out["theta"].append(int(theta * PPM))
        out["x"].append([str(math.ceil(part)) for part in parts])
        out["margins"].append(str(math.ceil(margin)))
    return out


def random_losses(rng, kind, size, direction):
    """L of a market, in whole micro-units."""
    multiples = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, -2, -3, -4, 2, 3, 6]
    weigh = lambda loss, multiple: loss / max(1, abs(multiple))
    if kind == "linear":
        pnl = [direction * size * multiple for multiple in multiples]
    elif kind == "short":
        pnl = [-size * max(0, direction * multiple - 0.2) + size / 50 for multiple in multiples]
    elif kind == "far":
        pnl = [-size * max(0, direction * multiple - 1.2) for multiple in multiples]
    elif kind in ("long", "cover"):
        gain = size * (1 if kind == "long" else 20)
        pnl = [gain * max(0, direction * multiple - 0.2) - size / 50 for multiple in multiples]
    else:
        pnl = [rng.gauss(0, size) for _ in multiples]
    losses = [weigh(-value, multiple) for value, multiple in zip(pnl, multiples)]
    core = [max(losses[max(0, node - 1) : min(NODES, node + 2)]) for node in range(NODES)]
    inner = lambda tail: losses[{0: 0, 3: 8}.get(tail, NODES + tail - 1)]
    return [round(loss) for loss in core + [max(losses[NODES + tail], inner(tail)) for tail in range(TAILS)]]


def random_market(rng, size, direction, kind=None):
    kind = kind or rng.choice(["linear", "short", "short", "long", "cover", "noise", "noise", "linear", "dust", "nothing"])
    market = {"besides": 0, "som": 0, "som_mm": 0, "lc": 0, "oc": 0, "gross": 0, "limit": None}
    own = size * 10 ** rng.uniform(-1, 0.3)
    if kind == "nothing":
        losses = [0] * (NODES + TAILS)
    elif kind == "dust":
        losses = random_losses(rng, rng.choice(["linear", "noise"]), rng.uniform(0.6, 9), direction)
    else:
        losses = random_losses(rng, kind, own, direction * (1 if kind in ("far", "cover") else rng.choice([1, 1, 1, -1])))
    losses = around(losses)
    certified = max(0, *losses)
    if kind not in ("nothing", "dust"):
        for name, share in (("besides", 0.3), ("som", 0.2), ("lc", 0.1), ("oc", 0.1), ("gross", 12.0)):
            if rng.random() < 0.6:
                market[name] = int(own * share * rng.random())
        market["som_mm"] = market["som"] * 3 // 4
        if rng.random() < 0.25:
            market["limit"] = max(1, int(certified * rng.uniform(0.5, 1.6)))
            losses = [min(loss, market["limit"]) for loss in losses]
    elif rng.random() < 0.3:
        # A constant, or what only its blocks move.
        market["besides"] = rng.randrange(1_000)
    market["losses"] = losses
    market["certified"] = certified if market["limit"] is None else min(certified, market["limit"])
    for name in ("spot", "option", "linear"):
        market[name] = int(own * rng.uniform(-0.5, 1)) if rng.random() < 0.5 else 0
    if rng.random() < 0.3:
        market.update(gross=0, linear=max(0, market["linear"]), spot=abs(market["spot"]), option=abs(market["option"]))
    if min(market["spot"], market["option"]) < 0:
        # Borrowed underlying and short options are gross exposure.
        market["gross"] = max(1, market["gross"])
    return market


def settle_minimums(market):
    # Without exposure nothing is short.
    if market["gross"] == 0:
        market.update(som=0, som_mm=0)
    return market


def portfolio_case(rng, number):
    count = 1 + number % 8
    size = 10 ** rng.uniform(1, 14) if number % 7 else 2.0**51
    direction = rng.choice([1, -1])
    # Every tenth is a far short whose tail is covered many times over elsewhere: (1 - theta) of its loss is left.
    kinds = ["far", "cover"] if number % 10 == 3 else [None] * count
    count = len(kinds)
    markets = [random_market(rng, size, direction, kind) for kind in kinds]
    if rng.random() < 0.2:
        for market in markets:
            market.update(gross=0, linear=0, spot=abs(market["spot"]), option=abs(market["option"]))
    markets = [settle_minimums(market) for market in markets]
    thetas = {}
    usual = rng.choice([0, 300_000, 500_000, 950_000, rng.randrange(950_001)])
    for high in range(count):
        for low in range(high):
            if rng.random() < (0.97 if usual else 0.5):
                most = usual if rng.random() < 0.8 else rng.randrange(950_001)
                thetas[low, high] = (most if rng.random() < 0.6 else rng.randint(0, most), most)
    if number % 10 == 3:
        thetas = {(0, 1): (rng.randrange(200_000, 500_000), 500_000)}
    kappas = [rng.choice([350_000, 350_000, 50_000, 50_000, rng.randint(50_000, 1_000_000)]) for _ in range(count)]
    cash = rng.choice([0, 10**15, -5])
    row = {"markets": markets, "pairs": [[*pair, *theta] for pair, theta in sorted(thetas.items())], "kappas": kappas, "cash": cash}
    apart = random.Random(f"tails of {number}")
    misaligned = [tuple(sorted(apart.sample(range(count), 2)))] if count > 1 and apart.random() < 0.1 else []
    row["misaligned"] = misaligned
    row["expected"] = requirement(markets, thetas, kappas, cash, misaligned)
    return row


def write(name, rows):
    lines = [json.dumps(row, separators=(",", ":")) for row in rows]
    (VECTORS / name).write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(lines)} lines")


def account_rows(histories, count):
    """Accounts of two to four books, each market with a history; the offsets are those of the stored returns."""
    rng = random.Random("accounts")
    usable = [place for place, history in enumerate(histories) if len(history) > 90]
    now = realised.START + 119 * realised.INTERVAL + 60
    for _ in range(count):
        books = [market_book.random_book(rng) for _ in range(rng.randint(2, 4))]
        # Four in five of markets that stay together.
        among = range(5) if rng.random() < 0.8 else usable
        of_books = [rng.choice(among) for _ in books]
        terms = {"offset": rng.choice([500_000, 800_000, 950_000]), "full": 600_000, "zero": 200_000}
        limit, kappa = 10_000_000, rng.choice([50_000, 350_000])
        thetas = {}
        for high in range(len(books)):
            for low in range(high):
                row = realised.pair(histories, of_books[low], of_books[high], now, terms, [limit, limit])
                thetas[low, high] = [theta / PPM for theta in row["stored"]["offset"]]
        theta = [min(pair[which] for pair in thetas.values()) for which in range(2)]
        markets = [market_book.losses(book) for book in books]
        x = []
        for which in range(2):
            sums = [
                sum(loss if loss > 0 else theta[which] * loss for loss in (losses[node] for losses, _ in markets))
                for node in range(NODES + TAILS)
            ]
            amounts = [certified for _, certified in markets]
            parts = (max(0, *sums), (1 - theta[which]) * max(amounts), kappa / PPM * sum(amounts))
            x.append(float(mp.nstr(max(parts), 17)))
        text = lambda values: [float(mp.nstr(value, 17)) for value in values]
        yield {
            "books": books,
            "histories": of_books,
            "now": now,
            "terms": terms,
            "limit": limit,
            "kappa": kappa,
            "losses": [{"around": text(losses), "certified": text([certified])[0]} for losses, certified in markets],
            "theta": theta,
            "x": x,
        }


def main():
    rng = random.Random("portfolio")
    write("portfolio.jsonl", [portfolio_case(rng, number) for number in range(240)])
    histories = realised.make_histories("realised")
    pairs = realised.make_pairs("pairs", histories, 320)
    write("realised.jsonl", [{"histories": histories}, *pairs])
    write("accounts.jsonl", list(account_rows(histories, 48)))


if __name__ == "__main__":
    main()
