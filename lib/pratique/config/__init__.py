"""The service file (pratique.toml): its models, its defaults, and how it is loaded and validated."""

from pratique.config.balancer import BalancerSettings, HAProxySettings
from pratique.config.export import ExportSettings, RemoteWriteSettings
from pratique.config.jobs import JobSettings
from pratique.config.judge import GuardPolicy, Policy, Reaction, default_guards
from pratique.config.lines import line_of
from pratique.config.load import DEFAULT_FILE, load, parse
from pratique.config.metric_mapping import LabelMapping, MetricMapping
from pratique.config.model import Config
from pratique.config.point_mapping import PointMapping
from pratique.config.rollout import RolloutSettings
from pratique.config.runtime import DockerSettings, RuntimeSettings, SwarmSettings
from pratique.config.service import (
    ActionRule,
    FieldNames,
    ImportSettings,
    IncidentFields,
    IncidentSettings,
    ServiceSettings,
)
from pratique.config.store import PrometheusSettings, StoreSettings
from pratique.config.target import Target
from pratique.config.telemetry import HttplogSettings, TelemetrySettings
from pratique.config.types import NAME, Strict, check_address, check_name

__all__ = [
    "DEFAULT_FILE",
    "NAME",
    "ActionRule",
    "BalancerSettings",
    "Config",
    "DockerSettings",
    "ExportSettings",
    "FieldNames",
    "GuardPolicy",
    "HAProxySettings",
    "HttplogSettings",
    "ImportSettings",
    "IncidentFields",
    "IncidentSettings",
    "JobSettings",
    "LabelMapping",
    "MetricMapping",
    "PointMapping",
    "Policy",
    "PrometheusSettings",
    "Reaction",
    "RemoteWriteSettings",
    "RolloutSettings",
    "RuntimeSettings",
    "ServiceSettings",
    "StoreSettings",
    "Strict",
    "SwarmSettings",
    "Target",
    "TelemetrySettings",
    "check_address",
    "check_name",
    "default_guards",
    "line_of",
    "load",
    "parse",
]
