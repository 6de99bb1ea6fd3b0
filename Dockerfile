# syntax=docker/dockerfile:1
# Two stages: the first compiles, and installs by hash into a virtual environment; the second holds nothing else.

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/keywright && python -m venv /opt/compiler
WORKDIR /src
COPY constraints.txt constraints-compiled.txt ./
RUN /opt/keywright/bin/pip install --require-hashes -r constraints.txt \
    && /opt/compiler/bin/pip install --require-hashes -r constraints-compiled.txt
COPY pyproject.toml README.md hatch_build.py ./
COPY gateway gateway
COPY admin admin
# The way of a request is compiled (docs/performance.md).
RUN HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 /opt/compiler/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/keywright/bin/pip install --no-deps /wheel/*.whl \
    && /opt/keywright/bin/pip uninstall --yes hatchling editables pip \
    && /opt/keywright/bin/python -m compileall -q /opt/keywright/lib

FROM python:3.13-slim
# Everything that is written goes to the volume, so the root file system can be mounted read-only:
#   docker run --read-only -v keywright:/var/lib/keywright -v ./keywright.yaml:/etc/keywright/keywright.yaml:ro …
RUN groupadd --gid 10001 keywright \
    && useradd --uid 10001 --gid keywright --home-dir /var/lib/keywright --no-create-home --shell /usr/sbin/nologin keywright \
    && install -d -o keywright -g keywright -m 0700 /var/lib/keywright \
    && install -d /etc/keywright
COPY --from=build /opt/keywright /opt/keywright
COPY config/keywright.yaml /etc/keywright/keywright.yaml
# The admin listener stays on the container's loopback unless KEYWRIGHT_ADMIN__HOST says otherwise:
# it has no business on a published port.
ENV PATH=/opt/keywright/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    KEYWRIGHT_LISTEN__HOST=0.0.0.0 \
    KEYWRIGHT_DATA_DIR=/var/lib/keywright
USER 10001:10001
WORKDIR /var/lib/keywright
VOLUME /var/lib/keywright
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["keywright"]
CMD ["serve", "-c", "/etc/keywright/keywright.yaml"]
