# Envoy Gateway's control plane: one static program. The context holds nothing but the program.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY envoy-gateway /usr/local/bin/envoy-gateway
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
ENTRYPOINT ["envoy-gateway"]
