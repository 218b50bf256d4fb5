"""What can go wrong with metrics."""

from app.domain.errors import Conflict, NotFound, Rejected


class UnknownMetric(NotFound):
    """There is no such metric in this workspace."""

    code = "unknown_metric"


class MetricExists(Conflict):
    """A metric has this slug or this name already."""

    code = "metric_exists"


class MetricArchived(Conflict):
    """The metric is archived."""

    code = "metric_archived"


class TooManyMetrics(Conflict):
    """The workspace has as many metrics, or as much to work out for them, as it may have."""

    code = "too_many_metrics"


class InvalidExpression(Rejected):
    """The expression cannot be understood."""

    code = "invalid_expression"
