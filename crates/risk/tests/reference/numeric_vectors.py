#!/usr/bin/env python3
"""Reference values of the kernel's functions, from 50-digit arithmetic.

    python3 crates/risk/tests/reference/numeric_vectors.py

Writes tests/vectors/{ln,exp,normal,sqrt_tau,smile,black76}.csv. Inputs are the exact integers the
kernel takes; results are decimals of the real values, unrounded by any Q format. Nothing here
knows how the kernel computes.
"""

import pathlib
import random

import mpmath as mp

mp.mp.dps = 50
OUT = pathlib.Path(__file__).resolve().parents[1] / "vectors"
YEAR = 31_536_000
rng = random.Random(20251010)


def text(value, digits=17):
    if abs(value) < mp.mpf(10) ** -60:
        return "0"
    return mp.nstr(value, digits, strip_zeros=True, min_fixed=-5, max_fixed=17)


def write(name, header, rows):
    lines = [",".join(header)]
    lines += [",".join(str(v) if isinstance(v, int) else text(v) for v in row) for row in rows]
    path = OUT / name
    path.write_text("\n".join(lines) + "\n")
    print(f"{path}: {len(rows)} rows, {path.stat().st_size} bytes")


def log_uniform(low, high):
    return mp.e ** mp.mpf(rng.uniform(float(mp.log(low)), float(mp.log(high))))


def ln_rows():
    values = set(range(1, 70))
    for bits in range(1, 65):
        values.update({2**bits - 1, 2 ** (bits - 1), 2 ** (bits - 1) + 1})
    # Both sides of every node boundary of a 64-node table, where a table lookup is at its worst.
    values.update(2**40 + i * 2**34 + o for i in range(64) for o in (-1, 0, 1))
    values.update(rng.getrandbits(rng.randint(2, 64)) | 1 for _ in range(1200))
    return [(v, mp.log(v)) for v in sorted(values) if 1 <= v < 2**64]


def exp_rows():
    one = 2**40
    values = {0, 1, -1, one, -one, -24 * one, 20 * one, 6 * one, -22 * one}
    values.update(int(mp.log(2) / 32 * one * n) + o for n in range(-200, 280) for o in (-1, 1))
    values.update(int(rng.uniform(-23, 20) * one) for _ in range(800))
    values.update(int(rng.uniform(-1, 1) * one) for _ in range(400))
    return [(v, mp.exp(mp.mpf(v) / one)) for v in sorted(values)]


def normal_rows():
    one = 2**32
    values = {0, 1, -1, 8 * one, -8 * one, 9 * one, -9 * one, 8 * one - 1, -8 * one + 1}
    # Ends of intervals, and inside some where a quadratic through both ends and the middle errs most.
    for i in range(-256, 256):
        left = i * one // 32
        values.update({left, left + 2**23, left + 2**26, left + 2**27 - 2**23})
        values.update({left + 3_545_430, left + 2**27 - 3_545_430})
    values.update(int(rng.uniform(-8, 8) * one) for _ in range(1000))
    return [(v, mp.ncdf(mp.mpf(v) / one), mp.npdf(mp.mpf(v) / one)) for v in sorted(values)]


def sqrt_tau_rows():
    values = {60, 61, 3600, 86_400, YEAR, YEAR - 1, 2 * YEAR, 315_360_000, 30 * 86_400}
    values.update(int(log_uniform(60, 315_360_000)) for _ in range(600))
    return [(v, mp.sqrt(mp.mpf(v) / YEAR)) for v in sorted(values)]


def ssvi_total_vol(vol_ppb, rho_ppb, phi_ppb, seconds, x_q28):
    vol, rho, phi = (mp.mpf(p) / 10**9 for p in (vol_ppb, rho_ppb, phi_ppb))
    k = -mp.mpf(x_q28) / 2**28
    theta = vol**2 * seconds / YEAR
    return mp.sqrt(theta / 2 * (1 + rho * phi * k + mp.sqrt((phi * k + rho) ** 2 + 1 - rho**2)))


def smile_rows():
    rows = []
    while len(rows) < 2000:
        vol = int(log_uniform(0.005, 12) * 10**9)
        seconds = int(log_uniform(60, 2 * YEAR))
        theta = (vol / 1e9) ** 2 * seconds / YEAR
        rho = rng.choice([rng.uniform(-0.7, 0.7), rng.uniform(-0.95, 0.95), -0.95, 0.95, 0.0])
        bound = min(4 / theta / (1 + abs(rho)), (4 / theta / (1 + abs(rho))) ** 0.5, 256)
        phi = min(bound * rng.random(), float(log_uniform(0.001, 256)))
        point = (vol, int(rho * 10**9), int(phi * 10**9), seconds)
        spread = rng.choice([3.5, 3.5, 1.0, 0.3, 8.0])
        x = int(rng.uniform(-spread, spread) * 2**28)
        rows.append((*point, x, ssvi_total_vol(*point, x)))
    return rows


def black76(forward_q30, strike_q30, seconds, vol_ppb):
    """Call price, delta, spot gamma, vega, theta in units of spot."""
    f, k = mp.mpf(forward_q30) / 2**30, mp.mpf(strike_q30) / 2**30
    tau, vol = mp.mpf(seconds) / YEAR, mp.mpf(vol_ppb) / 10**9
    s = vol * mp.sqrt(tau)
    d1 = mp.log(f / k) / s + s / 2
    density = f * mp.npdf(d1)
    price = f * mp.ncdf(d1) - k * mp.ncdf(d1 - s)
    return price, f * mp.ncdf(d1), density / s, density * mp.sqrt(tau), -density * vol / (2 * mp.sqrt(tau))


def black76_rows():
    rows = []

    def add(forward, strike, seconds, vol):
        forward, strike = int(forward * 2**30), max(1, int(strike * 2**30))
        point = (forward, strike, int(seconds), int(vol * 10**9))
        rows.append((*point, *black76(*point)))

    for seconds in (60, 3600, 86_400, 7 * 86_400, 30 * 86_400, YEAR, 2 * YEAR):
        for vol in (0.005, 0.05, 0.6, 3, 12):
            for ratio in (1 / 32, 0.3, 0.9, 0.999, 1, 1.001, 1.1, 3, 32):
                add(1, ratio, seconds, vol)
    while len(rows) < 2600:
        seconds, vol = log_uniform(60, 2 * YEAR), log_uniform(0.005, 12)
        s = float(vol * mp.sqrt(seconds / YEAR))
        forward = rng.choice([1, rng.uniform(0.5, 2)])
        if rng.random() < 0.7:  # where the option has time value
            distance = rng.uniform(-5, 5) * s
        else:
            distance = rng.uniform(-3.46, 3.46)
        if abs(distance) < 3.46:
            add(forward, forward * mp.e**distance, seconds, vol)
    return rows


def main():
    OUT.mkdir(exist_ok=True)
    write("ln.csv", ["v", "ln"], ln_rows())
    write("exp.csv", ["x_q40", "exp"], exp_rows())
    write("normal.csv", ["d_q32", "cdf", "pdf"], normal_rows())
    write("sqrt_tau.csv", ["seconds", "sqrt_tau"], sqrt_tau_rows())
    header = ["vol_ppb", "rho_ppb", "phi_ppb", "seconds", "x_q28", "total_vol"]
    write("smile.csv", header, smile_rows())
    header = ["forward_q30", "strike_q30", "seconds", "vol_ppb", "call", "delta", "gamma", "vega", "theta"]
    write("black76.csv", header, black76_rows())


if __name__ == "__main__":
    main()
