"""From prepared curves to trend, noise, changes, floor, periods and selection: one question a file."""
