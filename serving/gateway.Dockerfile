# The gateway: the agent and Envoy, two containers of this one image. Build from the repository's root:
#   docker build -f serving/gateway.Dockerfile -t serinus-gateway .
ARG BASE_IMAGE=python:3.11-slim-bookworm

# Tools that only the build needs: pip and the build backend, by hash. PYTHONPATH may bring pip where the base has none;
# PIP_NO_INDEX and PIP_FIND_LINKS may name a folder of wheels, so that the build needs no registry.
FROM ${BASE_IMAGE} AS tools
ARG PYTHONPATH PIP_NO_INDEX PIP_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY dev/images/build.txt /build/
RUN python3 -m venv --without-pip /build/venv \
 && python3 -m pip --python /build/venv/bin/python3 install --quiet --require-hashes -r /build/build.txt

# Dependencies, by hash. Byte code is compiled here, unchecked: the root of a running pod is read-only.
FROM tools AS dependencies
ARG PIP_NO_INDEX PIP_FIND_LINKS
COPY serving/gateway-requirements.txt /build/requirements.txt
RUN python3 -m venv --without-pip /opt/serinus \
 && /build/venv/bin/pip --python /opt/serinus/bin/python3 install --quiet --no-compile --require-hashes -r /build/requirements.txt \
 && find /opt/serinus -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -rf {} + \
 && find /opt/serinus \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.h' -o -name '*.a' \) -delete \
 && /opt/serinus/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/serinus/lib

# The project itself, in a layer of its own: a change of source moves a few hundred kilobytes.
FROM dependencies AS project
ARG PIP_NO_INDEX PIP_FIND_LINKS
COPY pyproject.toml README.md LICENSE /build/source/
COPY crds/serinus_api /build/source/crds/serinus_api
COPY serving/serinus_gateway /build/source/serving/serinus_gateway
RUN /build/venv/bin/pip --python /opt/serinus/bin/python3 install --quiet --no-compile --no-deps --no-index \
      --target /opt/project "$(/build/venv/bin/pip wheel --quiet --no-deps --no-build-isolation -w /build/wheel /build/source && ls /build/wheel/*.whl)" \
 && find /opt/project/bin -type f ! -name serinus-gateway -delete \
 && /opt/serinus/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/project

FROM ${BASE_IMAGE}
COPY --from=dependencies /opt/serinus /opt/serinus
COPY --from=project /opt/project /opt/project
ENV PATH=/opt/project/bin:/opt/serinus/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/project \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["serinus-gateway"]
