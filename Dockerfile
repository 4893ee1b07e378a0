# Builds with `docker build .`; docker-compose.yml shows how it is meant to run. What is copied from here, .dockerignore lets in.
FROM rust:1.95.0-slim-bookworm AS build
# A profile of Cargo's: dev builds sooner, release runs faster.
ARG PROFILE=release
WORKDIR /src
# A layer with the dependencies alone, which a change of the source leaves as it is. The sources are empty files meanwhile.
COPY Cargo.toml Cargo.lock ./
RUN sed -n 's/^path = "\(.*\.rs\)"$/\1/p' Cargo.toml | \
    while read -r file; do mkdir -p "$(dirname "$file")" && echo 'fn main() {}' >"$file"; done && \
    cargo build --profile "$PROFILE" --locked --bin tokensmith
COPY build.rs ./
COPY config config
COPY migrations migrations
COPY src src
# Cargo goes by the time of a file, and the empty ones may be the newer ones.
RUN touch src/lib.rs src/main.rs && cargo build --profile "$PROFILE" --locked --bin tokensmith
# All that the image holds: the binary, the libraries that it loads, the authorities that sign a Postgres' certificate, the
# licence of each, and two lines for the C library: where to look a host up, and who 10001 is.
COPY LICENSE LICENSE-APACHE LICENSE-MIT ./
RUN mkdir -p image/usr/local/bin image/usr/share/doc/tokensmith image/etc && \
    cp target/*/tokensmith image/usr/local/bin && \
    cp LICENSE* image/usr/share/doc/tokensmith && \
    cp --parents --dereference $(ldd target/*/tokensmith | grep -o '/[^ ]*') /etc/ssl/certs/ca-certificates.crt \
    /usr/share/doc/libc6/copyright /usr/share/doc/libgcc-s1/copyright /usr/share/doc/ca-certificates/copyright image && \
    echo 'hosts: files dns' >image/etc/nsswitch.conf && \
    echo 'tokensmith:x:10001:10001::/var/lib/tokensmith:/nonexistent' >image/etc/passwd && \
    mkdir -p home && mkdir -m 0700 home/tokensmith

FROM scratch
LABEL org.opencontainers.image.title="Tokensmith" \
    org.opencontainers.image.description="Issues scoped API tokens and verifies them" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0"
ENV PATH=/usr/local/bin
COPY --from=build /src/image/ /
COPY --from=build --chown=10001:10001 /src/home/ /var/lib/
USER 10001:10001
# The one place that it writes to: bootstrap.json, and data/ where the database is an SQLite file.
WORKDIR /var/lib/tokensmith
VOLUME /var/lib/tokensmith
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["tokensmith", "healthcheck"]
ENTRYPOINT ["tokensmith"]
CMD ["serve"]
