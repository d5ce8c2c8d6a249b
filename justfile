# Short names for the commands of the README. Everything works without `just`.

# List the recipes.
default:
    @just --list

# Keep a DynamoDB Local running, with Docker or without, and print the variables that lead to it.
up:
    @cargo xtask up

# The same, with a KMS emulator and a key in it, which `bes` then uses.
up-kms:
    @cargo xtask up --kms

# Stop what `up` started. The tables stay under .bes.
down:
    @cargo xtask down

# The same DynamoDB Local by Docker Compose, on port 8000, until `compose-down`.
compose-up:
    docker compose up --detach --wait

# Stop it. The tables stay in its volume.
compose-down:
    docker compose down

# Verify the audit log of the tables of `compose-up` every 24 hours, in a container, as the user who owns the key file.
verifier:
    BES_UID=$(id -u) BES_GID=$(id -g) docker compose --profile audit up --build --detach verifier

# Start DynamoDB Local, and make the key and the table: then `bes` is ready for use.
setup:
    eval "$(cargo xtask up)" && cargo run --quiet --package blue-encrypted-store-cli -- init

# All tests, with local keys. They start what they need themselves.
test:
    BES_KEYS=local cargo test --workspace

# The same tests with keys in KMS.
test-kms:
    BES_KEYS=kms cargo test --workspace

# Wipe the local table and its key (it asks first).
reset:
    eval "$(cargo xtask up)" && cargo run --quiet --package blue-encrypted-store-cli -- reset
