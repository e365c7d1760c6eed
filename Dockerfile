# One image for every process. docker-compose.yml has the command for each.
# `make images` prints the current digests of the base images.
ARG PYTHON_IMAGE=python:3.11.16-slim@sha256:e41613d42d4891e4930f79523f93f81bbc7632584ec65e36ab055f41a800b41e
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
# Install only what the product needs, without tests and servers. Check each file against its hash in requirements.lock.
RUN pip install --no-cache-dir uv==0.13.8 && uv venv /venv
ENV VIRTUAL_ENV=/venv UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN uv pip install --require-hashes --constraint requirements.lock --requirement pyproject.toml
COPY core core
COPY worker worker
COPY webui webui
RUN uv pip install --no-deps .
# A list of everything in the image (CycloneDX): docker run --rm batch-settle cat /venv/sbom.cdx.json
COPY .ci .ci
RUN uv venv /tools && uv pip sync --python /tools/bin/python --require-hashes .ci/tools.lock && \
    .ci/sbom /tools /venv /venv/sbom.cdx.json

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --create-home settle
COPY --from=build /venv /venv
# SETTLE_HTTPS_ONLY sends cookies only over TLS. It is set here and not in the compose file, so that settle.env can
# override it.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SETTLE_HTTPS_ONLY=true
WORKDIR /home/settle
USER 10001
CMD ["settle", "web"]
