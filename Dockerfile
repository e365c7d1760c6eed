# One image for every process; docker-compose.yml says which command each runs.
FROM python:3.11-slim AS build
WORKDIR /build
# What the product needs, each file held against the hash in requirements.lock; nothing of its tests, no servers.
RUN pip install --no-cache-dir uv==0.13.8 && uv venv /venv
ENV VIRTUAL_ENV=/venv UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN uv pip install --require-hashes --constraint requirements.lock --requirement pyproject.toml
COPY core core
COPY worker worker
COPY webui webui
RUN uv pip install --no-deps .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home settle
COPY --from=build /venv /venv
# Cookies go over TLS alone, unless somebody says otherwise; here and not in the compose file, so that settle.env may.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SETTLE_HTTPS_ONLY=true
WORKDIR /home/settle
USER 10001
CMD ["settle", "web"]
