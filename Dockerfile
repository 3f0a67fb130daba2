# One image per program: docker build --target ingest -t ringup/ingest . (also worker, resolve, admin, ringup, emulator).
# For other architectures: docker buildx build --platform linux/amd64,linux/arm64. The programs are cross-compiled, without emulation.
#
# Pin the base image by digest in your build: --build-arg GO_IMAGE=golang@sha256:…
ARG GO_IMAGE=golang:1.26.8-bookworm
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-trimpath
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH hack/image-rootfs /rootfs

# Each image has only the program, the certificate authorities, a user, and a directory for temporary files.
FROM scratch AS ingest
COPY --from=build /rootfs/ingest /
USER 65532:65532
EXPOSE 3000 9090
ENTRYPOINT ["/ingest"]

FROM scratch AS worker
COPY --from=build /rootfs/worker /
USER 65532:65532
EXPOSE 9090
ENTRYPOINT ["/worker"]

FROM scratch AS admin
COPY --from=build /rootfs/admin /
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/admin"]

FROM scratch AS resolve
COPY --from=build /rootfs/resolve /
USER 65532:65532
EXPOSE 9090
ENTRYPOINT ["/resolve"]

# The command line tool. The chart's test sends a webhook with it.
FROM scratch AS ringup
COPY --from=build /rootfs/ringup /
USER 65532:65532
ENTRYPOINT ["/ringup"]

# The emulator of the providers, for tests on a cluster.
FROM scratch AS emulator
COPY --from=build /rootfs/emulator /
USER 65532:65532
EXPOSE 8088
ENTRYPOINT ["/emulator"]
