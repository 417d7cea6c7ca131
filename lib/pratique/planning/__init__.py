"""Plan a release: how long a good one takes to be promoted, and how soon a bad one is found."""

from pratique.planning.forecast import Duration, Forecast, GuardForecast, forecast
from pratique.planning.plan import Plan, plan
from pratique.planning.traffic import Outcome, Traffic, assume

__all__ = ["Duration", "Forecast", "GuardForecast", "Outcome", "Plan", "Traffic", "assume", "forecast", "plan"]
