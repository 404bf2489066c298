# The images of a tenant, one a target: proxy (and the ledger's writer), admin, and the job that migrates and seeds.
#   docker build --target proxy -t aduana-proxy .
# docs/images.md says what they need to run. Builds anywhere with BuildKit or buildah; every package comes from a hashed lock
# file. Behind a mirror: --build-arg PIP_INDEX_URL=..., or --secret id=pip,src=pip.conf where it asks for a password. Without
# a network: --build-arg PIP_NO_INDEX=1 --build-context wheels=DIRECTORY, as `pip download -r requirements-proxy.lock` fills one.

ARG BASE=docker.io/library/python:3.11-slim-trixie@sha256:45037981b62b34b44602584fccbc4d884d5f7dc92c7ee86bb38a698a79fe1e51

# Empty, so that it can be mounted; --build-context wheels=DIRECTORY takes its place.
FROM scratch AS wheels

# ── Building: none of it is in an image ──────────────────────────────────────────────────────────────────────────────

# pip lives in a venv of its own, so that what it fills holds no pip.
FROM ${BASE} AS build
ARG PIP_INDEX_URL= PIP_NO_INDEX=
ENV PIP_INDEX_URL=${PIP_INDEX_URL} PIP_NO_INDEX=${PIP_NO_INDEX} PIP_FIND_LINKS=/wheels \
    PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv pip && python3 -m venv --without-pip /opt/aduana && ln -s "$(/opt/aduana/bin/python3 -c \
      'import sysconfig; print(sysconfig.get_path("purelib"))')" packages

FROM build AS wheel
COPY requirements-build.lock ./
RUN --mount=type=bind,from=wheels,target=/wheels --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip/bin/pip install --no-deps --require-hashes -r requirements-build.lock
COPY . source/
RUN pip/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist source/ && pip/bin/python -m zipfile -e dist/*.whl unpacked

FROM build AS proxy-packages
COPY requirements-proxy.lock ./
RUN --mount=type=bind,from=wheels,target=/wheels --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip/bin/pip --python /opt/aduana/bin/python3 install --no-deps --require-hashes -r requirements-proxy.lock
COPY --from=wheel /build/unpacked /wheel/
RUN cp -R /wheel/core /wheel/proxy /wheel/aduana-*.dist-info packages/ \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/aduana

FROM build AS admin-packages
COPY requirements-admin.lock ./
RUN --mount=type=bind,from=wheels,target=/wheels --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip/bin/pip --python /opt/aduana/bin/python3 install --no-deps --require-hashes -r requirements-admin.lock
COPY --from=wheel /build/unpacked /wheel/
RUN cp -R /wheel/core /wheel/admin /wheel/aduana-*.dist-info packages/ \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/aduana

FROM build AS job-packages
COPY requirements-job.lock ./
RUN --mount=type=bind,from=wheels,target=/wheels --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip/bin/pip --python /opt/aduana/bin/python3 install --no-deps --require-hashes -r requirements-job.lock
COPY --from=wheel /build/unpacked /wheel/
RUN cp -R /wheel/core /wheel/deployer /wheel/aduana-*.dist-info packages/ \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/aduana

# ── Running ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# The base without what installs packages or lends rights, and a user with a number that `runAsNonRoot` can check.
FROM ${BASE} AS runtime
RUN groupadd --gid 65532 aduana \
    && useradd --uid 65532 --gid 65532 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin aduana \
    && install -d -o 65532 -g 65532 -m 0700 /var/lib/aduana \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
ENV PATH=/opt/aduana/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 \
    PYTHONNOUSERSITE=1 LANG=C.UTF-8
ARG VERSION=0.1.0 REVISION= SOURCE= BASE
LABEL org.opencontainers.image.vendor="Aduana" \
      org.opencontainers.image.licenses="LicenseRef-Proprietary" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}"
WORKDIR /
USER 65532:65532

FROM runtime AS proxy
LABEL org.opencontainers.image.title="aduana-proxy" \
      org.opencontainers.image.description="Aduana's data plane; the ledger's writer is python3 -m proxy.writer"
COPY --from=proxy-packages /opt/aduana /opt/aduana
# The snapshot's copy and, without Redis, the ledger's spool: what has to outlive the process.
VOLUME ["/var/lib/aduana"]
EXPOSE 8080
ENV HEALTH_URL=http://127.0.0.1:8080/livez
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "-m", "core.healthcheck"]
ENTRYPOINT ["python3", "-m"]
CMD ["proxy", "--host", "0.0.0.0", "--port", "8080"]

FROM runtime AS admin
LABEL org.opencontainers.image.title="aduana-admin" \
      org.opencontainers.image.description="Aduana's admin plane"
COPY --from=admin-packages /opt/aduana /opt/aduana
EXPOSE 8081
ENV HEALTH_URL=http://127.0.0.1:8081/livez
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "-m", "core.healthcheck"]
ENTRYPOINT ["python3", "-m"]
CMD ["admin", "--host", "0.0.0.0", "--port", "8081"]

FROM runtime AS job
LABEL org.opencontainers.image.title="aduana-job" \
      org.opencontainers.image.description="Aduana's migrations and seed, run once inside the tenant's network"
COPY --from=job-packages /opt/aduana /opt/aduana
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-m", "deployer"]
CMD ["--help"]
