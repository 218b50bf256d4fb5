"""What is worked out of events, answers and rules: the same columns beside accounts and organizations."""

from decimal import Decimal

from sqlalchemy import BigInteger, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Json


class Figures:
    """Numbers under a slug stand in JSON columns, so that a new definition needs no new column."""

    active_users: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    active_user_share: Mapped[Decimal | None] = mapped_column(Numeric)  # percent of its users
    last_received_at: Mapped[At | None]
    last_sent_at: Mapped[At | None]
    elements: Mapped[Json] = mapped_column(server_default=text("'{}'"))  # how many there are, by element
    element_firsts: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    element_lasts: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    elements_used: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    nps: Mapped[Decimal | None] = mapped_column(Numeric)
    nps_responses: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    nps_promoters: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    nps_passives: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    nps_detractors: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    nps_last_at: Mapped[At | None]
    metrics: Mapped[Json] = mapped_column(server_default=text("'{}'"))  # value by metric
    metric_changes: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    metric_pasts: Mapped[Json] = mapped_column(server_default=text("'{}'"))  # compared with, and until which day
    health: Mapped[Decimal | None] = mapped_column(Numeric)
    health_label: Mapped[str | None] = mapped_column(Text)
    health_scores: Mapped[Json] = mapped_column(server_default=text("'{}'"))  # 0 to 10, by score
    health_labels: Mapped[Json] = mapped_column(server_default=text("'{}'"))
