# The command `bes` and nothing else: `docker build --tag bes .`, then `docker run --rm bes --help`.
#
# Both base images can be exchanged, for where they cannot be pulled: the first needs Rust and a C compiler, the second no
# more than the C library that the first links to (glibc), and the certificates to trust.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /source
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN cargo build --release --locked --package blue-encrypted-store-cli --target-dir /target \
    # A new volume takes its mode from the directory that it is mounted on: whatever user the container runs as may write.
    && mkdir -p /image/usr/local/bin /image/checkpoints \
    && chmod 1777 /image/checkpoints \
    && cp /target/release/bes /image/usr/local/bin/bes

FROM ${BASE_IMAGE}
COPY --from=build /image/ /
# Nobody in particular. To read the key file of a user, run as that user.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/bes"]
