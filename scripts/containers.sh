# Sourced by install, upgrade, backup and restore: shared functions for the containers of docker-compose.yml.
# shellcheck shell=bash

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
umask 077
unset PORTAL_VERSION # it is what .env says, until scripts/upgrade sets it

SPEAKERS=(web signal worker notices beat) # the services that use the database
POSTGRES_HEALTHY_WITHIN_S=120
PORTAL_HEALTHY_WITHIN_S=180
PODMAN_COMPOSE=1.6 # the oldest that reads docker-compose.podman.yml
LOG=var/containers.log
mkdir -p var

# Docker Compose, or Podman with podman-compose. If both are installed, CONTAINERS=podman selects Podman.
find_containers() {
    case ${CONTAINERS:-} in
    '')
        if docker compose version >/dev/null 2>&1; then
            CONTAINERS=docker
        elif command -v podman >/dev/null; then
            CONTAINERS=podman
        else
            give_up "Neither Docker Compose nor Podman is installed." \
                "See https://docs.docker.com/engine/install/ or: apt install podman pipx && pipx install podman-compose"
        fi
        ;;
    docker | podman) ;;
    *) give_up "CONTAINERS is '$CONTAINERS': write docker or podman." ;;
    esac
    : >"$LOG" || give_up "Cannot write $PWD/$LOG; the reason is above. Nothing was changed."
    "$CONTAINERS" info >"$LOG" 2>&1 ||
        give_up "$CONTAINERS does not answer: $(tail -1 "$LOG") Is it running, and may you use it?"
    [ "$CONTAINERS" = docker ] || needs_podman_compose
    [ "$CONTAINERS" = docker ] || export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml:docker-compose.podman.yml}
    PROJECT=${COMPOSE_PROJECT_NAME:-$(sed -n 's/^name: //p' docker-compose.yml)}
}

# read_options "$@": for scripts that take no options except --help. Their first comment is what it prints.
read_options() {
    case ${1:-} in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "scripts/${0##*/}" && exit ;;
    -*) give_up "Unknown option '$1'. Nothing was done. See: scripts/${0##*/} --help" ;;
    esac
}

# Print the path of a file or folder that the caller named from where they are.
path_of() {
    case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s' "$CALLER/$1" ;;
    esac
}

# is_complete FILE: whether the backup can be read to its end. The list of its contents, at its start, is not enough.
is_complete() {
    run_in postgres pg_restore --file /dev/null <"$1"
}

needs_podman_compose() {
    local found
    found=$(podman-compose version 2>/dev/null | sed -n 's/^podman-composer\{0,1\} *version *//p') || true
    [ -n "$found" ] || give_up "podman-compose is not installed, or not in PATH. Install it: pipx install podman-compose"
    ! is_older "$found" "$PODMAN_COMPOSE" ||
        give_up "podman-compose is $found, and $PODMAN_COMPOSE or newer is needed. Install it: pipx install podman-compose"
}

# made_of NAME [FILE]...: changes when the image of this name in docker-compose.yml or a file does.
made_of() {
    local image release=${PORTAL_VERSION:-$(setting PORTAL_VERSION)}
    image=$(sed -n "s/^ *image: .*\(\b$1:.*\)$/\1/p" docker-compose.yml)
    shift
    {
        podman image inspect --format '{{.Id}}' "${image/\$\{PORTAL_VERSION*\}/$release}"
        cat /dev/null "$@"
    } 2>/dev/null | sha256sum | cut -c1-16
}

# A file takes what it says: with Podman, the container's monitor would keep a pipe open.
compose() {
    if [ "$CONTAINERS" = docker ]; then
        docker compose "$@"
    else
        PORTAL_MADE_OF=$(made_of ddos-mitigation-portal .env) SIMULATOR_MADE_OF=$(made_of ddos-mitigation-portal-simulator) \
            POSTGRES_MADE_OF=$(made_of postgres) REDIS_MADE_OF=$(made_of redis) PROXY_MADE_OF=$(made_of caddy) \
            podman-compose "$@"
    fi >>"$LOG" 2>&1 </dev/null
}

# Print the id of a service's container; nothing if there is none.
container() {
    "$CONTAINERS" ps --all --quiet --filter "label=com.docker.compose.project=$PROJECT" \
        --filter "label=com.docker.compose.service=$1" 2>/dev/null | head -1
}

is_running() {
    local id
    id=$(container "$1")
    [ -n "$id" ] && [ "$("$CONTAINERS" inspect --format '{{.State.Running}}' "$id")" = true ]
}

# run_in SERVICE COMMAND...: passes standard input on.
run_in() {
    local service=$1
    shift
    "$CONTAINERS" exec --interactive "$(container "$service")" "$@"
}

is_healthy() {
    local id
    id=$(container "$1")
    [ -n "$id" ] || return 1
    if [ "$CONTAINERS" = docker ]; then
        [ "$(docker inspect --format '{{.State.Health.Status}}' "$id")" = healthy ]
    else
        # Podman leaves health checks to systemd timers, which not every machine has.
        podman healthcheck run "$id" >/dev/null 2>&1
    fi
}

# wait_until_healthy SECONDS SERVICE...
wait_until_healthy() {
    local limit=$1 service began=$SECONDS
    shift
    for service in "$@"; do
        until is_healthy "$service"; do
            if [ $((SECONDS - began)) -ge "$limit" ]; then
                printf '\nThe last lines of %s:\n' "$service" >&2
                "$CONTAINERS" logs --tail 20 "$(container "$service")" >&2 2>&1 || true
                give_up "$service is not healthy after $limit s. Its last lines are above."
            fi
            sleep 0.5
        done
        say "$service is healthy"
    done
}

# start SERVICE...: recreates containers whose image or settings changed.
start() {
    compose up --detach --no-build --no-deps "$@" || fail_with_log "Could not start $*."
}

migrate() {
    say "Preparing the database"
    compose run --rm -T --no-deps migrate || fail_with_log "The database could not be prepared."
}

fail_with_log() {
    tail -15 "$LOG" >&2
    give_up "$1 The lines above are the end of $LOG."
}

# The release of this tree. Only pyproject.toml defines it.
version() {
    sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml
}

# is_older RELEASE THAN
is_older() {
    [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort --version-sort | head -1)" = "$1" ]
}

refuse_to_go_back() {
    give_up "$(setting PORTAL_VERSION) is installed, and this tree is $(version), which is older: its processes may not understand the tables." \
        "Nothing was changed. Check out $(setting PORTAL_VERSION) again; or go back with a backup from before the upgrade: scripts/restore --stop FILE"
}

# Print the value of a setting in .env; nothing if it is not set.
setting() {
    sed -n "s/^$1=//p" .env 2>/dev/null | tail -1
}

needs_installation() {
    local file missing=()
    for file in .env secrets/secrets_keys secrets/database_url; do
        [ -f "$file" ] || missing+=("$file")
    done
    [ ${#missing[@]} = 0 ] ||
        give_up "This tree has no ${missing[*]}: put your copy back, or install first with scripts/install. Nothing was changed."
}

# Print a random URL-safe word of BYTES bytes.
random_word() {
    head -c "$1" /dev/urandom | base64 --wrap=0 | tr '+/' '-_' | tr -d '='
}

# keep FILE CONTENT: create the file, but never overwrite it. The folder keeps other users out. The containers' users, who
# do not exist on this machine, must be able to read the file.
keep() {
    [ -e "secrets/$1" ] && return
    printf '%s\n' "$2" >"secrets/.$1"
    chmod 644 "secrets/.$1"
    mv "secrets/.$1" "secrets/$1"
}

make_secrets() {
    # New keys cannot read an older database, and its password stays as it was.
    [ -e secrets/secrets_keys ] || ! "$CONTAINERS" volume inspect "${PROJECT}_postgres" >/dev/null 2>&1 ||
        give_up "There is a database on this host, in the volume ${PROJECT}_postgres, but not the secrets/ that belong to it." \
            "Put your copy of secrets/ and .env here. If nobody needs that database, delete it first: docs/operations.md, \"Removing it\"." \
            "Nothing was changed."
    mkdir -p secrets
    chmod 700 secrets
    keep secret_key "$(random_word 64)"
    # 32 bytes in URL-safe base64 with the final =, as Fernet requires.
    keep secrets_keys "$(random_word 32)="
    keep postgres_password "$(random_word 24)"
    keep database_url "postgresql://portal:$(cat secrets/postgres_password)@postgres:5432/portal"
    keep redis_auth "requirepass $(random_word 24)"
    keep metrics_token "$(random_word 32)"
    keep redis_url "redis://:$(sed 's/^requirepass //' secrets/redis_auth)@redis:6379/0"
}

has_profile() {
    [[ ",$(setting COMPOSE_PROFILES)," == *",$1,"* ]]
}

# Whether the image of this tree's release is on this host.
has_image() {
    "$CONTAINERS" image inspect "ddos-mitigation-portal:$(version)" >/dev/null 2>&1
}

build_images() {
    patiently "Building the images of $(version)" var/build.log build_quietly ||
        { tail -15 var/build.log >&2; give_up "Could not build the image. The lines above are the end of var/build.log."; }
}

build_quietly() {
    local targets=(migrate)
    has_profile try && targets+=(northgate)
    if [ "$CONTAINERS" = docker ]; then
        docker compose build "${targets[@]}"
    else
        podman-compose build "${targets[@]}"
    fi </dev/null
}

# Start everything in order, so that no service has to wait for another: PostgreSQL and Redis, the tables, the portal.
start_everything() {
    say "Starting PostgreSQL and Redis"
    start postgres redis
    wait_until_healthy "$POSTGRES_HEALTHY_WITHIN_S" postgres redis
    migrate
    say "Starting the portal"
    start "${SPEAKERS[@]}"
    wait_until_healthy "$PORTAL_HEALTHY_WITHIN_S" "${SPEAKERS[@]}"
    has_profile proxy && start proxy
    return 0
}

# set_in FILE NAME VALUE: replaces the line that sets it or shows its default.
set_in() {
    local file=$1 name=$2 value=$3 line is_set=''
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        "$name="* | "#$name="*)
            [ -n "$is_set" ] || printf '%s=%s\n' "$name" "$value"
            is_set=yes
            ;;
        *) printf '%s\n' "$line" ;;
        esac
    done <"$file" >"$file.unfinished"
    [ -n "$is_set" ] || printf '%s=%s\n' "$name" "$value" >>"$file.unfinished"
    mv "$file.unfinished" "$file"
}
