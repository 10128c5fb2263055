"""Synthetic rows of used-car prices."""

from servicio_ml.domain.sample import Factor, Marginal, Scaled, SyntheticSample, Text

NEWTON_METRES_PER_KILOGRAM_FORCE_METRE = 9.80665

TORQUE = {  # how often it is spelt so (18 times in Nm but labelled kgm); the rarest raised, so that a sample has them all
    "{newtons:.0f}Nm@ {rpm:.0f}rpm": 3310, "{newtons:.0f}Nm@ {low:.0f}-{rpm:.0f}rpm": 1668,
    "{newtons:.1f}Nm@ {rpm:.0f}rpm": 548, "{newtons:.1f}Nm@ {low:.0f}-{rpm:.0f}rpm": 261,
    "{kilos:.1f}@ {rpm:,.0f}(kgm@ rpm)": 169, "{newtons:.1f}nm@ {low:.0f}-{rpm:.0f}rpm": 84,
    "{kilos:.1f}@ {low:.0f}-{rpm:.0f}(kgm@ rpm)": 76, "{newtons:.1f}nm@ {rpm:.0f}rpm": 72,
    "{kilos:.0f}@ {rpm:,.0f}(kgm@ rpm)": 41, "{newtons:.0f} Nm at {low:.0f}-{rpm:.0f}rpm": 39,
    "{newtons:.0f}nm@ {low:.0f}-{rpm:.0f}rpm": 37, "{kilos:.1f} kgm at {low:.0f}-{rpm:.0f}rpm": 33,
    "{newtons:.0f}Nm": 33, "{kilos:.1f} kgm at {rpm:,.0f} rpm": 29,
    "{kilos:.0f}@ {low:,.0f}-{rpm:,.0f}(kgm@ rpm)": 27, "{kilos:.1f}kgm@ {rpm:.0f}rpm": 26,
    "{newtons:.0f}nm@ {rpm:.0f}rpm": 23, "{newtons:.0f}@ {rpm:,.0f}(kgm@ rpm)": 18, "{newtons:.0f} Nm at {low:.0f}-{rpm:.0f} rpm": 18,
    "{newtons:.0f}Nm at {rpm:.0f} rpm": 17, "{newtons:.0f}Nm at {low:.0f}-{rpm:.0f} rpm": 15,
    "{kilos:.1f}@ {low:,.0f}-{rpm:,.0f}(kgm@ rpm)": 12, "{newtons:.0f}Nm@ {rpm:.0f}+/-500rpm": 12,
    "{newtons:.0f} Nm at {rpm:.0f}  rpm": 10, "{kilos:.0f} KGM at {low:.0f}-{rpm:.0f} RPM": 8,
    "{newtons:.0f} / {rpm:.0f}": 7, "{newtons:.0f} Nm at {rpm:.0f} rpm": 6, "{newtons:.0f}Nm@ {low:.0f}-{rpm:.0f}": 4,
    "{kilos:.0f}@ {rpm:.0f}(kgm@ rpm)": 4, "{newtons:.0f}Nm@ {rpm:,.0f}rpm": 4, "{newtons:.0f}NM@ {rpm:.0f}rpm": 3,
    "{newtons:.0f}Nm@ {low:.0f}~{rpm:.0f}rpm": 3, "{newtons:.0f}@ {low:.0f}-{rpm:.0f}rpm": 3,
    "{kilos:.1f} KGM at {rpm:.0f} RPM": 3, "{newtons:.0f}@ {rpm:,.0f}+/-100(NM@ rpm)": 3,
    "{newtons:.0f}@ {low:.0f}-{rpm:.0f}": 3, "{newtons:.1f}NM@ {low:.0f}-{rpm:.0f}rpm": 3, "{newtons:.1f}Nm@ {rpm:.0f}": 3,
    "{newtons:.0f}NM@ {low:.0f}-{rpm:.0f}rpm": 3, "{newtons:.0f} Nm at {rpm:.0f}rpm": 3,
    "{newtons:.0f}Nm({kilos:.1f}kgm)@ {rpm:.0f}rpm": 3, "{newtons:.0f}({kilos:.1f})@ {rpm:.0f}": 3,
    "{newtons:.0f} Nm /{rpm:.0f} rpm": 3, "{kilos:.1f} kgm at {rpm:.0f} rpm": 3,
    "{kilos:.1f}@ {rpm:.0f}(kgm@ rpm)": 3, "{newtons:.0f}  Nm at {rpm:.0f}  rpm": 3,
}  # fmt: skip

# The sample's numbers are summary statistics of the original and the factors of a factor analysis of its
# distinct rows, make, power, year and price tied to them more closely, so that a model does as well as on the
# original. Makes and models are in the order of their median price.
SAMPLE = SyntheticSample(
    rows=4000,
    duplicates=0.15,
    factors=(
        Factor(name="power"), Factor(name="newness"), Factor(name="diesel"), Factor(name="size"), Factor(name="premium"),
    ),
    hidden=("brand", "model", "trim", "kmpl", "cc", "bhp", "newtons", "kilos", "rpm", "low"),
    columns={
        "brand": Marginal(
            shares={
                "Peugeot": 2, "Opel": 2, "Daewoo": 3, "Ambassador": 4, "Chevrolet": 185, "Tata": 550, "Fiat": 36,
                "Datsun": 44, "Maruti": 1816, "Nissan": 64, "Skoda": 58, "Renault": 171, "Hyundai": 1069,
                "Volkswagen": 138, "Ford": 311, "Honda": 286, "Mahindra": 598, "Toyota": 304, "Force": 4,
                "Mitsubishi": 9, "Kia": 2, "Jeep": 20, "MG": 3, "Mercedes-Benz": 36, "Isuzu": 3, "Land Rover": 3,
                "Audi": 29, "BMW": 37, "Jaguar": 6, "Volvo": 6, "Lexus": 2,
            },
            loadings=(0.3, 0.05, 0.05, 0.25, 0.8),
        ),
        "model": Marginal(
            shares={"Alto": 3, "WagonR": 2, "Swift": 4, "i20": 3, "City": 2, "Innova": 2, "Fortuner": 1},
            loadings=(0.3, 0.05, 0.05, 0.25, 0.8),
        ),
        "trim": Marginal(shares={"Std": 1, "LXI": 3, "LX": 2, "VXI": 4, "VDI BSIV": 3, "ZXI": 2, "SX": 2, "Titanium": 1}),
        "kmpl": Marginal(
            quantiles={0: 9, 0.01: 11.4, 0.1: 13.9, 0.25: 16.8, 0.5: 19.6, 0.75: 22.5, 0.9: 24.8, 0.98: 27.4, 1: 42},
            step=0.01, loadings=(-0.19, 0.39, 0.28, -0.68, -0.25), missing=0.032,
        ),
        "cc": Marginal(
            quantiles={0: 624, 0.01: 796, 0.05: 796, 0.1: 936, 0.25: 1197, 0.5: 1248, 0.75: 1498, 0.9: 2179, 0.99: 2967, 1: 3604},
            loadings=(0.65, -0.04, 0.35, 0.54, 0.18),
        ),
        "bhp": Marginal(
            quantiles={0: 32.8, 0.01: 37, 0.1: 56.3, 0.25: 67.1, 0.5: 81.8, 0.75: 100, 0.9: 126.3, 0.95: 147.9, 0.99: 190, 0.998: 265, 1: 400},
            step=0.1, loadings=(0.95, 0.1, 0.03, 0.15, 0.25),
        ),
        "newtons": Marginal(
            quantiles={0: 47, 0.01: 59, 0.1: 78, 0.25: 110, 0.5: 160, 0.75: 200, 0.9: 284, 0.95: 330, 0.99: 450, 1: 640},
            step=0.1, loadings=(0.79, 0.09, 0.46, 0.26, 0.16),
        ),
        "kilos": Scaled(source="newtons", factor=1 / NEWTON_METRES_PER_KILOGRAM_FORCE_METRE),
        "rpm": Marginal(
            quantiles={0: 1400, 0.01: 1500, 0.1: 1900, 0.25: 2250, 0.5: 3000, 0.75: 4000, 0.9: 4200, 0.99: 4800, 1: 6000},
            step=50, loadings=(0.01, 0.05, -0.86, 0, 0.11),
        ),
        "low": Scaled(source="rpm", factor=0.6),
        "name": Text(templates={"{brand} {model} {trim}": 1}),
        "year": Marginal(
            quantiles={0: 1983, 0.01: 2001, 0.05: 2006, 0.1: 2008, 0.25: 2011, 0.5: 2014, 0.75: 2017, 0.9: 2018, 0.95: 2019, 1: 2020},
            loadings=(0.1, 0.98, -0.03, -0.05, 0.06),
        ),
        "selling_price": Marginal(
            quantiles={
                0: 30_000, 0.01: 52_000, 0.05: 100_000, 0.1: 140_000, 0.25: 245_000, 0.5: 400_000, 0.75: 635_000,
                0.9: 900_000, 0.95: 1_200_000, 0.98: 1_850_000, 0.99: 2_700_000, 0.995: 3_250_000, 0.998: 5_200_000, 0.9995: 5_900_000, 1: 10_000_000,
            },
            step=1000, loadings=(0.53, 0.7, 0.19, 0.21, 0.36),
        ),
        "km_driven": Marginal(
            quantiles={
                0: 1000, 0.01: 5000, 0.1: 20_000, 0.25: 40_000, 0.5: 70_000, 0.75: 100_000, 0.9: 120_000, 0.95: 158_000,
                0.99: 240_000, 0.999: 400_000, 1: 2_360_000,
            },
            step=1000, loadings=(0.15, -0.56, 0.31, 0.2, -0.22),
        ),
        "fuel": Marginal(shares={"LPG": 6, "Petrol": 443, "CNG": 8, "Diesel": 543}, loadings=(0.44, 0.03, 0.86, 0.19, -0.06)),
        "seller_type": Marginal(
            shares={"Individual": 897, "Dealer": 99, "Trustmark Dealer": 4}, loadings=(0.1, 0.27, 0.04, -0.06, 0.62)
        ),
        "transmission": Marginal(shares={"Manual": 916, "Automatic": 84}, loadings=(0.38, 0.16, -0.15, 0.02, 0.89)),
        "owner": Marginal(
            shares={
                "Fourth & Above Owner": 257, "Third Owner": 776, "Second Owner": 2835, "First Owner": 6126, "Test Drive Car": 5,
            },
            loadings=(-0.02, 0.65, 0, -0.03, 0.18),
        ),
        "mileage": Text(templates={"{kmpl:g} kmpl": 985, "{kmpl:g} km/kg": 12, "0.0 kmpl": 3}, missing_with="kmpl"),
        "engine": Text(templates={"{cc:.0f} CC": 1}, missing_with="kmpl"),
        "max_power": Text(templates={"{bhp:g} bhp": 997, "0": 2, " bhp": 1}, missing_with="kmpl"),
        "torque": Text(templates=TORQUE, missing_with="kmpl"),
        "seats": Marginal(
            shares={"2": 1, "4": 19, "5": 782, "6": 9, "7": 141, "8": 34, "9": 12, "10": 3},
            loadings=(0.28, 0.1, 0.25, 0.91, -0.12), missing_with="kmpl",
        ),
    },
)  # fmt: skip
