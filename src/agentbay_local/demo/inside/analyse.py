"""Reads the data with pandas, and leaves a table, a plot, and the table once more as the value of the last line."""

import matplotlib.pyplot as plt
import pandas as pd

data = pd.read_csv("/workspace/day_length.csv", comment="#")
step = data["day"].drop_duplicates().diff().median()

# One row a latitude, the far north first.
hours = data.groupby("latitude")["day_length_h"]
table = pd.DataFrame(
    {
        "shortest_h": hours.min(),
        "longest_h": hours.max(),
        "mean_h": hours.mean(),
        "days_without_night": hours.agg(lambda each: (each >= 24).sum() * step).astype(int),
        "days_without_sun": hours.agg(lambda each: (each <= 0).sum() * step).astype(int),
    }
)
table = table.sort_index(ascending=False)
table.to_csv("/workspace/by_latitude.csv", float_format="%.3f")

figure, (curves, field) = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
chosen = [latitude for latitude in (70, 50, 30, 0, -30, -50, -70) if latitude in table.index]
colours = plt.get_cmap("coolwarm")
for number, latitude in enumerate(chosen):
    part = data[data["latitude"] == latitude]
    colour = colours(1 - number / (len(chosen) - 1))
    curves.plot(part["day"], part["day_length_h"], color=colour, label=f"{latitude}°")
curves.set(title="Length of the day", xlabel="day of the year", ylabel="hours", xlim=(1, 365), ylim=(-0.5, 24.5))
curves.set_yticks(range(0, 25, 4))
curves.grid(alpha=0.3)
figure.legend(title="latitude of the curves, north is positive", ncols=len(chosen), loc="outside lower left")

grid = data.pivot_table(index="latitude", columns="day", values="day_length_h")
filled = field.contourf(grid.columns, grid.index, grid, levels=range(0, 25, 2), cmap="cividis")
field.set(title="The same for all latitudes", xlabel="day of the year", ylabel="latitude, degrees")
figure.colorbar(filled, ax=field, label="hours")
figure.savefig("/workspace/day_length.png", dpi=110)
plt.close(figure)

table  # noqa: B018  # pyright: ignore[reportUnusedExpression]
