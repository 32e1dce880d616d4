#!/usr/bin/env python3
"""The worked books of the margin model, by brute force over a dense spot grid.

    python3 crates/risk/tests/reference/worked_checks.py

Spot 100, volatility 60%, spot range 16%, three volatility levels, no tails and no buffers. Writes
tests/vectors/worked.csv: the loss with flat levels (-30%, +50%), with term-scaled levels, and by
the delta-gamma-vega expansion with the flat levels. And tests/vectors/blocks.csv: what books lose by
the twist, the skew and the basis at their default sizes, on a smile and a forward curve.
"""

import pathlib

import mpmath as mp

mp.mp.dps = 30
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
OUT = VECTORS / "worked.csv"
SPOT, VOL, RANGE = mp.mpf(100), mp.mpf("0.6"), mp.mpf("0.16")
STEPS = 1280  # a spot every 0.025, and every core node is one of them


def d1(spot, strike, tau, vol):
    s = vol * mp.sqrt(tau)
    return mp.log(spot / strike) / s + s / 2


def call(spot, strike, tau, vol):
    d = d1(spot, strike, tau, vol)
    return spot * mp.ncdf(d) - strike * mp.ncdf(d - vol * mp.sqrt(tau))


def greeks(strike, tau):
    d = d1(SPOT, strike, tau, VOL)
    gamma = mp.npdf(d) / (SPOT * VOL * mp.sqrt(tau))
    return mp.ncdf(d), gamma, SPOT * mp.npdf(d) * mp.sqrt(tau)


def tau_of(days):
    return mp.mpf(days) / 365


def levels(days, term_scaled):
    down, up = mp.mpf("0.3"), mp.mpf("0.5")
    if term_scaled:
        factor = (mp.mpf(30) / max(days, 1)) ** (mp.mpf("0.3") if days < 30 else mp.mpf("0.13"))
        down, up = down * factor, up * factor
    return [max(1 - down, mp.mpf("0.1")), mp.mpf(1), 1 + up]


def net_greek(legs, index):
    return sum(q * greeks(k, tau_of(d))[index] for q, k, d in legs)


def full_loss(legs, hedge, term_scaled):
    """Largest loss of calls `legs` (quantity, strike, days) and `hedge` units of spot."""
    start = sum(q * call(SPOT, k, tau_of(d), VOL) for q, k, d in legs)
    worst = mp.mpf(0)
    for level in range(3):
        for step in range(STEPS + 1):
            spot = SPOT * (1 - RANGE + 2 * RANGE * step / STEPS)
            value = sum(
                q * call(spot, k, tau_of(d), VOL * levels(d, term_scaled)[level]) for q, k, d in legs
            )
            worst = max(worst, start - value - hedge * (spot - SPOT))
    return worst


def taylor_loss(legs, hedge):
    delta, gamma, vega = (net_greek(legs, i) for i in range(3))
    worst = mp.mpf(0)
    for level in range(3):
        change = VOL * (levels(30, False)[level] - 1)
        for step in range(STEPS + 1):
            move = SPOT * (-RANGE + 2 * RANGE * step / STEPS)
            worst = max(worst, -((delta + hedge) * move + gamma * move**2 / 2 + vega * change))
    return worst


def books():
    ratio = 10 * greeks(130, tau_of(14))[1] / greeks(100, tau_of(14))[1]
    wings = [(-10, 130, 14), (ratio, 100, 14)]
    hedged = [("short 2-day 110 call", [(-1, 110, 2)]), ("short 7-day 120 call", [(-1, 120, 7)])]
    out = [(name, legs, -net_greek(legs, 0)) for name, legs in hedged]
    out.append(("gamma-neutral short wings", wings, -net_greek(wings, 0)))
    out.append(("long 2-day butterfly", [(1, 95, 2), (-2, 100, 2), (1, 105, 2)], mp.mpf(0)))
    return out


def condor_max_loss():
    """A sold condor 90/92/108/110 as calls (parity moves only a constant): width less premium."""
    legs = [(1, 90, 14), (-1, 92, 14), (-1, 108, 14), (1, 110, 14)]
    value = sum(q * call(SPOT, k, tau_of(d), VOL) for q, k, d in legs)
    payoffs = [sum(q * max(mp.mpf(s) / 4 - k, 0) for q, k, _ in legs) for s in range(0, 1000)]
    return value - min(payoffs), legs


# The smile and the forwards of the blocks' books: F = S·(1 + 5%·τ).
ATM, RHO, PHI, CARRY = mp.mpf("0.6"), mp.mpf("-0.3"), mp.mpf("1.5"), mp.mpf("0.05")
TWIST, SKEW, BASIS, BASIS_ANNUAL = mp.mpf("0.2"), mp.mpf("0.1"), mp.mpf("0.002"), mp.mpf("0.05")


def smile_vol(k, rho):
    wing = 1 + rho * PHI * k + mp.sqrt((PHI * k + rho) ** 2 + 1 - rho**2)
    return ATM * mp.sqrt(wing / 2)


def block_value(legs, twist, rho, basis):
    """Value of legs (quantity, kind, strike, days); each shock has a sign, 0 where it is off."""
    total = mp.mpf(0)
    for quantity, kind, strike, days in legs:
        tau = tau_of(days)
        forward = SPOT * (1 + CARRY * tau)
        share = max(mp.mpf(-1), min(mp.mpf(1), mp.log(mp.mpf(days) / 30) / mp.log(12)))
        # The smile sticks to the strike: it is read at the forward as it was.
        vol = smile_vol(mp.log(strike / forward), RHO + rho * SKEW) if kind != "F" else ATM
        vol *= 1 + twist * TWIST * share
        forward *= 1 + basis * (BASIS + BASIS_ANNUAL * tau)
        if kind == "F":
            total += quantity * forward
            continue
        value = call(forward, mp.mpf(strike), tau, vol)
        total += quantity * (value if kind == "C" else value - forward + strike)
    return total


def block_losses(legs):
    now = block_value(legs, 0, 0, 0)
    worst = lambda *columns: max([mp.mpf(0)] + [now - value for value in columns])
    return (
        worst(*(block_value(legs, sign, 0, 0) for sign in (1, -1))),
        worst(*(block_value(legs, 0, sign, 0) for sign in (1, -1))),
        worst(*(block_value(legs, 0, 0, sign) for sign in (1, -1))),
    )


def block_books():
    return [
        ("short near straddle, long far one", [(-1, "C", 100, 7), (-1, "P", 100, 7), (1, "C", 100, 90), (1, "P", 100, 90)]),
        ("risk reversal", [(1, "C", 115, 30), (-1, "P", 85, 30)]),
        ("basis trade", [(1, "F", 0, 14), (-1, "F", 0, 180)]),
        ("short strangle of a year", [(-2, "C", 150, 365), (-2, "P", 70, 365)]),
        ("box", [(1, "C", 90, 30), (-1, "P", 90, 30), (-1, "C", 110, 30), (1, "P", 110, 30)]),
        ("condor of a day", [(1, "P", 94, 1), (-1, "P", 97, 1), (-1, "C", 103, 1), (1, "C", 106, 1)]),
    ]


def write_blocks():
    rows = ["book,legs,twist,skew,basis"]
    for name, legs in block_books():
        cells = " ".join(":".join(map(str, leg)) for leg in legs)
        rows.append(",".join([name.replace(",", " and"), cells, *(mp.nstr(v, 17) for v in block_losses(legs))]))
    (VECTORS / "blocks.csv").write_text("\n".join(rows) + "\n")
    print("\n".join(rows))


def main():
    write_blocks()
    rows = ["book,legs,hedge,flat,term_scaled,taylor"]

    def add(name, legs, hedge, *losses):
        cells = " ".join(f"{mp.nstr(mp.mpf(q), 17)}:{k}:{d}" for q, k, d in legs)
        rows.append(",".join([name, cells, *(mp.nstr(v, 17) for v in (hedge, *losses))]))

    for name, legs, hedge in books():
        add(name, legs, hedge, full_loss(legs, hedge, False), full_loss(legs, hedge, True), taylor_loss(legs, hedge))
    loss, legs = condor_max_loss()
    add("iron condor (loss at expiry in all columns)", legs, mp.mpf(0), loss, loss, loss)
    OUT.write_text("\n".join(rows) + "\n")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
