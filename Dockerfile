# One image for the API, the worker and the migrations. PostgreSQL and Redis are given by URL; see compose.yaml.
FROM python:3.11-slim AS build
RUN python -m venv /opt/steward
COPY requirements.lock /tmp/requirements.lock
RUN /opt/steward/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --no-create-home steward
ENV PATH=/opt/steward/bin:$PATH \
    PYTHONPATH=/srv/steward \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STEWARD_HOST=0.0.0.0 \
    STEWARD_PORT=8080
COPY --from=build /opt/steward /opt/steward
COPY alembic.ini /srv/steward/
COPY app /srv/steward/app
COPY migrations /srv/steward/migrations
RUN printf '#!/bin/sh\nexec python -m app.cli "$@"\n' > /usr/local/bin/steward && chmod 0755 /usr/local/bin/steward
WORKDIR /srv/steward
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['STEWARD_PORT'] + '/healthz', timeout=2)"]
ENTRYPOINT ["steward"]
CMD ["serve"]
